//! Progress for work that turns out to take long, and silence for work that does not.

use crate::control::Control;
use crate::error::Result;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Shared by the threads of one piece of work.
pub(crate) struct Meter<'a> {
    control: &'a Control,
    label: String,
    total: u64,
    unit: &'static str,
    start: Instant,
    done: AtomicU64,
    next_ms: AtomicU64,
    shown: AtomicBool,
}

impl<'a> Meter<'a> {
    /// Nothing is reported before this much time has passed.
    const QUIET_MS: u64 = 500;
    const EVERY_MS: u64 = 100;

    pub(crate) fn new(control: &'a Control, label: impl Into<String>, total: usize, unit: &'static str) -> Self {
        Self {
            control,
            label: label.into(),
            total: total as u64,
            unit,
            start: Instant::now(),
            done: AtomicU64::new(0),
            next_ms: AtomicU64::new(Self::QUIET_MS),
            shown: AtomicBool::new(false),
        }
    }

    /// Counts `n` more units; `Err(Interrupted)` when a stop was asked for.
    pub(crate) fn step(&self, n: usize) -> Result<()> {
        self.control.check()?;
        let done = self.done.fetch_add(n as u64, Ordering::Relaxed) + n as u64;
        let now = self.start.elapsed().as_millis() as u64;
        let due = self.next_ms.load(Ordering::Relaxed);
        // The thread that moves the deadline is the one that reports; `finish` reports the end.
        let moved = || self.next_ms.compare_exchange(due, now + Self::EVERY_MS, Ordering::Relaxed, Ordering::Relaxed);
        if now >= due && done < self.total && moved().is_ok() {
            self.shown.store(true, Ordering::Relaxed);
            self.control.progress(&self.label, done, self.total, self.unit);
        }
        Ok(())
    }

    /// Ends the report, if there was one.
    pub(crate) fn finish(&self) {
        if self.shown.load(Ordering::Relaxed) {
            self.control.progress(&self.label, self.total, self.total, self.unit);
        }
    }
}
