//! The last of the machine's memory: a script that eats it is stopped before the system ends the process, models and all.

use minerva_engine::memory::{Memory, memory};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How often memory is looked at.
const EVERY: Duration = Duration::from_millis(50);
/// Least memory that must stay free.
const RESERVE: u64 = 256 << 20;

/// Whether memory has run out, for the script to poll. Cloning it shares it.
#[derive(Clone, Default)]
pub struct LowMemory(Arc<AtomicU64>);

/// Token of a termination for want of memory: the bytes that were left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory(pub u64);

impl LowMemory {
    /// The bytes left when that was too few.
    pub fn left(&self) -> Option<OutOfMemory> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            left => Some(OutOfMemory(left)),
        }
    }

    /// Looks at memory until `done` is set; its thread is woken with `unpark`.
    pub fn watch(&self, done: &AtomicBool) {
        self.0.store(0, Ordering::Relaxed);
        while !done.load(Ordering::Relaxed) {
            std::thread::park_timeout(EVERY);
            if let Some(left) = exhausted() {
                self.0.store(left.max(1), Ordering::Relaxed);
            }
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
