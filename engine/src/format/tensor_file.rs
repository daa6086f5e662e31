//! The one view of a file of tensors that the rest of the engine has.

use crate::error::Result;
use crate::format::DType;
use std::path::Path;

/// A file's metadata in file order: GGUF key-values, the `__metadata__` of safetensors, or the plain values of
/// a PyTorch checkpoint.
pub type Metadata = serde_json::Map<String, serde_json::Value>;

/// One tensor as the file's header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name in the file.
    pub name: String,
    /// How its values are stored.
    pub dtype: DType,
    /// Row-major shape, outermost dimension first, as NumPy says it (GGUF files store the reverse).
    pub shape: Vec<usize>,
    /// Length of its data in bytes.
    pub bytes: u64,
}

impl TensorInfo {
    /// Number of values.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A file (or a set of shards) of named tensors, mapped: listing reads no weights.
pub trait TensorFile: Send + Sync + std::fmt::Debug {
    /// The file, or the index or folder of a sharded set.
    fn path(&self) -> &Path;
    /// `"gguf"`, `"safetensors"` or `"pytorch"`.
    fn format(&self) -> &'static str;
    /// The header's metadata. Long arrays (vocabularies) are included.
    fn metadata(&self) -> &Metadata;
    /// Every tensor, in file order.
    fn tensors(&self) -> &[TensorInfo];
    /// The position of a tensor in [`TensorFile::tensors`]; unknown names are an error that suggests the nearest.
    fn index_of(&self, name: &str) -> Result<usize>;
    /// The raw bytes of a tensor, straight from the mapping (a copy only where PyTorch stored a transposed view).
    fn data(&self, index: usize) -> Result<&[u8]>;
}
