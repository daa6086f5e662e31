//! A GGUF file with its weights in another storage type.

use super::store::store;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::gguf::{GgufFile, Writer};
use crate::format::{DType, QUANTIZABLE, TensorFile, TensorInfo};
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

/// Small or sensitive matrices that llama.cpp too keeps as they are, by a part of their name.
const KEPT: &[&str] = &[
    "_norm.weight",
    "ffn_gate_inp.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "time_mix_first.weight",
    "time_mix_w",
    "time_mix_v",
    "time_mix_a",
    "time_mix_g",
    "time_mix_decay_w",
    "time_mix_lerp_fused",
    "attn_rel_b.weight",
];

/// Rewrites the GGUF file `from` as `to` with its weight matrices stored as `dtype`. Metadata are kept byte for byte,
/// `general.file_type` and `general.quantization_version` excepted, which are set.
///
/// Vectors, norms, routers and position embeddings become F32. Integer tensors are kept. A matrix whose rows do not
/// fill the blocks of `dtype` takes the next larger type with smaller blocks, as in llama.cpp, F16 at last. Matrices
/// that have the type already are copied. Values pass through `f32`, one tensor in memory at a time; `to` appears whole
/// or not at all, and may be `from` itself.
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
    for (i, info) in file.tensors().iter().enumerate() {
        let target = target(info, dtype);
        if target != info.dtype {
            info.dtype.computable()?;
        }
        let data = file.data(i)?;
        writer.tensor_with(&info.name, target, &info.shape, move || store(info, data, target, control))?;
    }
    writer.write_with(to, control)
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

/// The type that a tensor gets.
pub(super) fn target(info: &TensorInfo, wanted: DType) -> DType {
    if matches!(info.dtype, DType::I8 | DType::I16 | DType::I32 | DType::I64) {
        return info.dtype;
    }
    // As llama.cpp counts them: dimensions of one do not make a matrix.
    let dims = info.shape.iter().skip_while(|d| **d == 1).count();
    let name = info.name.as_str();
    let kept = KEPT.iter().any(|part| name.contains(part));
    if dims < 2 || kept || !name.ends_with("weight") || name == "position_embd.weight" || name == "token_types.weight" {
        return DType::F32;
    }
    let row = info.shape.last().copied().unwrap_or(1);
    let mut dtype = wanted;
    while !row.is_multiple_of(dtype.block()) {
        dtype = match dtype {
            DType::Q2_K | DType::Q3_K => DType::Q4_0,
            DType::Q4_K => DType::Q5_0,
            DType::Q5_K => DType::Q5_1,
            DType::Q6_K => DType::Q8_0,
            _ => DType::F16,
        };
    }
    dtype
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, dtype: DType, shape: &[usize]) -> TensorInfo {
        TensorInfo { name: name.into(), dtype, shape: shape.to_vec(), bytes: 0 }
    }

    #[test]
    fn types_fall_back_where_rows_do_not_fill_blocks() {
        for (name, from, shape, wanted, expected) in [
            ("token_embd.weight", DType::F16, &[10, 256][..], DType::Q4_K, DType::Q4_K),
            ("token_embd.weight", DType::F16, &[10, 576], DType::Q4_K, DType::Q5_0),
            ("token_embd.weight", DType::F16, &[10, 576], DType::Q6_K, DType::Q8_0),
            ("token_embd.weight", DType::F16, &[10, 20], DType::Q2_K, DType::F16),
            ("blk.0.ffn_up.weight", DType::Q4_1, &[10, 20], DType::F32, DType::F32),
            ("blk.0.attn_norm.weight", DType::F16, &[256], DType::Q8_0, DType::F32),
            ("blk.0.attn_q_norm.weight", DType::F32, &[2, 256], DType::Q8_0, DType::F32),
            ("blk.0.attn_q.bias", DType::F32, &[1, 256], DType::Q8_0, DType::F32),
            ("blk.0.ffn_gate_inp.weight", DType::F32, &[8, 256], DType::Q8_0, DType::F32),
            ("position_embd.weight", DType::F16, &[8, 256], DType::F16, DType::F32),
            ("ids.weight", DType::I32, &[8, 256], DType::Q8_0, DType::I32),
        ] {
            assert_eq!(target(&info(name, from, shape), wanted), expected, "{name} {shape:?} as {wanted}");
        }
    }
}
