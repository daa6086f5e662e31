//! One process at a time writes a file of the cache.

use crate::control::Control;
use crate::error::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(50);

/// Locks the file `path`, which the hub's own tools lock too. The lock goes with the returned file, or with the process.
///
/// While another process has it, this waits as long as `growing`, the file which that process writes, changes its size at
/// least once in `patience`.
///
/// # Errors
/// The other process stands still; an interrupt; the system refuses.
pub(super) fn lock(path: &Path, growing: &Path, patience: Duration, control: &Control) -> Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    }
    let mut options = OpenOptions::new();
    let file =
        options.read(true).write(true).create(true).truncate(false).open(path).map_err(|e| Error::io(path, e))?;
    let size = || std::fs::metadata(growing).map(|m| m.len()).ok();
    let (mut seen, mut moved) = (size(), Instant::now());
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            // Some file systems have no locks. What two processes write at once is told by its SHA-256.
            Err(TryLockError::Error(e)) if e.kind() == std::io::ErrorKind::Unsupported => return Ok(file),
            Err(TryLockError::Error(e)) => return Err(Error::io(path, e)),
        }
        control.check()?;
        std::thread::sleep(POLL);
        let now = size();
        if now != seen {
            (seen, moved) = (now, Instant::now());
        } else if moved.elapsed() > patience {
            let problem = format!("another process has been downloading {} and does not go on", growing.display());
            return Err(Error::network(problem, "end that process, or wait for it, and load again"));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_lock_is_waited_for_and_not_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let (path, growing) = (dir.path().join("locks/a.lock"), dir.path().join("a.incomplete"));
        let take = || lock(&path, &growing, Duration::from_millis(120), &Control::default());
        let first = take().unwrap();
        let e = take().unwrap_err().to_string();
        assert!(e.contains("another process"), "{e}");
        let interrupted = Control::default();
        interrupted.interrupt.raise();
        let e = lock(&path, &growing, Duration::from_secs(60), &interrupted).unwrap_err();
        assert!(matches!(e, Error::Interrupted));
        drop(first);
        take().unwrap();
    }
}
