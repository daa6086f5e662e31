//! The block types that candle lacks and that need no codebook larger than sixteen values: non-linear and
//! floating-point four-bit types, ternary and one- and two-bit ones. Layouts: ggml-common.h.

use crate::format::DType;
use half::f16;

/// The sixteen values of IQ4_NL and IQ4_XS, spread like weights are (ggml's `kvalues_iq4nl`).
const NON_LINEAR: [f32; 16] =
    [-127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0];

/// The sixteen values of OCP's E2M1, doubled as ggml has them: scales are halved, so that the largest does not overflow.
const E2M1: [f32; 16] = [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, -0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0];

/// Decodes whole blocks of a type of this page; `false` for every other type.
pub(super) fn decode(dtype: DType, bytes: &[u8], out: &mut [f32]) -> bool {
    match dtype {
        DType::IQ4_NL => each::<18, 32>(bytes, out, |[d0, d1, codes @ ..], out| {
            halves(codes, out, &NON_LINEAR, half_float(*d0, *d1));
        }),
        DType::IQ4_XS => each(bytes, out, iq4_xs),
        DType::MXFP4 => each::<17, 32>(bytes, out, |[exponent, codes @ ..], out| {
            // Half of OCP's E8M0; in 64 bits, because 2^128 is no f32 and 2^-128 is made from it.
            halves(codes, out, &E2M1, 2.0_f64.powi(i32::from(*exponent) - 128) as f32);
        }),
        DType::NVFP4 => each(bytes, out, nvfp4),
        DType::TQ1_0 => each(bytes, out, tq1_0),
        DType::TQ2_0 => each(bytes, out, tq2_0),
        DType::Q1_0 => each::<18, 128>(bytes, out, |[d0, d1, bits @ ..], out| {
            let d = half_float(*d0, *d1);
            for (out, byte) in out.as_chunks_mut::<8>().0.iter_mut().zip(bits) {
                for (bit, value) in out.iter_mut().enumerate() {
                    *value = if byte >> bit & 1 == 1 { d } else { -d };
                }
            }
        }),
        DType::Q2_0 => each::<18, 64>(bytes, out, |[d0, d1, codes @ ..], out| {
            let d = half_float(*d0, *d1);
            for (out, byte) in out.as_chunks_mut::<4>().0.iter_mut().zip(codes) {
                for (i, value) in out.iter_mut().enumerate() {
                    *value = f32::from((byte >> (2 * i) & 3) as i8 - 1) * d;
                }
            }
        }),
        _ => return false,
    }
    true
}

/// Calls `block` for each block of `B` bytes and `N` values.
fn each<const B: usize, const N: usize>(bytes: &[u8], out: &mut [f32], block: impl Fn(&[u8; B], &mut [f32; N])) {
    for (bytes, out) in bytes.as_chunks::<B>().0.iter().zip(out.as_chunks_mut::<N>().0) {
        block(bytes, out);
    }
}

fn half_float(low: u8, high: u8) -> f32 {
    f16::from_le_bytes([low, high]).to_f32()
}

/// Four-bit codes: the low halves of all bytes are the first half of the values, the high halves the second.
fn halves(codes: &[u8], out: &mut [f32], table: &[f32; 16], scale: f32) {
    let value = |code: u8| scale * table.get(usize::from(code)).copied().unwrap_or(f32::NAN);
    let (low, high) = out.split_at_mut(codes.len());
    for ((low, high), byte) in low.iter_mut().zip(high).zip(codes) {
        *low = value(byte & 0xF);
        *high = value(byte >> 4);
    }
}

/// Eight groups of 32, each with a six-bit scale: four bits of it here, two there.
fn iq4_xs(block: &[u8; 136], out: &mut [f32; 256]) {
    let [d0, d1, h0, h1, l0, l1, l2, l3, codes @ ..] = block;
    let (d, high) = (half_float(*d0, *d1), u16::from_le_bytes([*h0, *h1]));
    let low = u32::from_le_bytes([*l0, *l1, *l2, *l3]);
    let groups = codes.as_chunks::<16>().0.iter().zip(out.as_chunks_mut::<32>().0);
    for (i, (codes, out)) in groups.enumerate() {
        let scale = (low >> (4 * i) & 0xF) as i32 | i32::from(high >> (2 * i) & 3) << 4;
        halves(codes, out, &NON_LINEAR, d * (scale - 32) as f32);
    }
}

/// Four groups of 16, each with an unsigned E4M3 scale, halved here.
fn nvfp4(block: &[u8; 36], out: &mut [f32; 64]) {
    let (scales, codes) = block.split_at(4);
    let groups = codes.as_chunks::<8>().0.iter().zip(out.as_chunks_mut::<16>().0);
    for (scale, (codes, out)) in scales.iter().zip(groups) {
        let (exponent, mantissa) = (i32::from(scale >> 3 & 0xF), f32::from(scale & 7));
        let d = match (*scale, exponent) {
            (0x7F, _) => 0.0, // NaN elsewhere; ggml reads it as nothing
            (_, 0) => mantissa * 2.0_f32.powi(-10),
            _ => (1.0 + mantissa / 8.0) * 2.0_f32.powi(exponent - 8),
        };
        halves(codes, out, &E2M1, d);
    }
}

/// Digit `place` of a byte that holds five ternary digits as the fraction `byte / 256` in base three.
fn ternary(byte: u8, place: u32) -> f32 {
    let shifted = byte.wrapping_mul(3_u8.wrapping_pow(place));
    f32::from(((u16::from(shifted) * 3) >> 8) as i8 - 1)
}

/// Five digits a byte in runs of 32 and 16 bytes, then four digits a byte in the last four; digit by digit in each run.
fn tq1_0(block: &[u8; 54], out: &mut [f32; 256]) {
    let [digits @ .., d0, d1] = block;
    let d = half_float(*d0, *d1);
    let (long, rest) = digits.split_at(32);
    let (short, last) = rest.split_at(16);
    let mut out = out.iter_mut();
    for (run, places) in [(long, 5), (short, 5), (last, 4)] {
        let values = (0..places).flat_map(|place| run.iter().map(move |byte| ternary(*byte, place) * d));
        // `zip` asks its first side first: the digits, so that no place is lost between runs.
        values.zip(out.by_ref()).for_each(|(value, out)| *out = value);
    }
}

/// Two bits a value in runs of 32 bytes, pair by pair.
fn tq2_0(block: &[u8; 66], out: &mut [f32; 256]) {
    let [codes @ .., d0, d1] = block;
    let d = half_float(*d0, *d1);
    for (run, out) in codes.as_chunks::<32>().0.iter().zip(out.as_chunks_mut::<128>().0) {
        for (pair, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            for (value, byte) in out.iter_mut().zip(run) {
                *value = f32::from((byte >> (2 * pair) & 3) as i8 - 1) * d;
            }
        }
    }
}
