//! Array loops for processors without kernels of their own.
//!
//! Counted loops over arrays of fixed size, which the compiler turns into the processor's vectors (chains of zipped
//! iterators it does not). Layouts of blocks: ggml-common.h and the reference `dequantize_row_*` of ggml-quants.c.

#![allow(clippy::needless_range_loop)] // see above

use super::driver::{Product, part, scales_and_minimums, scales_of_q3, vectors};
use crate::format::DType;
use half::f16;
use half::slice::HalfFloatSliceExt;

/// Independent sums of a product: enough to keep a wide processor's multipliers busy.
const LANES: usize = 32;

/// Calls `$run(…, expansion of a block)` for the type.
macro_rules! by_type {
    ($dtype:expr, $run:ident($($arg:expr),*)) => {
        match $dtype {
            DType::F32 => $run($($arg,)* f32s),
            DType::F16 => $run($($arg,)* f16s),
            DType::BF16 => $run($($arg,)* bf16s),
            DType::Q4_0 => $run($($arg,)* q4_0),
            DType::Q4_1 => $run($($arg,)* q4_1),
            DType::Q5_0 => $run($($arg,)* q5_0),
            DType::Q5_1 => $run($($arg,)* q5_1),
            DType::Q8_0 => $run($($arg,)* q8_0),
            DType::Q2_K => $run($($arg,)* q2_k),
            DType::Q3_K => $run($($arg,)* q3_k),
            DType::Q4_K => $run($($arg,)* q4_k),
            DType::Q5_K => $run($($arg,)* q5_k),
            DType::Q6_K => $run($($arg,)* q6_k),
            _ => {}
        }
    };
}

/// Products of the [`covered`](super::driver::covered) part of rows with the vectors, to `[rows, m]` of `out`.
pub(super) fn dot(dtype: DType, job: &Product<'_>, out: &mut [f32]) {
    by_type!(dtype, dot_blocks(job, out));
}

/// Expands as many values to `out` as are in whole blocks.
pub(super) fn expand(dtype: DType, bytes: &[u8], out: &mut [f32]) {
    by_type!(dtype, expand_blocks(bytes, out));
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

fn expand_blocks<const B: usize, const N: usize>(
    bytes: &[u8],
    out: &mut [f32],
    block: impl Fn(&[u8; B], &mut [f32; N]),
) {
    let ((stored, _), (values, _)) = (bytes.as_chunks::<B>(), out.as_chunks_mut::<N>());
    for (stored, values) in stored.iter().zip(values) {
        block(stored, values);
    }
}

fn dot_blocks<const B: usize, const N: usize>(
    job: &Product<'_>,
    out: &mut [f32],
    block: impl Fn(&[u8; B], &mut [f32; N]) + Copy,
) {
    for (row, out) in job.rows.chunks_exact(job.row_bytes).zip(out.chunks_mut(job.m)) {
        match job.m {
            1 => dot_row::<B, N, 1>(row, job, out, block),
            2 => dot_row::<B, N, 2>(row, job, out, block),
            _ => dot_row::<B, N, 4>(row, job, out, block),
        }
    }
}

/// A function of its own, not inlined: the compiler vectorizes these loops as they stand here, but not among others.
#[inline(never)]
fn add_products<const N: usize>(values: &[f32; N], x: &[f32; N], sums: &mut [f32; LANES]) {
    let mut local = *sums;
    for part in (0..N).step_by(LANES) {
        for j in 0..LANES {
            local[j] = multiply_add(values[part + j], x[part + j], local[j]);
        }
    }
    *sums = local;
}

#[inline(always)]
fn dot_row<const B: usize, const N: usize, const M: usize>(
    row: &[u8],
    job: &Product<'_>,
    out: &mut [f32],
    block: impl Fn(&[u8; B], &mut [f32; N]),
) {
    let x = vectors::<N, M>(job);
    let (blocks, _) = row.as_chunks::<B>();
    let (mut sums, mut values) = ([[0.0; LANES]; M], [0.0; N]);
    for (at, stored) in blocks.iter().enumerate() {
        block(stored, &mut values);
        for (x, sums) in x.iter().zip(&mut sums) {
            if let Some(x) = x.get(at) {
                add_products(&values, x, sums);
            }
        }
    }
    for (out, sums) in out.iter_mut().zip(&sums) {
        *out = sums.iter().sum();
    }
}

#[inline(always)]
fn f32s(bytes: &[u8; 256], out: &mut [f32; 64]) {
    for j in 0..64 {
        out[j] = f32::from_le_bytes([bytes[4 * j], bytes[4 * j + 1], bytes[4 * j + 2], bytes[4 * j + 3]]);
    }
}

#[inline(always)]
fn bf16s(bytes: &[u8; 128], out: &mut [f32; 64]) {
    for j in 0..64 {
        out[j] = f32::from_bits(u32::from(u16::from_le_bytes([bytes[2 * j], bytes[2 * j + 1]])) << 16);
    }
}

#[inline(always)]
fn f16s(bytes: &[u8; 128], out: &mut [f32; 64]) {
    let mut values = [f16::ZERO; 64];
    for j in 0..64 {
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

#[inline(always)]
fn q2_k(block: &[u8; 84], out: &mut [f32; 256]) {
    let (d, dmin, scales) = (scale(block, 80), scale(block, 82), part::<16>(block, 0));
    for i in 0..16 {
        // Sixteen values: two bits of as many bytes.
        let (half, shift, sub) = (i / 8, i / 2 % 4 * 2, i % 2);
        let q: &[u8; 16] = part(block, 16 + 32 * half + 16 * sub);
        let (s, m) = (d * f32::from(scales[i] & 15), dmin * f32::from(scales[i] >> 4));
        for j in 0..16 {
            out[16 * i + j] = s * ((u32::from(q[j]) >> shift) & 3) as f32 - m;
        }
    }
}

#[inline(always)]
fn q3_k(block: &[u8; 110], out: &mut [f32; 256]) {
    let (d, scales) = (scale(block, 108), scales_of_q3(part(block, 96)).to_le_bytes());
    for i in 0..16 {
        // Sixteen values: two bits of as many bytes, the third ones, inverted, in others.
        let (half, shift, sub) = (i / 8, i / 2 % 4 * 2, i % 2);
        let q: &[u8; 16] = part(block, 32 + 32 * half + 16 * sub);
        let third: &[u8; 16] = part(block, 16 * sub);
        let s = d * (f32::from(scales[i]) - 32.0);
        for j in 0..16 {
            let value = ((u32::from(q[j]) >> shift) & 3) | (((u32::from(third[j]) >> (i / 2)) & 1) << 2);
            out[16 * i + j] = s * (value as i32 - 4) as f32;
        }
    }
}

#[inline(always)]
fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let (d, dmin) = (scale(block, 0), scale(block, 2));
    let packed = scales_and_minimums(part(block, 4)).to_le_bytes();
    for i in 0..4 {
        let [s1, s2, m1, m2] = [2 * i, 2 * i + 1, 2 * i + 8, 2 * i + 9].map(|at| f32::from(packed[at]));
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
    let (d, dmin) = (scale(block, 0), scale(block, 2));
    let packed = scales_and_minimums(part(block, 4)).to_le_bytes();
    let fifth: &[u8; 32] = part(block, 16);
    for i in 0..4 {
        let [s1, s2, m1, m2] = [2 * i, 2 * i + 1, 2 * i + 8, 2 * i + 9].map(|at| f32::from(packed[at]));
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
