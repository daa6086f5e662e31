//! `progress`: a bar for work that a script does itself.

use super::SessionEvent;
use super::{Host, define, define_type};
use crate::display::Bundle;
use rhai::{Array, Dynamic, Engine};
use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A bar moves no more often than this.
const EVERY: Duration = Duration::from_millis(50);

/// A bar and the items it counts. Cloning it shares the bar.
#[derive(Clone)]
struct Progress(Arc<Bar>);

struct Bar {
    host: Host,
    label: String,
    total: u64,
    done: AtomicU64,
    told: Mutex<Option<Instant>>,
    items: Items,
}

/// What a loop over a bar goes through.
enum Items {
    /// Numbers from the first on.
    Numbers {
        first: i64,
        count: u64,
    },
    Array(Array),
}

impl Items {
    fn count(&self) -> u64 {
        match self {
            Items::Numbers { count, .. } => *count,
            Items::Array(items) => items.len() as u64,
        }
    }

    fn get(&self, at: u64) -> Option<Dynamic> {
        match self {
            Items::Numbers { first, count } if at < *count => first.checked_add_unsigned(at).map(Dynamic::from),
            Items::Numbers { .. } => None,
            Items::Array(items) => items.get(usize::try_from(at).ok()?).cloned(),
        }
    }
}

impl From<i64> for Items {
    fn from(count: i64) -> Self {
        (0..count).into()
    }
}

impl From<Range<i64>> for Items {
    fn from(range: Range<i64>) -> Self {
        let count = if range.start < range.end { range.end.abs_diff(range.start) } else { 0 };
        Items::Numbers { first: range.start, count }
    }
}

impl From<RangeInclusive<i64>> for Items {
    fn from(range: RangeInclusive<i64>) -> Self {
        let (first, last) = range.into_inner();
        let count = if first <= last { last.abs_diff(first).saturating_add(1) } else { 0 };
        Items::Numbers { first, count }
    }
}

impl From<Array> for Items {
    fn from(items: Array) -> Self {
        Items::Array(items)
    }
}

impl Progress {
    /// A bar that starts now: front ends count time from its first event.
    fn new(host: &Host, label: &str, items: Items) -> Self {
        let bar = Bar {
            host: host.clone(),
            label: label.to_owned(),
            total: items.count(),
            done: AtomicU64::new(0),
            told: Mutex::new(None),
            items,
        };
        let bar = Self(Arc::new(bar));
        if bar.0.total > 0 {
            bar.tell(false);
        }
        bar
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
        self.bar.0.items.get(at)
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
    making(engine, host);
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

/// `progress` of each thing that can be counted, with and without a label.
fn making(engine: &mut Engine, host: &Host) {
    macro_rules! progress_of {
        ($kind:ty, $parameter:literal, $doc:literal, $example:literal) => {
            let h = host.clone();
            define("progress", &[$parameter, "Progress"], $doc)
                .example($example)
                .register_into_engine(engine, move |items: $kind| Progress::new(&h, "progress", items.into()));
            let h = host.clone();
            define("progress", &[$parameter, "label: string", "Progress"], $doc)
                .register_into_engine(engine, move |items: $kind, label: &str| Progress::new(&h, label, items.into()));
        };
    }
    progress_of!(
        i64,
        "n: int",
        "A progress bar of n steps: go through it with `for i in progress(n) { … }`, or call step().",
        "for i in progress(3, \"counting\") { print(i); }"
    );
    progress_of!(
        Range<i64>,
        "numbers: range",
        "The numbers of a range with a progress bar: `for i in progress(2..10) { … }`.",
        "let sum = 0; for i in progress(2..5) { sum += i; }\nsum // → 9"
    );
    progress_of!(
        RangeInclusive<i64>,
        "numbers: range=",
        "The numbers of a range with its last and a progress bar: `for i in progress(1..=10) { … }`.",
        "let sum = 0; for i in progress(1..=3) { sum += i; }\nsum // → 6"
    );
    progress_of!(
        Array,
        "items: array",
        "The items of an array with a progress bar: `for x in progress(items) { … }`.",
        "for x in progress([\"a\", \"b\"]) { print(x); }"
    );
}
