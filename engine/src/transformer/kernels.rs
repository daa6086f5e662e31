//! Rows of weights as they are stored: expanded to f32, or multiplied with a vector at once.
//!
//! Counted loops over arrays of fixed size, which the compiler turns into the processor's vectors (chains of zipped
//! iterators it does not). Layouts of blocks: ggml-common.h and the reference `dequantize_row_*` of ggml-quants.c.

#![allow(clippy::needless_range_loop)] // see above

use crate::error::Result;
use crate::format::{DType, dequantize};
use half::f16;
use half::slice::HalfFloatSliceExt;

/// Independent sums of a product: enough to keep a wide processor's multipliers busy.
const LANES: usize = 32;

/// Calls `$run(bytes per block, values per block, expand)` for the types that have a kernel here, `$other` for the rest.
macro_rules! by_type {
    ($dtype:expr, $run:ident($($arg:expr),*), $other:expr) => {
        match $dtype {
            DType::F32 => $run($($arg,)* f32s),
            DType::F16 => $run($($arg,)* f16s),
            DType::BF16 => $run($($arg,)* bf16s),
            DType::Q4_0 => $run($($arg,)* q4_0),
            DType::Q4_1 => $run($($arg,)* q4_1),
            DType::Q5_0 => $run($($arg,)* q5_0),
            DType::Q5_1 => $run($($arg,)* q5_1),
            DType::Q8_0 => $run($($arg,)* q8_0),
            DType::Q4_K => $run($($arg,)* q4_k),
            DType::Q5_K => $run($($arg,)* q5_k),
            DType::Q6_K => $run($($arg,)* q6_k),
            _ => $other,
        }
    };
}

/// Expands whole rows; `bytes` holds `out.len()` values of `dtype`.
pub(super) fn expand(dtype: DType, bytes: &[u8], out: &mut [f32]) -> Result<()> {
    let done = by_type!(dtype, expand_blocks(bytes, out), 0);
    rest(dtype, bytes, out, done)
}

/// The inner product of a stored row with `x`; `row` is room for one expanded row.
pub(super) fn dot(dtype: DType, bytes: &[u8], x: &[f32], row: &mut [f32]) -> Result<f32> {
    let (sum, done) = by_type!(dtype, dot_blocks(bytes, x), (0.0, 0));
    if done == x.len() {
        return Ok(sum);
    }
    rest(dtype, bytes, row, done)?;
    let left = row.get(done..).unwrap_or_default().iter().zip(x.get(done..).unwrap_or_default());
    Ok(sum + left.map(|(w, x)| w * x).sum::<f32>())
}

/// The inner product of two rows of f32.
pub(super) fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
    let (a_parts, a_rest) = a.as_chunks::<LANES>();
    let (b_parts, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a_parts.iter().zip(b_parts) {
        for j in 0..LANES {
            sums[j] = multiply_add(a[j], b[j], sums[j]);
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// `a * b + c`, in one rounding where the processor has an instruction for it; elsewhere that would be a function call.
#[inline(always)]
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) { a.mul_add(b, c) } else { a * b + c }
}

/// What blocks left over: values of a type without a kernel, or those after the last whole group of plain numbers.
fn rest(dtype: DType, bytes: &[u8], out: &mut [f32], done: usize) -> Result<()> {
    let bytes = bytes.get(done / dtype.block() * dtype.block_bytes()..).unwrap_or_default();
    match out.get_mut(done..) {
        Some(out) if !out.is_empty() => dequantize(dtype, bytes, out),
        _ => Ok(()),
    }
}

#[inline(always)]
fn expand_blocks<const B: usize, const N: usize>(
    bytes: &[u8],
    out: &mut [f32],
    block: impl Fn(&[u8; B], &mut [f32; N]),
) -> usize {
    let (stored, _) = bytes.as_chunks::<B>();
    let (values, _) = out.as_chunks_mut::<N>();
    let count = stored.len().min(values.len());
    for (stored, values) in stored.iter().zip(values) {
        block(stored, values);
    }
    count * N
}

#[inline(always)]
fn dot_blocks<const B: usize, const N: usize>(
    bytes: &[u8],
    x: &[f32],
    block: impl Fn(&[u8; B], &mut [f32; N]),
) -> (f32, usize) {
    let (stored, _) = bytes.as_chunks::<B>();
    let (parts, _) = x.as_chunks::<N>();
    let (mut sums, mut values) = ([0.0; LANES], [0.0; N]);
    for (stored, x) in stored.iter().zip(parts) {
        block(stored, &mut values);
        for at in (0..N).step_by(LANES) {
            for j in 0..LANES {
                sums[j] = multiply_add(values[at + j], x[at + j], sums[j]);
            }
        }
    }
    (sums.iter().sum(), stored.len().min(parts.len()) * N)
}

/// `N` of a block's bytes from `at` on, which the types make sure are there.
#[inline(always)]
fn part<const N: usize>(block: &[u8], at: usize) -> &[u8; N] {
    block.get(at..).and_then(|b| b.first_chunk()).unwrap_or(&[0; N])
}

#[inline(always)]
fn f32s(bytes: &[u8; 128], out: &mut [f32; 32]) {
    for j in 0..32 {
        out[j] = f32::from_le_bytes([bytes[4 * j], bytes[4 * j + 1], bytes[4 * j + 2], bytes[4 * j + 3]]);
    }
}

#[inline(always)]
fn bf16s(bytes: &[u8; 64], out: &mut [f32; 32]) {
    for j in 0..32 {
        out[j] = f32::from_bits(u32::from(u16::from_le_bytes([bytes[2 * j], bytes[2 * j + 1]])) << 16);
    }
}

#[inline(always)]
fn f16s(bytes: &[u8; 64], out: &mut [f32; 32]) {
    let mut values = [f16::ZERO; 32];
    for j in 0..32 {
        values[j] = f16::from_le_bytes([bytes[2 * j], bytes[2 * j + 1]]);
    }
    values.convert_to_f32_slice(out);
}

#[inline(always)]
fn scale(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes(*part(block, at)).to_f32()
}

/// Splits 16 bytes of nibbles: low ones are the first half, high ones the second.
#[inline(always)]
fn nibbles(packed: &[u8; 16], out: &mut [f32; 32], value: impl Fn(u8, usize) -> f32) {
    for j in 0..16 {
        out[j] = value(packed[j] & 15, j);
    }
    for j in 0..16 {
        out[j + 16] = value(packed[j] >> 4, j + 16);
    }
}

#[inline(always)]
fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let d = scale(block, 0);
    nibbles(part(block, 2), out, |q, _| f32::from(q as i8 - 8) * d);
}

#[inline(always)]
fn q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    let (d, m) = (scale(block, 0), scale(block, 2));
    nibbles(part(block, 4), out, |q, _| f32::from(q) * d + m);
}

#[inline(always)]
fn q5_0(block: &[u8; 22], out: &mut [f32; 32]) {
    let d = scale(block, 0);
    let high = u32::from_le_bytes(*part(block, 2));
    nibbles(part(block, 6), out, |q, j| (i32::from(q) + (((high >> j) & 1) << 4) as i32 - 16) as f32 * d);
}

#[inline(always)]
fn q5_1(block: &[u8; 24], out: &mut [f32; 32]) {
    let (d, m) = (scale(block, 0), scale(block, 2));
    let high = u32::from_le_bytes(*part(block, 4));
    nibbles(part(block, 8), out, |q, j| (i32::from(q) + (((high >> j) & 1) << 4) as i32) as f32 * d + m);
}

#[inline(always)]
fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    let (d, values) = (scale(block, 0), part::<32>(block, 2));
    for j in 0..32 {
        out[j] = f32::from(values[j] as i8) * d;
    }
}

/// The `j`-th scale and minimum of a K-block: eight of each, 6 bits, in 12 bytes.
#[inline(always)]
fn scale_min(packed: &[u8; 12], j: usize) -> (f32, f32) {
    let (s, m) = if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        ((packed[j + 4] & 15) | ((packed[j - 4] >> 6) << 4), (packed[j + 4] >> 4) | ((packed[j] >> 6) << 4))
    };
    (f32::from(s), f32::from(m))
}

#[inline(always)]
fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let (d, dmin, scales) = (scale(block, 0), scale(block, 2), part(block, 4));
    for i in 0..4 {
        let ((s1, m1), (s2, m2)) = (scale_min(scales, 2 * i), scale_min(scales, 2 * i + 1));
        let (d1, d2, m1, m2) = (d * s1, d * s2, dmin * m1, dmin * m2);
        let q: &[u8; 32] = part(block, 16 + 32 * i);
        for j in 0..32 {
            out[64 * i + j] = d1 * f32::from(q[j] & 15) - m1;
            out[64 * i + 32 + j] = d2 * f32::from(q[j] >> 4) - m2;
        }
    }
}

#[inline(always)]
fn q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let (d, dmin, scales) = (scale(block, 0), scale(block, 2), part(block, 4));
    let fifth: &[u8; 32] = part(block, 16);
    for i in 0..4 {
        let ((s1, m1), (s2, m2)) = (scale_min(scales, 2 * i), scale_min(scales, 2 * i + 1));
        let (d1, d2, m1, m2) = (d * s1, d * s2, dmin * m1, dmin * m2);
        let q: &[u8; 32] = part(block, 48 + 32 * i);
        for j in 0..32 {
            let h = fifth[j] >> (2 * i);
            out[64 * i + j] = d1 * f32::from((q[j] & 15) | ((h & 1) << 4)) - m1;
            out[64 * i + 32 + j] = d2 * f32::from((q[j] >> 4) | ((h & 2) << 3)) - m2;
        }
    }
}

#[inline(always)]
fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let (d, scales) = (scale(block, 208), part::<16>(block, 192));
    for i in 0..4 {
        // Sixteen positions of one half: four bits in two places, the two upper bits of all four quarters in one byte.
        let (half, sub) = (i / 2, i % 2);
        let low: &[u8; 16] = part(block, 64 * half + 16 * sub);
        let next: &[u8; 16] = part(block, 64 * half + 32 + 16 * sub);
        let upper: &[u8; 16] = part(block, 128 + 32 * half + 16 * sub);
        let at = 128 * half + 16 * sub;
        let s = |quarter: usize| d * f32::from(scales[8 * half + 2 * quarter + sub] as i8);
        let (s0, s1, s2, s3) = (s(0), s(1), s(2), s(3));
        for j in 0..16 {
            out[at + j] = s0 * f32::from(((low[j] & 15) | ((upper[j] & 3) << 4)) as i8 - 32);
        }
        for j in 0..16 {
            out[at + 32 + j] = s1 * f32::from(((next[j] & 15) | ((upper[j] & 12) << 2)) as i8 - 32);
        }
        for j in 0..16 {
            out[at + 64 + j] = s2 * f32::from(((low[j] >> 4) | (upper[j] & 48)) as i8 - 32);
        }
        for j in 0..16 {
            out[at + 96 + j] = s3 * f32::from(((next[j] >> 4) | ((upper[j] & 192) >> 2)) as i8 - 32);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::format::{QUANTIZABLE, quantize};

    fn values(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.37 + seed).sin() * (1.0 + (i / 32) as f32 * 0.1)).collect()
    }

    #[test]
    fn rows_expand_as_candle_expands_them() {
        for dtype in QUANTIZABLE {
            for n in [256, 768] {
                let bytes = quantize(&values(n, 0.2), *dtype).unwrap();
                let (mut ours, mut theirs) = (vec![0.0; n], vec![0.0; n]);
                expand(*dtype, &bytes, &mut ours).unwrap();
                dequantize(*dtype, &bytes, &mut theirs).unwrap();
                for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
                    assert!((a - b).abs() <= 1e-6 * b.abs().max(0.1), "{dtype} at {i}: {a}, candle {b}");
                }
            }
        }
    }

    #[test]
    fn products_are_those_of_the_expanded_row() {
        for dtype in QUANTIZABLE {
            let n = if dtype.is_quantized() { 512 } else { 515 };
            let bytes = quantize(&values(n, 0.7), *dtype).unwrap();
            let (x, mut row, mut room) = (values(n, 2.0), vec![0.0; n], vec![0.0; n]);
            expand(*dtype, &bytes, &mut row).unwrap();
            let exact: f64 = row.iter().zip(&x).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let fused = dot(*dtype, &bytes, &x, &mut room).unwrap();
            assert!((f64::from(fused) - exact).abs() < 1e-3, "{dtype}: {fused}, exactly {exact}");
            assert!((f64::from(dot_f32(&row, &x)) - exact).abs() < 1e-3);
        }
    }
}
