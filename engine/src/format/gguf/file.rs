//! A GGUF file, mapped.

use super::cursor::Cursor;
use super::header::{self, Header, Pair, Version};
use super::value::{self, Value};
use crate::error::{Error, Result};
use crate::format::mapped::Mapped;
use crate::format::{Metadata, TensorFile, TensorInfo};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::path::Path;
use std::sync::OnceLock;

/// A GGUF file (version 2 or 3): metadata and tensors, read from a mapping.
#[derive(Debug)]
pub struct GgufFile {
    file: Mapped,
    header: Header,
    keys: HashMap<String, usize>,
    names: HashMap<String, usize>,
    metadata: OnceLock<Metadata>,
}

impl GgufFile {
    /// Maps a file and reads its header; no weights are read.
    ///
    /// # Errors
    /// The file cannot be read, is not GGUF of version 2 or 3 in little endian, or its header contradicts itself or
    /// promises more than the file holds.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let file = Mapped::open(path.as_ref())?;
        let path = file.path();
        let bytes = file.bytes();
        if bytes.get(..4) != Some(b"GGUF") {
            let found = bytes.get(..4.min(bytes.len())).unwrap_or_default().escape_ascii();
            return Err(Error::format(path, format!("expected a GGUF file, found one that starts with \"{found}\"")));
        }
        let mut raw = [0; 4];
        match bytes.get(4..8) {
            Some(four) => raw.copy_from_slice(four),
            None => return Err(Error::format(path, "the GGUF header ends early").with_help(header::DAMAGED)),
        }
        check_version(path, Version::of(u32::from_le_bytes(raw)))?;
        let header = header::parse(bytes).map_err(|r| Error::format(path, r.problem).with_help(r.help))?;
        let keys = header.pairs.iter().enumerate().map(|(i, p)| (p.key.clone(), i)).collect();
        let names = header.tensors.iter().enumerate().map(|(i, t)| (t.name.clone(), i)).collect();
        Ok(Self { file, header, keys, names, metadata: OnceLock::new() })
    }

    /// GGUF's version, 2 or 3.
    pub fn version(&self) -> u32 {
        self.header.version
    }

    /// Every metadata key, in file order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.header.pairs.iter().map(|p| p.key.as_str())
    }

    /// A metadata value with its exact type; `None` when the key is absent.
    pub fn value(&self, key: &str) -> Option<Value> {
        self.decode(self.pair(key)?)
    }

    /// `general.architecture`.
    pub fn architecture(&self) -> Option<&str> {
        self.get_str("general.architecture")
    }

    /// A string; `None` when the key is absent, not a string, or not UTF-8.
    pub fn get_str(&self, key: &str) -> Option<&str> {
        let pair = self.pair(key).filter(|p| p.kind == value::ValueType::String)?;
        let bytes = Cursor::new(self.file.bytes(), pair.at.start).string(key).ok()?;
        std::str::from_utf8(bytes).ok()
    }

    /// A whole number of any width; `None` when the key is absent, negative or another type.
    pub fn get_u64(&self, key: &str) -> Option<u64> {
        self.scalar(key)?.as_u64()
    }

    /// A number; `None` when the key is absent, or not a finite number.
    pub fn get_f64(&self, key: &str) -> Option<f64> {
        self.scalar(key)?.as_f64()
    }

    /// A truth value; `None` when the key is absent or another type.
    pub fn get_bool(&self, key: &str) -> Option<bool> {
        self.scalar(key)?.as_bool()
    }

    /// An array's values; `None` when the key is absent or another type.
    pub fn get_array(&self, key: &str) -> Option<&[Json]> {
        self.metadata().get(key)?.as_array().map(Vec::as_slice)
    }

    /// A pair's key, type and value exactly as the file has them, for writing it on.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&Pair, &[u8])> {
        self.header.pairs.iter().filter_map(|p| Some((p, self.file.bytes().get(p.at.clone())?)))
    }

    fn pair(&self, key: &str) -> Option<&Pair> {
        self.header.pairs.get(*self.keys.get(key)?)
    }

    /// The header was checked when the file was opened: decoding fails only if it changed under the mapping.
    fn decode(&self, pair: &Pair) -> Option<Value> {
        value::decode(&mut Cursor::new(self.file.bytes(), pair.at.start), pair.kind).ok()
    }

    fn scalar(&self, key: &str) -> Option<Json> {
        let pair = self.pair(key).filter(|p| p.kind != value::ValueType::Array)?;
        self.decode(pair).map(Value::into_json)
    }
}

fn check_version(path: &Path, version: Version) -> Result<()> {
    let (problem, help) = match version {
        Version::Readable(_) => return Ok(()),
        Version::BigEndian(v) => (
            format!("expected little-endian GGUF, found big-endian (version {v})"),
            "take the little-endian file, or convert: python gguf-py/gguf/scripts/gguf_convert_endian.py FILE little (in llama.cpp)",
        ),
        Version::One => (
            "expected GGUF version 2 or 3, found version 1 (August 2023)".to_owned(),
            "take a newer GGUF of the model, or convert the original weights with llama.cpp's convert_hf_to_gguf.py",
        ),
        Version::Unknown(v) => (
            format!("expected GGUF version 2 or 3, found version {v}"),
            "the file is damaged, or newer than this program",
        ),
    };
    Err(Error::format(path, problem).with_help(help))
}

impl TensorFile for GgufFile {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn format(&self) -> &'static str {
        "gguf"
    }

    fn metadata(&self) -> &Metadata {
        self.metadata.get_or_init(|| {
            let pair = |p: &Pair| Some((p.key.clone(), self.decode(p)?.into_json()));
            self.header.pairs.iter().filter_map(pair).collect()
        })
    }

    fn tensors(&self) -> &[TensorInfo] {
        &self.header.tensors
    }

    fn index_of(&self, name: &str) -> Result<usize> {
        self.names
            .get(name)
            .copied()
            .ok_or_else(|| Error::no_tensor(name, self.header.tensors.iter().map(|t| t.name.as_str())))
    }

    fn data(&self, index: usize) -> Result<&[u8]> {
        let found = self.header.places.get(index).and_then(|p| self.file.bytes().get(p.clone()));
        found.ok_or_else(|| {
            Error::argument("tensor index", format!("less than {}", self.header.tensors.len()), index.to_string())
        })
    }
}
