//! Writes GGUF files: the header, then each tensor's bytes, made one at a time.

use super::file::GgufFile;
use super::value::{Value, ValueType};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::DType;
use crate::format::atomic::{Data, Part, padding, write_parts, wrong_length};
use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;

/// The version written.
const VERSION: u32 = 3;
/// The alignment of files that do not say.
const DEFAULT_ALIGNMENT: u64 = 32;

struct Entry<'a> {
    name: String,
    dtype: DType,
    id: u32,
    shape: Vec<usize>,
    bytes: u64,
    data: Data<'a>,
}

/// A GGUF file in the making: metadata and tensors in the order they are added.
#[derive(Default)]
pub struct Writer<'a> {
    pairs: Vec<(String, ValueType, Vec<u8>)>,
    tensors: Vec<Entry<'a>>,
    names: HashSet<String>,
    alignment: Option<u64>,
}

impl<'a> Writer<'a> {
    /// An empty file, of version 3.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a metadata value; a key that is there already keeps its place. `general.alignment` takes effect.
    ///
    /// # Errors
    /// The key is empty, an array mixes types, or the alignment is no power of two of type `u32`.
    pub fn metadata(&mut self, key: &str, value: impl Into<Value>) -> Result<()> {
        let value = value.into();
        if key.is_empty() {
            return Err(Error::argument("metadata key", "a name", "an empty one"));
        }
        if let Value::Array { of, values } = &value
            && let Some(other) = values.iter().find(|v| v.kind() != *of)
        {
            return Err(Error::argument(
                format!("metadata {key:?}"),
                format!("values of {}", of.name()),
                other.kind().name(),
            ));
        }
        if key == "general.alignment" {
            match value {
                Value::U32(n) if n.is_power_of_two() && n <= 1 << 16 => self.alignment = Some(u64::from(n)),
                other => {
                    return Err(Error::argument(key, "a UINT32 power of two up to 65536", format!("{other:?}")));
                }
            }
        }
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        self.put(key, value.kind(), bytes);
        Ok(())
    }

    /// Takes over all metadata of a file, byte for byte.
    pub fn copy_metadata(&mut self, from: &GgufFile) {
        for (pair, bytes) in from.pairs() {
            self.put(&pair.key, pair.kind, bytes.to_vec());
        }
        if let Some(n) = from.get_u64("general.alignment") {
            self.alignment = Some(n); // the reader has checked it
        }
    }

    fn put(&mut self, key: &str, kind: ValueType, bytes: Vec<u8>) {
        match self.pairs.iter_mut().find(|(k, ..)| k == key) {
            Some(pair) => (pair.1, pair.2) = (kind, bytes),
            None => self.pairs.push((key.to_owned(), kind, bytes)),
        }
    }

    /// Adds a tensor. `shape` is row-major, outermost dimension first.
    ///
    /// # Errors
    /// The name is taken, GGUF has no such type, or `data` is not as long as shape and type say.
    pub fn tensor(&mut self, name: &str, dtype: DType, shape: &[usize], data: impl Into<Cow<'a, [u8]>>) -> Result<()> {
        let data = data.into();
        let bytes = self.check(name, dtype, shape)?.0;
        if data.len() as u64 != bytes {
            return Err(wrong_length(name, bytes, data.len()));
        }
        self.tensor_with(name, dtype, shape, move || Ok(data))
    }

    /// Adds a tensor whose bytes are made when it is written, so that only one at a time is in memory.
    ///
    /// # Errors
    /// As [`Writer::tensor`], the length of the data excepted: that is checked when they are made.
    pub fn tensor_with(
        &mut self,
        name: &str,
        dtype: DType,
        shape: &[usize],
        data: impl FnOnce() -> Result<Cow<'a, [u8]>> + 'a,
    ) -> Result<()> {
        let (bytes, id) = self.check(name, dtype, shape)?;
        self.names.insert(name.to_owned());
        let (name, shape) = (name.to_owned(), shape.to_vec());
        self.tensors.push(Entry { name, dtype, id, shape, bytes, data: Box::new(data) });
        Ok(())
    }

    fn check(&self, name: &str, dtype: DType, shape: &[usize]) -> Result<(u64, u32)> {
        let about = format!("tensor {name:?}");
        if self.names.contains(name) {
            return Err(Error::argument(about, "a name of its own", "one that is taken"));
        }
        let Some(id) = dtype.ggml_id() else {
            return Err(Error::argument(about, "a type that GGUF has", dtype.name()));
        };
        if shape.len() > 4 {
            return Err(Error::argument(about, "at most 4 dimensions", shape.len().to_string()));
        }
        let row = shape.last().copied().unwrap_or(1);
        let elements = shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d));
        let bytes = elements.filter(|_| row.is_multiple_of(dtype.block())).and_then(|n| dtype.bytes_for(n));
        let expected = || format!("rows of whole {dtype} blocks ({} values)", dtype.block());
        let bytes = bytes.ok_or_else(|| Error::argument(about, expected(), format!("shape {shape:?}")))?;
        Ok((bytes, id))
    }

    /// Writes the file: under a temporary name first, so that `path` has it whole or not at all.
    ///
    /// # Errors
    /// The system refuses, or making a tensor's data fails.
    pub fn write(self, path: impl AsRef<Path>) -> Result<()> {
        self.write_with(path, &Control::default())
    }

    /// As [`Writer::write`], reporting progress and stopping when asked to.
    ///
    /// # Errors
    /// As [`Writer::write`], and [`Error::Interrupted`].
    pub fn write_with(self, path: impl AsRef<Path>, control: &Control) -> Result<()> {
        let alignment = self.alignment.unwrap_or(DEFAULT_ALIGNMENT);
        let header = self.header(alignment);
        let parts = self.tensors.into_iter().map(|t| Part { name: t.name, bytes: t.bytes, data: t.data }).collect();
        write_parts(path.as_ref(), &header, parts, alignment, control)
    }

    /// The header, padded to where data start.
    fn header(&self, alignment: u64) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(self.tensors.len() as u64).to_le_bytes());
        out.extend_from_slice(&(self.pairs.len() as u64).to_le_bytes());
        let string = |out: &mut Vec<u8>, s: &str| {
            out.extend_from_slice(&(s.len() as u64).to_le_bytes());
            out.extend_from_slice(s.as_bytes());
        };
        for (key, kind, bytes) in &self.pairs {
            string(&mut out, key);
            out.extend_from_slice(&(*kind as u32).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        let mut offset = 0_u64;
        for entry in &self.tensors {
            string(&mut out, &entry.name);
            out.extend_from_slice(&(entry.shape.len() as u32).to_le_bytes());
            for n in entry.shape.iter().rev() {
                out.extend_from_slice(&(*n as u64).to_le_bytes());
            }
            out.extend_from_slice(&entry.id.to_le_bytes());
            out.extend_from_slice(&offset.to_le_bytes());
            offset = (offset + entry.bytes).next_multiple_of(alignment);
        }
        out.extend_from_slice(&padding(out.len() as u64, alignment));
        out
    }
}

impl std::fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tensors: Vec<_> = self.tensors.iter().map(|t| (&t.name, t.dtype, &t.shape)).collect();
        f.debug_struct("Writer").field("pairs", &self.pairs.len()).field("tensors", &tensors).finish()
    }
}
