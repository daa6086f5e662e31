//! A progress bar that a script moves.

use super::{Host, define};
use crate::session::SessionEvent;
use rhai::Engine;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The bar: a script's copies of it are one bar.
#[derive(Clone)]
struct Progress(Arc<State>);

struct State {
    host: Host,
    label: String,
    total: i64,
    done: AtomicI64,
}

impl Progress {
    fn new(host: &Host, total: i64, label: &str) -> Self {
        let bar = Self(Arc::new(State { host: host.clone(), label: label.to_owned(), total, done: AtomicI64::new(0) }));
        bar.set(0);
        bar
    }

    fn set(&self, done: i64) {
        self.0.done.store(done, Ordering::Relaxed);
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        let (label, total) = (self.0.label.clone(), count(self.0.total));
        self.0.host.emit(SessionEvent::Progress { label, done: count(done), total, unit: String::new() });
    }

    fn step(&self, by: i64) {
        self.set(self.0.done.load(Ordering::Relaxed).saturating_add(by));
    }
}

/// Registers the functions of this file.
pub fn register(engine: &mut Engine, host: &Host) {
    engine.register_type_with_name::<Progress>("Progress");
    let text =
        |bar: &mut Progress| format!("{}: {} of {}", bar.0.label, bar.0.done.load(Ordering::Relaxed), bar.0.total);
    for name in ["to_string", "to_debug"] {
        engine.register_fn(name, text);
    }
    let h = host.clone();
    let doc = "A progress bar over `total` steps: move it with `step()`, `step(n)` or `set(n)`.\n\n\
               let p = progress(3); for i in 0..3 { p.step() }";
    define("progress", &["total: int", "Progress"], doc)
        .register_into_engine(engine, move |total: i64| Progress::new(&h, total, "progress"));
    let h = host.clone();
    define("progress", &["total: int", "label: string", "Progress"], "A progress bar with a label.")
        .register_into_engine(engine, move |total: i64, label: &str| Progress::new(&h, total, label));
    define("step", &["bar: Progress"], "Moves the bar by one.")
        .register_into_engine(engine, |bar: &mut Progress| bar.step(1));
    define("step", &["bar: Progress", "n: int"], "Moves the bar by n.")
        .register_into_engine(engine, |bar: &mut Progress, n: i64| bar.step(n));
    define("set", &["bar: Progress", "done: int"], "Moves the bar to a place.")
        .register_into_engine(engine, |bar: &mut Progress, done: i64| bar.set(done));
}
