//! A PyTorch checkpoint, mapped.

use super::archive::Archive;
use super::layout::{self, Layout};
use super::pickle::Pickle;
use super::problem::{Problem, Result as Checked};
use super::state_dict::StateDict;
use crate::error::{Error, Result, bytes as size};
use crate::format::mapped::Mapped;
use crate::format::{Metadata, TensorFile, TensorInfo};
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

/// One file of `torch.save`, read from a mapping.
///
/// Tensors that share a storage share its bytes. Values that are not in row-major order (a transposed weight) are copied
/// into it when they are first asked for; all others are used in place.
#[derive(Debug)]
pub struct PyTorchFile {
    file: Mapped,
    contents: Contents,
    names: HashMap<String, usize>,
}

/// What a file holds.
#[derive(Debug, Default)]
struct Contents {
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
    places: Vec<Place>,
    copies: Vec<Copied>,
}

#[derive(Debug)]
enum Place {
    Mapped(Range<usize>),
    /// A position in the copies.
    Copied(usize),
}

/// What makes two copies equal: their bytes in the file, strides and shape.
type View = (Range<usize>, Vec<usize>, Vec<usize>);

/// A tensor that is stored in another order.
#[derive(Debug)]
struct Copied {
    span: Range<usize>,
    strides: Vec<usize>,
    values: OnceLock<Vec<u8>>,
}

impl PyTorchFile {
    /// Maps a file and reads its description of the tensors; no weights are read.
    ///
    /// # Errors
    /// The file cannot be read, is no checkpoint of PyTorch 1.6 or newer, is damaged, or holds more than tensors and plain
    /// values with names: the error names what.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let file = Mapped::open(path.as_ref())?;
        let contents = contents(file.bytes()).map_err(|p| p.at(file.path()))?;
        let names = contents.tensors.iter().enumerate().map(|(i, t)| (t.name.clone(), i)).collect();
        Ok(Self { file, contents, names })
    }

    fn copied(&self, at: usize, info: &TensorInfo) -> Option<&[u8]> {
        let copy = self.contents.copies.get(at)?;
        if let Some(values) = copy.values.get() {
            return Some(values);
        }
        let values = layout::gather(self.file.bytes().get(copy.span.clone())?, info, &copy.strides)?;
        Some(copy.values.get_or_init(|| values))
    }
}

/// Reads and checks everything but the values.
fn contents(file: &[u8]) -> Checked<Contents> {
    let archive = Archive::read(file)?;
    let mut pickle = Pickle::read(file.get(archive.pickle.clone()).unwrap_or_default())?;
    let state = StateDict::of(&mut pickle)?;
    let mut out = Contents { metadata: state.metadata, ..Contents::default() };
    // Equal views (tied weights) share a copy.
    let mut known: HashMap<View, usize> = HashMap::new();
    let mut copied = 0_u64;
    for (name, raw) in state.tensors {
        let storage = if raw.storage.bytes == 0 { 0..0 } else { archive.storage(raw.storage.key)? };
        if raw.storage.bytes > storage.len() as u64 {
            return Err(Problem::damaged(format!(
                "tensor {name:?}: expected {} in storage {:?}, found {}",
                size(raw.storage.bytes),
                raw.storage.key,
                size(storage.len() as u64)
            )));
        }
        let (info, Layout { span, strides }) = layout::check(&pickle, name, &raw, raw.storage.bytes as usize)?;
        let span = storage.start + span.start..storage.start + span.end;
        let place = match strides {
            None => Place::Mapped(span),
            Some(strides) => {
                let next = out.copies.len();
                let at = *known.entry((span.clone(), strides.clone(), info.shape.clone())).or_insert(next);
                if at == next {
                    copied = copied.saturating_add(info.bytes);
                    out.copies.push(Copied { span, strides, values: OnceLock::new() });
                }
                // An expanded tensor of few stored values can claim any size.
                if copied > file.len() as u64 {
                    let what = format!(
                        "tensor {:?}: tensors that are views of others would take {} in memory, more than the file itself",
                        info.name,
                        size(copied)
                    );
                    return Err(Problem::new(
                        what,
                        "call .contiguous() on expanded and transposed tensors before saving",
                    ));
                }
                Place::Copied(at)
            }
        };
        out.tensors.push(info);
        out.places.push(place);
    }
    Ok(out)
}

impl TensorFile for PyTorchFile {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn format(&self) -> &'static str {
        "pytorch"
    }

    fn metadata(&self) -> &Metadata {
        &self.contents.metadata
    }

    fn tensors(&self) -> &[TensorInfo] {
        &self.contents.tensors
    }

    fn index_of(&self, name: &str) -> Result<usize> {
        let known = || self.contents.tensors.iter().map(|t| t.name.as_str());
        self.names.get(name).copied().ok_or_else(|| Error::no_tensor(name, known()))
    }

    fn data(&self, index: usize) -> Result<&[u8]> {
        let (Some(info), Some(place)) = (self.contents.tensors.get(index), self.contents.places.get(index)) else {
            let expected = format!("less than {}", self.contents.tensors.len());
            return Err(Error::argument("tensor index", expected, index.to_string()));
        };
        let found = match place {
            Place::Mapped(place) => self.file.bytes().get(place.clone()),
            Place::Copied(at) => self.copied(*at, info),
        };
        found.ok_or_else(|| {
            let what = format!("tensor {:?} needs {} to be brought into row-major order", info.name, size(info.bytes));
            Error::format(self.path(), what).with_help("call .contiguous() on it before saving")
        })
    }
}
