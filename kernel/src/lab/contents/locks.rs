//! One change of a path at a time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

const COUNT: usize = 32;

/// A fixed number of locks. Two paths may share one; one path never has two.
#[derive(Debug)]
pub struct Locks([Mutex<()>; COUNT]);

impl Default for Locks {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }
}

impl Locks {
    /// Waits until nobody else changes any of these paths. Locks are taken in one order, so that nobody waits for ever;
    /// for the same reason nobody who holds some may ask for more.
    pub fn hold(&self, paths: &[&Path]) -> Vec<MutexGuard<'_, ()>> {
        let mut numbers: Vec<usize> = paths.iter().map(|path| number(path)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let locks = numbers.into_iter().filter_map(|n| self.0.get(n));
        locks.map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner)).collect()
    }
}

fn number(path: &Path) -> usize {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    (hasher.finish() % COUNT as u64) as usize
}
