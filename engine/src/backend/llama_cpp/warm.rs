//! Reading a cold file into the page cache, with progress and interruptibly.
//!
//! llama.cpp maps a file with `MAP_POPULATE`: one system call that reads all of it and answers nobody meanwhile. A file
//! that was just downloaded or used is in the page cache and costs nothing here; the rest is read in pieces first.

use crate::control::Control;
use crate::error::{Error, Result};
use std::fs::File;
use std::path::Path;

/// Bytes read between two looks at the interrupt: a slow disk's tenth of a second.
const PIECE: usize = 8 << 20;

/// Brings `path` into the page cache. Reports progress as `label`, and only if there is something to read.
#[cfg(unix)]
pub fn warm(path: &Path, label: &str, control: &Control) -> Result<()> {
    use std::os::unix::fs::FileExt;
    let fail = |e| Error::io(path, e);
    let file = File::open(path).map_err(fail)?;
    let total = file.metadata().map_err(fail)?.len();
    if total == 0 {
        return Ok(());
    }
    // SAFETY: the mapping is only asked which of its pages are resident; its bytes are never looked at.
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(fail)?;
    let mut buffer = Vec::new();
    let mut started = false;
    for (i, piece) in map.chunks(PIECE).enumerate() {
        control.check()?;
        if resident(piece) {
            continue;
        }
        started = true;
        buffer.resize(PIECE, 0u8);
        let offset = (i * PIECE) as u64;
        control.progress(label, offset, total, "B");
        let mut done = 0;
        while done < piece.len() {
            let Some(rest) = buffer.get_mut(done..piece.len()) else { break };
            match file.read_at(rest, offset + done as u64).map_err(fail)? {
                0 => break,
                n => done += n,
            }
        }
    }
    if started {
        control.progress(label, total, total, "B");
    }
    Ok(())
}

/// Whether every page of `piece`, which starts on a page border, is in memory. When the system does not say: yes, so that
/// nothing is read twice.
#[cfg(unix)]
fn resident(piece: &[u8]) -> bool {
    // SAFETY: sysconf only reads a constant.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096).max(1);
    let mut pages = vec![0; piece.len().div_ceil(page)];
    // SAFETY: the range is part of a live mapping and starts on a page border; the vector has a byte for each page.
    let answer = unsafe { libc::mincore(piece.as_ptr().cast_mut().cast(), piece.len(), pages.as_mut_ptr()) };
    answer != 0 || pages.iter().all(|p| p & 1 == 1)
}

/// Nothing to ask: the file is read when it is used.
#[cfg(not(unix))]
pub fn warm(path: &Path, _label: &str, control: &Control) -> Result<()> {
    File::open(path).map_err(|e| Error::io(path, e))?;
    control.check()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::control::Interrupt;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[test]
    fn a_file_just_written_is_warm_and_an_interrupt_stops_a_cold_one() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![7u8; 3 * PIECE / 2]).unwrap();
        file.as_file().sync_all().unwrap();
        let events = Arc::new(Mutex::new(0));
        let count = events.clone();
        let control = Control::new(Interrupt::default(), move |_| *count.lock().unwrap() += 1);
        warm(file.path(), "read", &control).unwrap();
        assert_eq!(*events.lock().unwrap(), 0, "nothing to read");
        control.interrupt.raise();
        assert!(matches!(warm(file.path(), "read", &control), Err(Error::Interrupted)));
    }
}
