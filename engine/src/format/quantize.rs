//! `f32` values in a storage type.

use crate::error::{Error, Result};
use crate::format::DType;
use crate::format::blocks::{as_bytes, dispatch};
use crate::format::dequantize::PIECE;
use candle_core::quantized::GgmlType;
use half::{bf16, f16};
use rayon::prelude::*;

/// Stores `values` in `dtype`: a plain float type, or a quantized one (ggml's reference rounding, without an importance
/// matrix). Large tensors are spread over rayon's threads.
///
/// # Errors
/// The type is none that values can be turned into, the values do not fill whole blocks, or some are not finite where
/// the type shares scales between values.
pub fn quantize(values: &[f32], dtype: DType) -> Result<Vec<u8>> {
    if !QUANTIZABLE.contains(&dtype) {
        let known: Vec<&str> = QUANTIZABLE.iter().map(|d| d.name()).collect();
        return Err(Error::unsupported(
            format!("storing values as {dtype}"),
            format!("choose one of {}", known.join(", ")),
        ));
    }
    let Some(bytes) = dtype.bytes_for(values.len()).and_then(|n| usize::try_from(n).ok()) else {
        let expected = format!("a multiple of {} values", dtype.block());
        return Err(Error::argument(format!("{dtype} data"), expected, values.len().to_string()));
    };
    if dtype.is_quantized()
        && let Some(at) = values.par_iter().position_first(|v| !v.is_finite())
    {
        let found = values.get(at).copied().unwrap_or(f32::NAN);
        return Err(Error::Numeric(format!("value {at} is {found}: {dtype} can store finite values only")));
    }
    let mut out = vec![0; bytes];
    let piece_bytes = PIECE / dtype.block() * dtype.block_bytes();
    out.par_chunks_mut(piece_bytes).zip(values.par_chunks(PIECE)).for_each(|(out, values)| piece(dtype, values, out));
    Ok(out)
}

/// The types that [`quantize`] can write.
pub const QUANTIZABLE: &[DType] = &[
    DType::F32,
    DType::F16,
    DType::BF16,
    DType::F64,
    DType::Q4_0,
    DType::Q4_1,
    DType::Q5_0,
    DType::Q5_1,
    DType::Q8_0,
    DType::Q2_K,
    DType::Q3_K,
    DType::Q4_K,
    DType::Q5_K,
    DType::Q6_K,
];

fn piece(dtype: DType, values: &[f32], out: &mut [u8]) {
    match dtype {
        DType::F32 => plain(values, out, f32::to_le_bytes),
        DType::F16 => plain(values, out, |v| f16::from_f32(v).to_le_bytes()),
        DType::BF16 => plain(values, out, |v| bf16::from_f32(v).to_le_bytes()),
        DType::F64 => plain(values, out, |v| f64::from(v).to_le_bytes()),
        quantized => {
            // QUANTIZABLE lists no other type that is not in the table.
            dispatch!(quantized, blocks(values, out));
        }
    }
}

fn plain<const N: usize>(values: &[f32], out: &mut [u8], store: impl Fn(f32) -> [u8; N]) {
    let (places, _) = out.as_chunks_mut::<N>();
    for (place, value) in places.iter_mut().zip(values) {
        *place = store(*value);
    }
}

fn blocks<T: GgmlType>(values: &[f32], out: &mut [u8]) {
    let mut blocks = vec![T::zeros(); values.len() / T::BLCK_SIZE];
    T::from_float(values, &mut blocks);
    out.copy_from_slice(as_bytes(&blocks));
}
