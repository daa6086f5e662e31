//! Opens whatever [`detect`](super::detect) finds.

use crate::error::Result;
use crate::format::gguf::GgufFile;
use crate::format::pytorch::PyTorchFile;
use crate::format::safetensors::SafetensorsFile;
use crate::format::{Format, ShardedFile, TensorFile, detect, hub};
use std::path::Path;
use std::sync::Arc;

/// Opens a GGUF file, a safetensors file, a PyTorch checkpoint, an index of shards, or the weights of a hub folder. No weights are read.
///
/// # Errors
/// Those of [`detect`](super::detect), and a header that is wrong.
pub fn open(path: impl AsRef<Path>) -> Result<Arc<dyn TensorFile>> {
    let found = detect(path)?;
    Ok(match found.format {
        Format::Gguf => Arc::new(GgufFile::open(&found.path)?),
        Format::Safetensors => Arc::new(SafetensorsFile::open(&found.path)?),
        Format::PyTorch => Arc::new(PyTorchFile::open(&found.path)?),
        Format::ShardIndex => Arc::new(ShardedFile::open_index(&found.path)?),
        Format::HubFolder => hub::weights(&found.path)?,
    })
}
