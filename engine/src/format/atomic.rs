//! Files of tensors that appear whole or not at all.

use crate::control::Control;
use crate::error::{Error, Result};
use std::borrow::Cow;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
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

/// Writes a small file whole or not at all.
pub fn write_small(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut out = AtomicFile::create(path)?;
    out.write(bytes)?;
    out.commit()
}

/// A file under a temporary name beside its target; [`AtomicFile::commit`] renames it into place, dropping removes it.
#[derive(Debug)]
struct AtomicFile {
    path: PathBuf,
    out: BufWriter<NamedTempFile>,
}

impl AtomicFile {
    fn create(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Err(Error::argument("output path", "a file", format!("the folder {}", path.display())));
        }
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = Builder::new();
        builder.prefix(".minerva-").suffix(".part");
        // A temporary file is private by default; this one becomes an ordinary file, as far as the umask allows.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder).map_err(|e| Error::io(path, e))?;
        Ok(Self { path: path.to_owned(), out: BufWriter::with_capacity(1 << 20, file) })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|e| Error::io(&self.path, e))
    }

    fn commit(self) -> Result<()> {
        let path = self.path;
        let file = self.out.into_inner().map_err(|e| Error::io(&path, e.into_error()))?;
        file.as_file().sync_data().map_err(|e| Error::io(&path, e))?;
        file.persist(&path).map_err(|e| Error::io(&path, e.error))?;
        Ok(())
    }
}
