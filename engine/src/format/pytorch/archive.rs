//! The zip around a checkpoint: where its pickle and its storages lie in the file.

use super::problem::{Problem, Result};
use crate::error::bytes as size;
use std::collections::HashMap;
use std::io::Cursor;
use std::ops::Range;
use zip::read::{ArchiveOffset, Config};
use zip::{CompressionMethod, ZipArchive};

/// What a file of `torch.save` before PyTorch 1.6 starts with: a magic number, pickled.
pub(in crate::format) const LEGACY_MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
/// How to turn such a file into one that can be read.
pub(in crate::format) const RESAVE: &str = "save it again in Python with PyTorch 1.6 or newer: torch.save(torch.load(\"old.bin\", map_location=\"cpu\", weights_only=True), \"new.bin\"); or take the model's safetensors version";
const TORCHSCRIPT: &str = "save the weights alone in Python: torch.save(torch.jit.load(\"x.pt\").state_dict(), \"x.pth\"); or take the model's safetensors version";

/// A pickle takes about 150 bytes for each tensor: this is enough for a hundred thousand.
const MAX_PICKLE: usize = 16 << 20;
/// The record that ends a zip, and how far from the end it can start: its own 22 bytes and a comment.
const END: &[u8] = b"PK\x05\x06";
const END_REACH: usize = 22 + 0xFFFF;
/// The record before it that says where the end of a zip with large numbers is.
const LOCATOR: &[u8] = b"PK\x06\x07";
const LOCATOR_BYTES: usize = 20;
/// The least that an entry takes in a zip's directory.
const ENTRY_BYTES: usize = 46;

/// The parts of a checkpoint, as places in the file.
#[derive(Debug)]
pub(super) struct Archive {
    /// `data.pkl`.
    pub(super) pickle: Range<usize>,
    storages: HashMap<String, Part>,
}

/// One entry of the zip.
#[derive(Debug, Clone)]
enum Part {
    Stored(Range<usize>),
    Compressed,
}

impl Archive {
    /// Reads the directory of a whole file's bytes.
    pub(super) fn read(file: &[u8]) -> Result<Self> {
        if file.starts_with(LEGACY_MAGIC) {
            let what = "expected a zip with a pickle inside, found a PyTorch checkpoint of the old kind (a bare pickle, from before PyTorch 1.6)";
            return Err(Problem::new(what, RESAVE));
        }
        let parts = parts(file)?;
        let mut pickles = parts.keys().filter(|n| n.strip_suffix("/data.pkl").is_some_and(|p| !p.contains('/')));
        let folder = match (pickles.next(), pickles.next()) {
            (Some(one), None) => one.trim_end_matches("data.pkl").to_owned(),
            (None, _) => {
                let what = format!("expected a PyTorch checkpoint, found a zip without data.pkl ({})", some(&parts));
                return Err(Problem::new(what, "give the path of a file that torch.save wrote, or unpack the zip"));
            }
            _ => return Err(Problem::damaged("expected one data.pkl in the checkpoint, found several")),
        };
        if parts.contains_key(&format!("{folder}constants.pkl")) {
            return Err(Problem::new("expected a PyTorch checkpoint, found a TorchScript archive", TORCHSCRIPT));
        }
        if let Some(order) = parts.get(&format!("{folder}byteorder")) {
            let order = order.place("byteorder").map(|p| file.get(p).unwrap_or_default())?;
            if order != b"little" {
                let what = format!("expected little-endian tensors, found {:?}", String::from_utf8_lossy(order));
                return Err(Problem::new(what, "save it again on a little-endian machine"));
            }
        }
        let pickle = match parts.get(&format!("{folder}data.pkl")) {
            Some(part) => part.place("data.pkl")?,
            None => return Err(Problem::damaged("expected data.pkl in the checkpoint, found none")),
        };
        if pickle.len() > MAX_PICKLE {
            let (most, found) = (size(MAX_PICKLE as u64), size(pickle.len() as u64));
            let what = format!("expected a description of the tensors of at most {most}, found {found}");
            return Err(Problem::new(what, super::problem::STATE_DICT));
        }
        let data = format!("{folder}data/");
        let storages = parts.into_iter().filter_map(|(n, part)| Some((n.strip_prefix(&data)?.to_owned(), part)));
        Ok(Self { pickle, storages: storages.collect() })
    }

    /// Where a storage's bytes lie.
    pub(super) fn storage(&self, key: &str) -> Result<Range<usize>> {
        match self.storages.get(key) {
            Some(part) => part.place(&format!("storage {key:?}")),
            None => Err(Problem::damaged(format!("storage {key:?} is not in the file"))),
        }
    }
}

impl Part {
    fn place(&self, what: &str) -> Result<Range<usize>> {
        match self {
            Self::Stored(place) => Ok(place.clone()),
            Self::Compressed => {
                let help = "torch.save never compresses: unpack the zip and pack it again without compression (zip -0), or save it again with torch.save";
                Err(Problem::new(format!("expected {what} uncompressed in the zip, found it compressed"), help))
            }
        }
    }
}

/// Every entry by its name. No entry's data is looked at.
fn parts(file: &[u8]) -> Result<HashMap<String, Part>> {
    check_count(file)?;
    let broken = |e: zip::result::ZipError| Problem::damaged(format!("expected the zip of a PyTorch checkpoint: {e}"));
    // A checkpoint has nothing before it. Looking for the directory elsewhere could mean looking at the whole file.
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let mut zip = ZipArchive::with_config(config, Cursor::new(file)).map_err(broken)?;
    let mut parts = HashMap::with_capacity(zip.len());
    for i in 0..zip.len() {
        let entry = zip.by_index_raw(i).map_err(broken)?;
        let Ok(name) = std::str::from_utf8(entry.name_raw()) else { continue };
        let part = if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
            Part::Compressed
        } else {
            let start = entry.data_start().and_then(|s| usize::try_from(s).ok());
            let length = usize::try_from(entry.size()).ok().filter(|_| entry.size() == entry.compressed_size());
            let place = start.zip(length).and_then(|(s, n)| Some(s..s.checked_add(n)?));
            match place.filter(|p| p.end <= file.len()) {
                Some(place) => Part::Stored(place),
                None => return Err(Problem::damaged(format!("{name:?} does not lie within the file"))),
            }
        };
        parts.insert(name.to_owned(), part);
    }
    Ok(parts)
}

/// The zip reader makes room for as many entries as the end of the file promises: only believable numbers may reach it.
fn check_count(file: &[u8]) -> Result<()> {
    let from = file.len().saturating_sub(END_REACH);
    for (at, end) in file.get(from..).unwrap_or_default().windows(12).enumerate().filter(|(_, w)| w.starts_with(END)) {
        let count = end.last_chunk().map_or(0, |n| u16::from_le_bytes(*n));
        // All ones: the number stands in a larger record, which the reader holds against the file's length by itself.
        let larger = (from + at).checked_sub(LOCATOR_BYTES).and_then(|at| file.get(at..)).unwrap_or_default();
        if (count != u16::MAX || !larger.starts_with(LOCATOR)) && usize::from(count) * ENTRY_BYTES > file.len() {
            return Err(Problem::damaged(format!("a zip of {count} entries cannot have {}", size(file.len() as u64))));
        }
    }
    Ok(())
}

/// A few of the names, for a message.
fn some(parts: &HashMap<String, Part>) -> String {
    let mut names: Vec<&str> = parts.keys().map(String::as_str).collect();
    names.sort_unstable();
    names.truncate(4);
    if names.is_empty() { "no entries".to_owned() } else { names.join(", ") }
}
