//! Values of every computable storage type as `f32`.

use crate::error::{Error, Result};
use crate::format::blocks::{dispatch, with_blocks};
use crate::format::{DType, code_tables};
use candle_core::quantized::GgmlType;
use half::{bf16, f16};
use rayon::prelude::*;

/// Values per parallel piece: whole blocks of every type, and enough work to be worth a thread.
pub(super) const PIECE: usize = 1 << 16;

/// Writes the values stored in `bytes` to `out`. Integers and `f64` round to the nearest `f32`; booleans become 0 and
/// 1. Large tensors are spread over rayon's threads. `bytes` need not be aligned.
///
/// # Errors
/// The type cannot be computed (see [`DType::computable`]), or `bytes` is not as long as `out.len()` values take.
pub fn dequantize(dtype: DType, bytes: &[u8], out: &mut [f32]) -> Result<()> {
    dtype.computable()?;
    if dtype.bytes_for(out.len()) != Some(bytes.len() as u64) {
        let expected = match dtype.bytes_for(out.len()) {
            Some(n) => format!("{n} bytes for {} values", out.len()),
            None => format!("a multiple of {} values", dtype.block()),
        };
        let found = format!("{} bytes for {} values", bytes.len(), out.len());
        return Err(Error::argument(format!("{dtype} data"), expected, found));
    }
    let piece_bytes = PIECE / dtype.block() * dtype.block_bytes();
    if out.len() <= PIECE {
        piece(dtype, bytes, out);
    } else {
        out.par_chunks_mut(PIECE).zip(bytes.par_chunks(piece_bytes)).for_each(|(out, bytes)| piece(dtype, bytes, out));
    }
    Ok(())
}

fn piece(dtype: DType, bytes: &[u8], out: &mut [f32]) {
    match dtype {
        DType::F32 => plain(bytes, out, f32::from_le_bytes),
        DType::F16 => plain(bytes, out, |b| f16::from_le_bytes(b).to_f32()),
        DType::BF16 => plain(bytes, out, |b| bf16::from_le_bytes(b).to_f32()),
        DType::F64 => plain(bytes, out, |b| f64::from_le_bytes(b) as f32),
        DType::I8 => plain(bytes, out, |b| f32::from(i8::from_le_bytes(b))),
        DType::I16 => plain(bytes, out, |b| f32::from(i16::from_le_bytes(b))),
        DType::I32 => plain(bytes, out, |b| i32::from_le_bytes(b) as f32),
        DType::I64 => plain(bytes, out, |b| i64::from_le_bytes(b) as f32),
        DType::U8 => plain(bytes, out, |[b]| f32::from(b)),
        DType::U16 => plain(bytes, out, |b| f32::from(u16::from_le_bytes(b))),
        DType::U32 => plain(bytes, out, |b| u32::from_le_bytes(b) as f32),
        DType::U64 => plain(bytes, out, |b| u64::from_le_bytes(b) as f32),
        DType::BOOL => plain(bytes, out, |[b]| f32::from(u8::from(b != 0))),
        DType::F8_E4M3 => plain(bytes, out, |[b]| e4m3(b)),
        // The upper half of an f16 (OCP 8-bit floating point specification, E5M2).
        DType::F8_E5M2 => plain(bytes, out, |[b]| f16::from_bits(u16::from(b) << 8).to_f32()),
        DType::F8_E8M0 => plain(bytes, out, |[b]| e8m0(b)),
        quantized => {
            // `computable` has refused every type that is in neither place.
            if !code_tables::decode(quantized, bytes, out) {
                dispatch!(quantized, blocks(bytes, out));
            }
        }
    }
}

fn plain<const N: usize>(bytes: &[u8], out: &mut [f32], value: impl Fn([u8; N]) -> f32) {
    let (values, _) = bytes.as_chunks::<N>();
    for (out, raw) in out.iter_mut().zip(values) {
        *out = value(*raw);
    }
}

fn blocks<T: GgmlType>(bytes: &[u8], out: &mut [f32]) {
    with_blocks::<T, _>(bytes, |blocks| T::to_float(blocks, out));
}

/// OCP E4M3: bias 7, no infinities, NaN where all bits but the sign are set.
fn e4m3(raw: u8) -> f32 {
    let sign = if raw & 0x80 == 0 { 1.0 } else { -1.0 };
    let (exponent, mantissa) = (i32::from(raw >> 3 & 0xF), f32::from(raw & 7));
    match (exponent, raw & 7) {
        (0xF, 7) => f32::NAN,
        (0, _) => sign * mantissa / 8.0 * 2.0_f32.powi(-6),
        _ => sign * (1.0 + mantissa / 8.0) * 2.0_f32.powi(exponent - 7),
    }
}

/// OCP E8M0, a scale: a power of two with bias 127, NaN where all bits are set.
fn e8m0(raw: u8) -> f32 {
    if raw == 0xFF { f32::NAN } else { 2.0_f32.powi(i32::from(raw) - 127) }
}
