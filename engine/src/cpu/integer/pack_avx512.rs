//! Stored blocks to the layout with AVX-512: sixteen rows at a time.
//!
//! Bytes are turned into columns of quads as they are stored; only then are the bits taken apart, 64 bytes with one
//! instruction. Scales are computed for sixteen rows at once as well.

#![allow(clippy::needless_range_loop)] // counted loops over arrays, which become registers

use std::arch::x86_64::*;

use super::layout::{LANES, QUADS, Weights};
use super::pack::{NON_LINEAR, Pack};
use super::turn_avx512::{
    Blocks, Columns, bytes16, columns, half, lower_half, quads, store, store_quads, upper_half, words,
};
use crate::format::DType;

/// [`Pack`] with AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
pub fn pack(job: Pack) {
    match job.dtype {
        DType::Q4_0 => each::<18, 1>(job, |b, [out], v| q4(half(b, 0), None, nibbles(b, 2), out, v)),
        DType::Q4_1 => each::<20, 1>(job, |b, [out], v| q4(half(b, 0), Some(half(b, 2)), nibbles(b, 4), out, v)),
        DType::Q5_0 => {
            each::<22, 1>(job, |b, [out], v| q4(half(b, 0), None, fives(nibbles(b, 6), words(b, 2)), out, v))
        }
        DType::Q5_1 => each::<24, 1>(job, |b, [out], v| {
            q4(half(b, 0), Some(half(b, 2)), fives(nibbles(b, 8), words(b, 4)), out, v);
        }),
        DType::Q8_0 => each::<34, 1>(job, |b, [out], v| q4(half(b, 0), None, q8(b), out, v)),
        DType::IQ4_NL => each::<18, 1>(job, |b, [out], v| q4(half(b, 0), None, non_linear(nibbles(b, 2)), out, v)),
        DType::Q2_K => each::<84, 8>(job, |b, out, v| q2_k(b, out, v)),
        DType::Q3_K => each::<110, 8>(job, |b, out, v| q3_k(b, out, v)),
        DType::Q4_K => each::<144, 8>(job, |b, out, v| q4_k(b, out, v)),
        DType::Q5_K => each::<176, 8>(job, |b, out, v| q5_k(b, out, v)),
        DType::Q6_K => each::<210, 8>(job, |b, out, v| q6_k(b, out, v)),
        _ => {}
    }
}

/// Calls `one` for each stored block, of `B` bytes and 32 times `N` values.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn each<const B: usize, const N: usize>(job: Pack, one: impl Fn(&Blocks<B>, &mut [Weights; N], usize)) {
    let mut rows = [&[][..]; LANES];
    for (row, stored) in rows.iter_mut().zip(job.rows) {
        *row = stored.as_chunks::<B>().0;
    }
    let blocks = rows.iter().map(|row| row.len()).min().unwrap_or(0);
    for (i, out) in job.out.as_chunks_mut().0.iter_mut().enumerate().take(blocks) {
        let mut block = [&[0; B]; LANES];
        for (block, row) in block.iter_mut().zip(&rows) {
            *block = &row[i];
        }
        one(&block, out, job.vector);
    }
}

/// Each byte shifted right by `by` bits and cut to those in `bits`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
fn field(quads: __m512i, by: usize, bits: u8) -> __m512i {
    let shifted = _mm512_srl_epi16(quads, _mm_cvtsi32_si128(by as i32));
    _mm512_and_si512(shifted, _mm512_set1_epi8(bits as i8))
}

/// Each byte shifted left by `by` bits and cut to those in `bits`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
fn field_up(quads: __m512i, by: usize, bits: u8) -> __m512i {
    let shifted = _mm512_sll_epi16(quads, _mm_cvtsi32_si128(by as i32));
    _mm512_and_si512(shifted, _mm512_set1_epi8(bits as i8))
}

/// `number` where bit `bit` of each byte of `bits` is set, added to `quads`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
fn add_where(quads: __m512i, bits: __m512i, bit: usize, number: u8) -> __m512i {
    let set = _mm512_test_epi8_mask(bits, _mm512_set1_epi8((1u8 << bit) as i8));
    _mm512_mask_add_epi8(quads, set, quads, _mm512_set1_epi8(number as i8))
}

/// Byte `i` of each lane, without a sign.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
fn byte(words: __m512i, i: usize) -> __m512i {
    let shifted = _mm512_srl_epi32(words, _mm_cvtsi32_si128(8 * i as i32));
    _mm512_and_si512(shifted, _mm512_set1_epi32(255))
}

/// Byte `i` of each lane, with a sign.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
fn signed_byte(words: __m512i, i: usize) -> __m512i {
    _mm512_srai_epi32::<24>(_mm512_sll_epi32(words, _mm_cvtsi32_si128(24 - 8 * i as i32)))
}

/// 32 values of four bits, the first sixteen in the lower halves of sixteen bytes.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
fn nibbles<const B: usize>(blocks: &Blocks<B>, at: usize) -> Columns {
    let [a, b, c, d] = quads(blocks, at);
    [
        field(a, 0, 15),
        field(b, 0, 15),
        field(c, 0, 15),
        field(d, 0, 15),
        field(a, 4, 15),
        field(b, 4, 15),
        field(c, 4, 15),
        field(d, 4, 15),
    ]
}

/// A fifth bit for each of 32 columns.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
fn fives(columns: Columns, fifth: __m512i) -> Columns {
    let mut all = columns;
    for (c, quads) in all.iter_mut().enumerate() {
        // The byte with the four bits of the quad goes to all four places, then each looks at its own bit.
        let source = _mm512_add_epi8(
            _mm512_set4_epi32(0x0c0c_0c0c, 0x0808_0808, 0x0404_0404, 0),
            _mm512_set1_epi8((c / 2) as i8),
        );
        let own = _mm512_set1_epi32(if c % 2 == 0 { 0x0804_0201 } else { 0x8040_2010_u32 as i32 });
        let set = _mm512_test_epi8_mask(_mm512_shuffle_epi8(fifth, source), own);
        *quads = _mm512_mask_add_epi8(*quads, set, *quads, _mm512_set1_epi8(16));
    }
    all
}

/// Bytes with a sign, 128 more than they stand for.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
fn q8(blocks: &Blocks<34>) -> Columns {
    let mut all = columns(blocks, 2);
    for quads in &mut all {
        *quads = _mm512_xor_si512(*quads, _mm512_set1_epi8(i8::MIN));
    }
    all
}

/// What codes stand for, and 128.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
fn non_linear(codes: Columns) -> Columns {
    let table = _mm512_broadcast_i32x4(bytes16(&NON_LINEAR));
    let mut all = codes;
    for quads in &mut all {
        *quads = _mm512_shuffle_epi8(table, *quads);
    }
    all
}

/// A block of 32 columns with one scale.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
fn q4(scale: __m512, minimum: Option<__m512>, columns: Columns, out: &mut Weights, v: usize) {
    put(columns, out, v);
    store(&mut out.scales[0][v], scale);
    if let Some(minimum) = minimum {
        store(&mut out.minimums[0][v], minimum);
    }
}

/// Puts 32 columns in their place.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
fn put(columns: Columns, out: &mut Weights, v: usize) {
    for (out, quads) in out.quads.iter_mut().zip(columns) {
        store_quads(&mut out[v], quads);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
fn q2_k(blocks: &Blocks<84>, out: &mut [Weights; 8], v: usize) {
    let (packed, d) = (quads(blocks, 0), words(blocks, 80));
    let (d, dmin) = (lower_half(d), upper_half(d));
    for half in 0..2 {
        // The first 32 values in the lowest two bits of 32 bytes, and so on.
        let q = columns(blocks, 16 + 32 * half);
        for r in 0..4 {
            let out = &mut out[4 * half + r];
            for c in 0..QUADS {
                store_quads(&mut out.quads[c][v], field(q[c], 2 * r, 3));
            }
            for sub in 0..2 {
                let at = 8 * half + 2 * r + sub;
                let both = byte(packed[at / 4], at % 4);
                let scale = _mm512_cvtepi32_ps(_mm512_and_si512(both, _mm512_set1_epi32(15)));
                let minimum = _mm512_cvtepi32_ps(_mm512_srli_epi32::<4>(both));
                store(&mut out.scales[sub][v], _mm512_mul_ps(scale, d));
                store(&mut out.minimums[sub][v], _mm512_fnmadd_ps(minimum, dmin, _mm512_setzero_ps()));
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
fn q3_k(blocks: &Blocks<110>, out: &mut [Weights; 8], v: usize) {
    // From two bytes before the scales on, so that nothing past the block is read: they and the common scale.
    let last = quads(blocks, 94);
    let d = upper_half(last[3]);
    let word = |i: usize| _mm512_or_si512(_mm512_srli_epi32::<16>(last[i]), _mm512_slli_epi32::<16>(last[i + 1]));
    let (a, b, upper) = (word(0), word(1), word(2));
    // Four bits of each scale in halves of bytes, two more in quarters of others.
    let scales = |low, shift| _mm512_or_si512(low, field_up(field(upper, shift, 3), 4, 48));
    let scales = [
        scales(field(a, 0, 15), 0),
        scales(field(b, 0, 15), 2),
        scales(field(a, 4, 15), 4),
        scales(field(b, 4, 15), 6),
    ];
    let third = columns(blocks, 0);
    for half in 0..2 {
        let q = columns(blocks, 32 + 32 * half);
        for r in 0..4 {
            let out = &mut out[4 * half + r];
            for c in 0..QUADS {
                let number = add_where(field(q[c], 2 * r, 3), third[c], 4 * half + r, 4);
                store_quads(&mut out.quads[c][v], number);
            }
            for sub in 0..2 {
                let at = 8 * half + 2 * r + sub;
                let scale = _mm512_sub_epi32(byte(scales[at / 4], at % 4), _mm512_set1_epi32(32));
                store(&mut out.scales[sub][v], _mm512_mul_ps(_mm512_cvtepi32_ps(scale), d));
            }
        }
    }
}

/// Scales and minimums of `Q4_K` and `Q5_K`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
fn k_scales<const B: usize>(blocks: &Blocks<B>, out: &mut [Weights; 8], v: usize) {
    let [d, s, m, upper] = quads(blocks, 0);
    let (d, dmin) = (lower_half(d), upper_half(d));
    // Six bits each in the first two words, and in their two upper bits the upper bits of what has its four lower bits
    // in the third.
    let scales = [field(s, 0, 63), _mm512_or_si512(field(upper, 0, 15), field(s, 2, 48))];
    let minimums = [field(m, 0, 63), _mm512_or_si512(field(upper, 4, 15), field(m, 2, 48))];
    for (i, out) in out.iter_mut().enumerate() {
        let scale = _mm512_cvtepi32_ps(byte(scales[i / 4], i % 4));
        let minimum = _mm512_cvtepi32_ps(byte(minimums[i / 4], i % 4));
        store(&mut out.scales[0][v], _mm512_mul_ps(scale, d));
        store(&mut out.minimums[0][v], _mm512_fnmadd_ps(minimum, dmin, _mm512_setzero_ps()));
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
fn q4_k(blocks: &Blocks<144>, out: &mut [Weights; 8], v: usize) {
    k_scales(blocks, out, v);
    for i in 0..4 {
        let q = columns(blocks, 16 + 32 * i);
        for c in 0..QUADS {
            store_quads(&mut out[2 * i].quads[c][v], field(q[c], 0, 15));
            store_quads(&mut out[2 * i + 1].quads[c][v], field(q[c], 4, 15));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
fn q5_k(blocks: &Blocks<176>, out: &mut [Weights; 8], v: usize) {
    k_scales(blocks, out, v);
    let fifth = columns(blocks, 16);
    for i in 0..4 {
        let q = columns(blocks, 48 + 32 * i);
        for c in 0..QUADS {
            store_quads(&mut out[2 * i].quads[c][v], add_where(field(q[c], 0, 15), fifth[c], 2 * i, 16));
            store_quads(&mut out[2 * i + 1].quads[c][v], add_where(field(q[c], 4, 15), fifth[c], 2 * i + 1, 16));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
fn q6_k(blocks: &Blocks<210>, out: &mut [Weights; 8], v: usize) {
    let (scales, d) = (quads(blocks, 192), upper_half(words(blocks, 206)));
    for half in 0..2 {
        // Four lower bits of 128 values in halves of 64 bytes, two upper ones in quarters of 32.
        let low = [columns(blocks, 64 * half), columns(blocks, 64 * half + 32)];
        let upper = columns(blocks, 128 + 32 * half);
        for r in 0..4 {
            let out = &mut out[4 * half + r];
            for c in 0..QUADS {
                let upper = if r < 3 { field_up(upper[c], 4 - 2 * r, 48) } else { field(upper[c], 2, 48) };
                let number = _mm512_or_si512(field(low[r % 2][c], r / 2 * 4, 15), upper);
                store_quads(&mut out.quads[c][v], number);
            }
            for sub in 0..2 {
                let at = 8 * half + 2 * r + sub;
                let scale = _mm512_cvtepi32_ps(signed_byte(scales[at / 4], at % 4));
                store(&mut out.scales[sub][v], _mm512_mul_ps(scale, d));
            }
        }
    }
}
