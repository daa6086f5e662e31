//! Writes safetensors files: the header, then each tensor's bytes, made one at a time.

use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::atomic::{Data, Part, write_parts, wrong_length};
use crate::format::{DType, Metadata};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;

/// One tensor for [`save`]: name, type, row-major shape, bytes.
pub type SaveTensor<'a> = (&'a str, DType, &'a [usize], &'a [u8]);

/// Writes tensors to a safetensors file, which appears whole or not at all.
///
/// # Errors
/// Those of [`Writer::tensor`] and [`Writer::write`].
pub fn save(path: impl AsRef<Path>, tensors: &[SaveTensor], metadata: &Metadata) -> Result<()> {
    let mut writer = Writer::new(metadata);
    for (name, dtype, shape, bytes) in tensors {
        writer.tensor(name, *dtype, shape, *bytes)?;
    }
    writer.write(path, &Control::default())
}

struct Entry<'a> {
    dtype: DType,
    shape: Vec<usize>,
    part: Part<'a>,
}

/// A safetensors file in the making. Tensors are written widest type first, in the order they are added among the same
/// type, so that all of them are aligned.
pub struct Writer<'a> {
    metadata: Map<String, Value>,
    tensors: Vec<Entry<'a>>,
    names: HashSet<String>,
}

impl<'a> Writer<'a> {
    /// An empty file. The format has only text in its metadata: other values are stored as their JSON text.
    pub fn new(metadata: &Metadata) -> Self {
        let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        let metadata = metadata.iter().map(|(k, v)| (k.clone(), text(v).into())).collect();
        Self { metadata, tensors: Vec::new(), names: HashSet::new() }
    }

    /// Adds a tensor.
    ///
    /// # Errors
    /// The name is taken or reserved, safetensors has no such type, or `data` is not as long as shape and type say.
    pub fn tensor(&mut self, name: &str, dtype: DType, shape: &[usize], data: impl Into<Cow<'a, [u8]>>) -> Result<()> {
        let data = data.into();
        let bytes = self.check(name, dtype, shape)?;
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
        let bytes = self.check(name, dtype, shape)?;
        self.names.insert(name.to_owned());
        let data: Data<'a> = Box::new(data);
        let part = Part { name: name.to_owned(), bytes, data };
        self.tensors.push(Entry { dtype, shape: shape.to_vec(), part });
        Ok(())
    }

    fn check(&self, name: &str, dtype: DType, shape: &[usize]) -> Result<u64> {
        let about = format!("tensor {name:?}");
        if name == "__metadata__" || self.names.contains(name) {
            let expected = "names that differ, none of them __metadata__";
            return Err(Error::argument("tensor names", expected, format!("{name:?}")));
        }
        if !dtype.in_safetensors() {
            let help = "dequantize it to F32, F16 or BF16 first, or write a GGUF file";
            return Err(Error::argument(about, "a type that safetensors has", dtype.name()).with_help(help));
        }
        let elements = shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d));
        let bytes = elements.and_then(|n| dtype.bytes_for(n));
        bytes.ok_or_else(|| Error::argument(about, format!("a shape that {dtype} can fill"), format!("{shape:?}")))
    }

    /// Writes the file: under a temporary name first, so that `path` has it whole or not at all.
    ///
    /// # Errors
    /// The system refuses, making a tensor's data fails, or [`Error::Interrupted`].
    pub fn write(mut self, path: impl AsRef<Path>, control: &Control) -> Result<()> {
        let width = |d: DType| d.block_bytes() / d.block();
        self.tensors.sort_by_key(|t| std::cmp::Reverse(width(t.dtype)));
        let mut header = Map::new();
        if !self.metadata.is_empty() {
            header.insert("__metadata__".to_owned(), Value::Object(self.metadata));
        }
        let mut at = 0;
        for entry in &self.tensors {
            let end = at + entry.part.bytes;
            let about = json!({ "dtype": entry.dtype.name(), "shape": entry.shape, "data_offsets": [at, end] });
            header.insert(entry.part.name.clone(), about);
            at = end;
        }
        let mut json = Value::Object(header).to_string().into_bytes();
        // The data start at a multiple of 8 bytes.
        json.resize(json.len().next_multiple_of(8), b' ');
        let mut head = (json.len() as u64).to_le_bytes().to_vec();
        head.extend_from_slice(&json);
        write_parts(path.as_ref(), &head, self.tensors.into_iter().map(|t| t.part).collect(), 1, control)
    }
}

impl std::fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tensors: Vec<_> = self.tensors.iter().map(|t| (&t.part.name, t.dtype, &t.shape)).collect();
        f.debug_struct("Writer").field("metadata", &self.metadata).field("tensors", &tensors).finish()
    }
}
