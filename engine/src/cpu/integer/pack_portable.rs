//! Stored blocks to the layout, value by value. Layouts of blocks: ggml-common.h.

#![allow(clippy::needless_range_loop)] // counted loops over blocks read best

use half::f16;

use super::layout::{BLOCK, LANES, Weights};
use super::pack::{NON_LINEAR, Pack, part};
use crate::format::DType;

/// A stored block of up to 256 values, taken apart. Scales and minimums are for sixteen values each, also where the type
/// has them for 32.
struct Parts {
    numbers: [u8; 256],
    scales: [f32; 16],
    minimums: [f32; 16],
}

/// [`Pack`] without any instructions in mind.
pub fn pack(job: Pack) {
    let Pack { dtype, rows, out, vector } = job;
    let mut parts = Parts { numbers: [0; 256], scales: [0.0; 16], minimums: [0.0; 16] };
    for lane in 0..LANES {
        let blocks = rows[lane].chunks_exact(dtype.block_bytes());
        for (block, out) in blocks.zip(out.chunks_mut(dtype.block() / BLOCK)) {
            take_apart(dtype, block, &mut parts);
            for (i, out) in out.iter_mut().enumerate() {
                put(&parts, i, out, vector, lane);
            }
        }
    }
}

/// Puts the `i`th 32 values of a block in their place.
fn put(parts: &Parts, i: usize, out: &mut Weights, vector: usize, lane: usize) {
    let numbers: &[u8; BLOCK] = part(&parts.numbers, i * BLOCK);
    for (quads, numbers) in out.quads.iter_mut().zip(numbers.as_chunks::<4>().0) {
        quads[vector].0.as_chunks_mut::<4>().0[lane] = *numbers;
    }
    for half in 0..2 {
        out.scales[half][vector].0[lane] = parts.scales[2 * i + half];
        out.minimums[half][vector].0[lane] = parts.minimums[2 * i + half];
    }
}

fn take_apart(dtype: DType, block: &[u8], parts: &mut Parts) {
    let Parts { numbers, scales, minimums } = parts;
    let float = |at| f16::from_le_bytes(*part(block, at)).to_f32();
    let word = |at| u32::from_le_bytes(*part(block, at));
    // Scales and minimums that all values of the block share.
    let mut shared = |scale: f32, minimum: f32| {
        scales.fill(scale);
        minimums.fill(minimum);
    };
    match dtype {
        DType::Q4_0 => {
            shared(float(0), 0.0);
            nibbles(part(block, 2), 0, numbers);
        }
        DType::Q4_1 => {
            shared(float(0), float(2));
            nibbles(part(block, 4), 0, numbers);
        }
        DType::Q5_0 => {
            shared(float(0), 0.0);
            nibbles(part(block, 6), word(2), numbers);
        }
        DType::Q5_1 => {
            shared(float(0), float(2));
            nibbles(part(block, 8), word(4), numbers);
        }
        DType::Q8_0 => {
            shared(float(0), 0.0);
            let stored: &[u8; BLOCK] = part(block, 2);
            for j in 0..BLOCK {
                numbers[j] = stored[j] ^ 128;
            }
        }
        DType::IQ4_NL => {
            shared(float(0), 0.0);
            nibbles(part(block, 2), 0, numbers);
            for number in numbers.iter_mut().take(BLOCK) {
                *number = NON_LINEAR[usize::from(*number & 15)];
            }
        }
        DType::Q2_K => {
            for i in 0..16 {
                scales[i] = float(80) * f32::from(block[i] & 15);
                minimums[i] = -float(82) * f32::from(block[i] >> 4);
            }
            for j in 0..256 {
                numbers[j] = block[16 + 32 * (j / 128) + j % 32] >> (j / 32 % 4 * 2) & 3;
            }
        }
        DType::Q3_K => {
            for i in 0..16 {
                let low = block[96 + i % 8] >> (i / 8 * 4) & 15;
                let high = block[104 + i % 4] >> (i / 4 * 2) & 3;
                scales[i] = float(108) * (f32::from(low | high << 4) - 32.0);
            }
            minimums.fill(0.0);
            for j in 0..256 {
                let low = block[32 + 32 * (j / 128) + j % 32] >> (j / 32 % 4 * 2) & 3;
                numbers[j] = low | (block[j % 32] >> (j / 32) & 1) << 2;
            }
        }
        DType::Q4_K | DType::Q5_K => {
            for i in 0..8 {
                let (scale, minimum) = if i < 4 {
                    (block[4 + i] & 63, block[8 + i] & 63)
                } else {
                    let upper = |at: usize| block[at + i - 4] >> 6 << 4;
                    (block[8 + i] & 15 | upper(4), block[8 + i] >> 4 | upper(8))
                };
                for half in 0..2 {
                    scales[2 * i + half] = float(0) * f32::from(scale);
                    minimums[2 * i + half] = -float(2) * f32::from(minimum);
                }
            }
            let at = if dtype == DType::Q4_K { 16 } else { 48 };
            for j in 0..256 {
                numbers[j] = block[at + j / 64 * 32 + j % 32] >> (j / 32 % 2 * 4) & 15;
                if dtype == DType::Q5_K {
                    numbers[j] |= (block[16 + j % 32] >> (j / 32) & 1) << 4;
                }
            }
        }
        DType::Q6_K => {
            for i in 0..16 {
                scales[i] = float(208) * f32::from(block[192 + i] as i8);
            }
            minimums.fill(0.0);
            for j in 0..256 {
                let low = block[j / 128 * 64 + j % 64] >> (j / 64 % 2 * 4) & 15;
                numbers[j] = low | (block[128 + j / 128 * 32 + j % 32] >> (j / 32 % 4 * 2) & 3) << 4;
            }
        }
        _ => {}
    }
}

/// 32 values of four bits, the first sixteen in the lower halves of bytes, with a fifth bit each from `fifth`.
fn nibbles(packed: &[u8; 16], fifth: u32, numbers: &mut [u8; 256]) {
    for j in 0..BLOCK {
        let low = packed[j % 16] >> (j / 16 * 4) & 15;
        numbers[j] = low | ((fifth >> j & 1) as u8) << 4;
    }
}
