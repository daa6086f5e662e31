//! `progress`: a bar for work that a script does itself.

use super::SessionEvent;
use super::{Host, define, define_type};
use crate::display::Bundle;
use rhai::{Array, Dynamic, Engine};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A bar moves no more often than this.
const EVERY: Duration = Duration::from_millis(50);

/// A bar, and where it was made of an array, the items it counts. Cloning it shares the bar.
#[derive(Clone)]
struct Progress(Arc<Bar>);

struct Bar {
    host: Host,
    label: String,
    total: u64,
    done: AtomicU64,
    told: Mutex<Option<Instant>>,
    items: Option<Array>,
}

impl Progress {
    fn new(host: &Host, label: &str, total: u64, items: Option<Array>) -> Self {
        let bar = Bar {
            host: host.clone(),
            label: label.to_owned(),
            total,
            done: AtomicU64::new(0),
            told: Mutex::new(None),
            items,
        };
        Self(Arc::new(bar))
    }

    fn step(&self, by: i64) {
        self.0.done.fetch_add(by.max(0).unsigned_abs(), Ordering::Relaxed);
        self.tell(false);
    }

    fn set(&self, done: i64) {
        self.0.done.store(done.max(0).unsigned_abs(), Ordering::Relaxed);
        self.tell(false);
    }

    fn done(&self) -> u64 {
        self.0.done.load(Ordering::Relaxed).min(self.0.total)
    }

    fn tell(&self, end: bool) {
        let done = if end { self.0.total } else { self.done() };
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        let due = told.is_none_or(|at| at.elapsed() >= EVERY);
        if end || due || done == self.0.total {
            *told = Some(Instant::now());
            let (label, total) = (self.0.label.clone(), self.0.total);
            self.0.host.emit(SessionEvent::Progress { label, done, total, unit: "steps".into() });
        }
    }
}

/// The items of a bar in a `for` loop; the bar ends with the loop, also when the loop is left early.
struct Steps {
    bar: Progress,
    next: u64,
}

impl Iterator for Steps {
    type Item = Dynamic;

    fn next(&mut self) -> Option<Dynamic> {
        if self.next > 0 {
            self.bar.step(1);
        }
        if self.next >= self.bar.0.total {
            return None;
        }
        let at = self.next;
        self.next += 1;
        match &self.bar.0.items {
            Some(items) => items.get(usize::try_from(at).ok()?).cloned(),
            None => Some(Dynamic::from(i64::try_from(at).ok()?)),
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        if self.bar.done() < self.bar.0.total {
            self.bar.tell(true);
        }
    }
}

impl IntoIterator for Progress {
    type Item = Dynamic;
    type IntoIter = Steps;

    fn into_iter(self) -> Steps {
        Steps { bar: self, next: 0 }
    }
}

/// Registers the functions of this file.
pub fn register(engine: &mut Engine, host: &Host) {
    let doc = "A progress bar, which a for loop goes through, or which step, set and finish move.";
    define_type::<Progress>(
        engine,
        "Progress",
        doc,
        "let bar = progress(10, \"counting\");\nbar.step(4);\nbar.finish();",
    );
    engine.register_iterator::<Progress>();
    host.shows::<Progress>(engine, |p| Bundle::text(format!("{}: {} of {}", p.0.label, p.done(), p.0.total)));
    let doc = "A progress bar of n steps: go through it with `for i in progress(n) { … }`, or call step().";
    let h = host.clone();
    define("progress", &["n: int", "Progress"], doc)
        .example("for i in progress(3) { print(i); }")
        .register_into_engine(engine, move |n: i64| Progress::new(&h, "progress", n.max(0).unsigned_abs(), None));
    let h = host.clone();
    define("progress", &["n: int", "label: string", "Progress"], doc)
        .example("for i in progress(3, \"counting\") { print(i); }")
        .register_into_engine(engine, move |n: i64, label: &str| {
            Progress::new(&h, label, n.max(0).unsigned_abs(), None)
        });
    let doc = "The items of an array with a progress bar: `for x in progress(items) { … }`.";
    let h = host.clone();
    define("progress", &["items: array", "Progress"], doc)
        .example("for x in progress([\"a\", \"b\"]) { print(x); }")
        .register_into_engine(engine, move |a: Array| Progress::new(&h, "progress", a.len() as u64, Some(a)));
    let h = host.clone();
    define("progress", &["items: array", "label: string", "Progress"], doc)
        .register_into_engine(engine, move |a: Array, label: &str| Progress::new(&h, label, a.len() as u64, Some(a)));
    define("step", &["bar: Progress"], "One step more.")
        .example("let bar = progress(2);\nbar.step();")
        .register_into_engine(engine, |p: &mut Progress| p.step(1));
    define("step", &["bar: Progress", "by: int"], "Some steps more.")
        .example("progress(10).step(5);")
        .register_into_engine(engine, |p: &mut Progress, by: i64| p.step(by));
    define("set", &["bar: Progress", "done: int"], "Moves the bar to a place.")
        .example("progress(10).set(9);")
        .register_into_engine(engine, |p: &mut Progress, done: i64| p.set(done));
    define("finish", &["bar: Progress"], "Ends the bar.")
        .example("progress(10).finish();")
        .register_into_engine(engine, |p: &mut Progress| p.tell(true));
}
