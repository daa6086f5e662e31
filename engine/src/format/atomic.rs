//! Files that appear whole or not at all.

use crate::control::Control;
use crate::error::{Error, Result};
use std::borrow::Cow;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::{Builder, NamedTempFile};

/// Bytes written between two looks at the interrupt.
const PIECE: usize = 8 << 20;

/// A tensor's bytes, made when they are written.
pub(crate) type Data<'a> = Box<dyn FnOnce() -> Result<Cow<'a, [u8]>> + 'a>;

/// One tensor to write.
pub(crate) struct Part<'a> {
    /// For errors.
    pub(crate) name: String,
    /// How many bytes [`Part::data`] must give.
    pub(crate) bytes: u64,
    /// The bytes.
    pub(crate) data: Data<'a>,
}

/// Writes a header and then the parts, each padded to the alignment, with progress and interrupt.
pub(crate) fn write_parts(
    path: &Path,
    header: &[u8],
    parts: Vec<Part>,
    alignment: u64,
    control: &Control,
) -> Result<()> {
    let label = format!("write {}", path.file_name().unwrap_or_default().display());
    let total = parts.iter().map(|p| p.bytes).sum();
    let mut out = AtomicFile::create(path)?;
    out.write(header)?;
    let mut done = 0;
    for part in parts {
        control.check()?;
        let data = (part.data)()?;
        if data.len() as u64 != part.bytes {
            return Err(wrong_length(&part.name, part.bytes, data.len()));
        }
        for piece in data.chunks(PIECE) {
            control.check()?;
            out.write(piece)?;
            done += piece.len() as u64;
            if done < total {
                control.progress(&label, done, total, "B");
            }
        }
        out.write(&padding(part.bytes, alignment))?;
    }
    control.check()?;
    out.commit()?;
    control.progress(&label, total, total, "B");
    Ok(())
}

/// Zeros up to the next multiple of the alignment.
pub(crate) fn padding(length: u64, alignment: u64) -> Vec<u8> {
    vec![0; (length.next_multiple_of(alignment) - length) as usize]
}

/// Data that are not as long as shape and type say.
pub(crate) fn wrong_length(name: &str, expected: u64, found: usize) -> Error {
    Error::argument(format!("data of tensor {name:?}"), format!("{expected} bytes"), found.to_string())
}

/// Writes a small file whole or not at all. A file that is replaced leaves its permissions to the new one, and through a
/// symbolic link the file that it names is replaced.
///
/// # Errors
/// When the path names something that is no file, or the system refuses.
pub fn write_small(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut out = AtomicFile::create(path)?;
    out.write(bytes)?;
    out.commit()
}

/// Removes the temporary files of writes that go on at this moment: for a program that is about to end without unwinding,
/// as when a signal ends it. Those writes fail, and their targets stay as they are.
pub fn remove_unfinished() {
    for file in unfinished().drain(..) {
        let _ = fs::remove_file(file);
    }
}

/// Temporary files that are being written.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While it lives, a temporary file is one of [`UNFINISHED`].
#[derive(Debug)]
struct Listed(PathBuf);

impl Listed {
    fn new(file: &Path) -> Self {
        unfinished().push(file.to_owned());
        Self(file.to_owned())
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        unfinished().retain(|file| *file != self.0);
    }
}

/// A file under a temporary name beside its target; [`AtomicFile::commit`] renames it into place, dropping removes it.
#[derive(Debug)]
struct AtomicFile {
    /// What the caller named, for errors.
    path: PathBuf,
    /// The file to be replaced, symbolic links followed.
    target: PathBuf,
    out: BufWriter<NamedTempFile>,
    listed: Listed,
}

impl AtomicFile {
    fn create(path: &Path) -> Result<Self> {
        if let Some(found) = no_file(path) {
            return Err(Error::argument("output path", "a file", format!("{found} {}", path.display())));
        }
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = Builder::new();
        builder.prefix(".minerva-").suffix(".part");
        // A temporary file is private by default; this one becomes an ordinary file, as far as the umask allows.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder).map_err(|e| Error::io(path, e))?;
        let listed = Listed::new(file.path());
        // Before the first byte: what replaces a private file is private while it is written.
        if let Ok(old) = fs::metadata(&target)
            && file.as_file().metadata().map_or(true, |new| new.permissions() != old.permissions())
        {
            file.as_file().set_permissions(old.permissions()).map_err(|e| Error::io(path, e))?;
        }
        Ok(Self { path: path.to_owned(), target, out: BufWriter::with_capacity(1 << 20, file), listed })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|e| Error::io(&self.path, e))
    }

    fn commit(self) -> Result<()> {
        let Self { path, target, out, listed } = self;
        let failed = |e: std::io::Error| Error::io(&path, e);
        let file = out.into_inner().map_err(|e| failed(e.into_error()))?;
        file.as_file().sync_data().map_err(failed)?;
        file.persist(&target).map_err(|e| failed(e.error))?;
        drop(listed);
        Ok(())
    }
}

/// What stands at this path where that is no file: a folder, or a device, which must not be replaced by a file.
fn no_file(path: &Path) -> Option<&'static str> {
    let found = fs::metadata(path).ok()?;
    if found.is_file() {
        return None;
    }
    Some(if found.is_dir() { "the folder" } else { "the device or pipe" })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_given_up_leaves_nothing_and_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_small(&path, b"old").unwrap();
        let mut out = AtomicFile::create(&path).unwrap();
        out.write(b"new").unwrap();
        let part = out.out.get_ref().path().to_owned();
        assert!(unfinished().contains(&part));
        drop(out);
        assert!(!unfinished().contains(&part));
        assert_eq!(names(folder.path()), ["a.txt"]);
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn only_files_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write_small(folder.path(), b"x").unwrap_err().to_string().contains("the folder"));
        #[cfg(unix)]
        assert!(write_small(Path::new("/dev/null"), b"x").unwrap_err().to_string().contains("the device or pipe"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_permissions_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&real, &link).unwrap();
        write_small(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
