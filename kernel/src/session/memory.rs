//! The last of the machine's memory: a script that eats it is stopped before the system ends the process, models and all.

use minerva_engine::memory::{Memory, memory};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::Thread;
use std::time::Duration;

/// How often memory is looked at.
const EVERY: Duration = Duration::from_millis(50);
/// Least memory that must stay free.
const RESERVE: u64 = 256 << 20;

/// Whether memory has run out, for the script to poll. Cloning it shares it.
#[derive(Clone, Default)]
pub struct LowMemory(Arc<State>);

#[derive(Default)]
struct State {
    /// The bytes left when that was too few; else 0.
    left: AtomicU64,
    running: AtomicBool,
    watcher: OnceLock<Thread>,
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(watcher) = self.watcher.get() {
            watcher.unpark();
        }
    }
}

/// While it lives, memory is looked at.
pub struct Watched<'a>(&'a State);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::Release);
    }
}

/// Token of a termination for want of memory: the bytes that were left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory(pub u64);

impl LowMemory {
    /// The bytes left when that was too few.
    pub fn left(&self) -> Option<OutOfMemory> {
        match self.0.left.load(Ordering::Relaxed) {
            0 => None,
            left => Some(OutOfMemory(left)),
        }
    }

    /// Looks at memory, on a thread of its own, for as long as the returned value lives.
    pub fn watch(&self) -> Watched<'_> {
        self.0.left.store(0, Ordering::Relaxed);
        self.0.running.store(true, Ordering::Release);
        match self.0.watcher.get() {
            Some(watcher) => watcher.unpark(),
            None => {
                let state = Arc::downgrade(&self.0);
                // Without a thread for it the script goes unwatched.
                if let Ok(watcher) = std::thread::Builder::new().name("minerva-memory".into()).spawn(|| look(state)) {
                    let _ = self.0.watcher.set(watcher.thread().clone());
                }
            }
        }
        Watched(&self.0)
    }
}

/// Looks at memory while cells run, sleeps between them, and ends with the session.
fn look(state: Weak<State>) {
    loop {
        let Some(now) = state.upgrade() else { return };
        let running = now.running.load(Ordering::Acquire);
        if running && let Some(left) = exhausted() {
            now.left.store(left.max(1), Ordering::Relaxed);
        }
        drop(now);
        match running {
            true => std::thread::park_timeout(EVERY),
            false => std::thread::park(),
        }
    }
}

/// The bytes left, when they are nearly none and this process is what took them.
fn exhausted() -> Option<u64> {
    let Memory { available, total } = memory()?;
    let own = own()?;
    (available < RESERVE.max(total / 50) && own > total / 4).then_some(available)
}

/// Bytes of this process that no file backs.
fn own() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: Vec<u64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    // The size of a page on every system whose /proc this is; larger ones only make the guard later.
    Some(pages.get(1)?.saturating_sub(*pages.get(2)?) * 4096)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_can_be_read_and_is_not_exhausted_by_this_test() {
        assert!(own().unwrap() < memory().unwrap().total);
        assert_eq!(exhausted(), None);
    }
}
