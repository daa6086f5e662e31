//! A file mapped into memory: nothing is read until it is looked at.

use crate::error::{Error, Result};
use memmap2::Mmap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A read-only mapping of a whole regular file.
#[derive(Debug)]
pub(crate) struct Mapped {
    path: PathBuf,
    map: Option<Mmap>, // an empty file cannot be mapped
}

impl Mapped {
    /// Maps the file; anything that is not a regular file (a pipe would block, a folder has no bytes) is an error.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let about = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        if !about.is_file() {
            return Err(Error::format(path, "expected a file, found a folder, a pipe or a device"));
        }
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let map = if about.len() == 0 {
            None
        } else {
            // SAFETY: the mapping is private and read-only, and every file we write replaces its target by a rename,
            // never in place. Another program that shortens the file while it is mapped can still raise SIGBUS; every
            // program that maps model files shares that limit.
            Some(unsafe { Mmap::map(&file) }.map_err(|e| Error::io(path, e))?)
        };
        Ok(Self { path: path.to_owned(), map })
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or(&[])
    }
}
