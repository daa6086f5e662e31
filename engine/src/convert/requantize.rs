//! A GGUF file with its weights in another storage type.

use super::store::store;
use super::target::Targets;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::gguf::{GgufFile, Writer};
use crate::format::{DType, QUANTIZABLE, TensorFile};
use std::path::Path;

/// `general.file_type` of a type (llama.cpp's `llama_ftype`, the plain or "small" mix of each).
const FILE_TYPES: &[(DType, u32)] = &[
    (DType::F32, 0),
    (DType::F16, 1),
    (DType::Q4_0, 2),
    (DType::Q4_1, 3),
    (DType::Q8_0, 7),
    (DType::Q5_0, 8),
    (DType::Q5_1, 9),
    (DType::Q2_K, 10),
    (DType::Q3_K, 11),
    (DType::Q4_K, 14),
    (DType::Q5_K, 16),
    (DType::Q6_K, 18),
    (DType::BF16, 32),
];

/// Of `general.quantization_version`: ggml's current quantization formats.
pub(super) const QUANTIZATION_VERSION: u32 = 2;

/// Rewrites the GGUF file `from` as `to` with its weight matrices stored as `dtype`. Metadata are kept byte for byte,
/// `general.file_type` and `general.quantization_version` excepted, which are set.
///
/// Vectors, norms, routers and position embeddings become F32. Integer tensors are kept. A matrix whose rows do not
/// fill the blocks of `dtype` takes the next larger type with smaller blocks, as in llama.cpp, F16 at last; a warning
/// counts them. Matrices that have the type already are copied. Values pass through `f32`, one tensor in memory at a
/// time; `to` appears whole or not at all, and may be `from` itself.
///
/// # Errors
/// `from` is no GGUF file or has a tensor that cannot be computed, `dtype` cannot be written, values are not finite,
/// the system refuses, or [`Error::Interrupted`].
pub fn requantize(from: impl AsRef<Path>, to: impl AsRef<Path>, dtype: DType, control: &Control) -> Result<()> {
    let file_type = file_type(dtype)?;
    let file = GgufFile::open(from)?;
    let mut writer = Writer::new();
    writer.copy_metadata(&file);
    writer.metadata("general.file_type", file_type)?;
    if dtype.is_quantized() {
        writer.metadata("general.quantization_version", QUANTIZATION_VERSION)?;
    }
    let mut targets = Targets::new(dtype);
    for (i, info) in file.tensors().iter().enumerate() {
        let target = targets.of(info);
        if target != info.dtype {
            info.dtype.computable()?;
        }
        let data = file.data(i)?;
        writer.tensor_with(&info.name, target, &info.shape, move || store(info, data, target, control))?;
    }
    writer.write_with(to, control)?;
    targets.tell(control);
    Ok(())
}

/// `general.file_type` of files whose weight matrices are stored as `dtype`.
///
/// # Errors
/// Files of this type cannot be written.
pub(super) fn file_type(dtype: DType) -> Result<u32> {
    let found = FILE_TYPES.iter().find(|(d, _)| *d == dtype && QUANTIZABLE.contains(d));
    found.map(|(_, id)| *id).ok_or_else(|| {
        let known: Vec<&str> = FILE_TYPES.iter().map(|(d, _)| d.name()).collect();
        Error::unsupported(format!("a GGUF file of {dtype}"), format!("choose one of {}", known.join(", ")))
    })
}
