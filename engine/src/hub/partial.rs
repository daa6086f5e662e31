//! A file that is being downloaded: it grows from one attempt, one session or one program to the next.

use crate::control::Control;
use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes that may wait for the disk: what is left for the end takes no noticeable time, during which nobody could interrupt.
const UNSAVED: u64 = 16 << 20;

/// `blobs/ETAG.incomplete`, open at its end. Dropping it keeps the file.
pub(super) struct Partial {
    path: PathBuf,
    file: File,
    len: u64,
    unsaved: u64,
    /// Of what is there so far, where it will be compared.
    hash: Option<Sha256>,
}

impl Partial {
    /// Opens what an earlier attempt has left, or begins.
    pub(super) fn open(path: PathBuf, hashed: bool, control: &Control) -> Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|e| disk(e, &path))?;
        let mut partial = Self { path, file, len: 0, unsaved: 0, hash: hashed.then(Sha256::new) };
        partial.read_on(control)?;
        Ok(partial)
    }

    /// Goes to the end, and hashes what lies before it.
    fn read_on(&mut self, control: &Control) -> Result<()> {
        let Some(hash) = &mut self.hash else {
            self.len = self.file.seek(SeekFrom::End(0)).map_err(|e| Error::io(&self.path, e))?;
            return Ok(());
        };
        let mut piece = vec![0_u8; 1 << 20];
        loop {
            control.check()?;
            let n = self.file.read(&mut piece).map_err(|e| Error::io(&self.path, e))?;
            if n == 0 {
                return Ok(());
            }
            hash.update(piece.get(..n).unwrap_or_default());
            self.len += n as u64;
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| disk(e, &self.path))?;
        self.len += bytes.len() as u64;
        self.unsaved += bytes.len() as u64;
        if self.unsaved >= UNSAVED {
            self.file.sync_data().map_err(|e| disk(e, &self.path))?;
            self.unsaved = 0;
        }
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        Ok(())
    }

    /// Begins anew.
    pub(super) fn clear(&mut self) -> Result<()> {
        self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(|e| Error::io(&self.path, e))?;
        self.len = 0;
        self.hash = self.hash.take().map(|_| Sha256::new());
        Ok(())
    }

    /// The SHA-256 of what is there, in hexadecimal digits, where it was asked for.
    pub(super) fn sha256(&self) -> Option<String> {
        self.hash.clone().map(|h| hex::encode(h.finalize()))
    }

    /// The file is whole and gets its name.
    pub(super) fn keep_as(self, blob: &Path) -> Result<()> {
        let Self { path, file, .. } = self;
        file.sync_data().map_err(|e| disk(e, &path))?;
        drop(file);
        std::fs::rename(&path, blob).map_err(|e| Error::io(blob, e))
    }
}

fn disk(error: std::io::Error, path: &Path) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => no_room(format!("the disk is full: {}", path.display())),
        _ => Error::io(path, error),
    }
}

/// There is not enough room for a download.
pub(super) fn no_room(problem: String) -> Error {
    let help = "make room, or set HF_HOME to a folder on another disk, and load it again; what was downloaded is kept";
    Error::unsupported(problem, help)
}
