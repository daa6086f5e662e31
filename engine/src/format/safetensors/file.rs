//! A safetensors file, or a set of shards, mapped.

use super::header::{self, Header};
use crate::error::{Error, Result};
use crate::format::mapped::Mapped;
use crate::format::{Metadata, TensorFile, TensorInfo};
use std::collections::HashMap;
use std::path::Path;

const TRUNCATED: &str = "the file is damaged or was not downloaded whole; download it again and compare its size and checksum with the source's";

/// One safetensors file, read from a mapping.
#[derive(Debug)]
pub struct SafetensorsFile {
    file: Mapped,
    header: Header,
    names: HashMap<String, usize>,
}

impl SafetensorsFile {
    /// Maps a file and reads its header; no weights are read.
    ///
    /// # Errors
    /// The file cannot be read, or its header is not that of a whole safetensors file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let file = Mapped::open(path.as_ref())?;
        let header = header::parse(file.bytes()).map_err(|p| Error::format(file.path(), p).with_help(TRUNCATED))?;
        let names = header.tensors.iter().enumerate().map(|(i, t)| (t.name.clone(), i)).collect();
        Ok(Self { file, header, names })
    }
}

impl TensorFile for SafetensorsFile {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn format(&self) -> &'static str {
        "safetensors"
    }

    fn metadata(&self) -> &Metadata {
        &self.header.metadata
    }

    fn tensors(&self) -> &[TensorInfo] {
        &self.header.tensors
    }

    fn index_of(&self, name: &str) -> Result<usize> {
        let known = || self.header.tensors.iter().map(|t| t.name.as_str());
        self.names.get(name).copied().ok_or_else(|| Error::no_tensor(name, known()))
    }

    fn data(&self, index: usize) -> Result<&[u8]> {
        let found = self.header.places.get(index).and_then(|p| self.file.bytes().get(p.clone()));
        found.ok_or_else(|| {
            Error::argument("tensor index", format!("less than {}", self.header.tensors.len()), index.to_string())
        })
    }
}
