//! The same bytes of sixteen rows side by side, with AVX-512.
//!
//! Four times four bytes of each row are turned into four columns of [`Quads`].

use std::arch::x86_64::*;

use super::layout::{LANES, Lanes, QUADS, Quads};
use super::pack::part;

/// The same block of sixteen rows.
pub type Blocks<'a, const B: usize> = [&'a [u8; B]; LANES];

/// The quads of 32 columns.
pub type Columns = [__m512i; QUADS];

/// Sixteen bytes of each row from `at` on, as four quads.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
pub fn quads<const B: usize>(blocks: &Blocks<B>, at: usize) -> [__m512i; 4] {
    let load = |row: usize| bytes16(part(blocks[row], at));
    // Rows i, i + 4, i + 8 and i + 12 in one register, so that squares of four by four are turned within its quarters.
    let four = |i: usize| {
        let rows = _mm512_castsi128_si512(load(i));
        let rows = _mm512_inserti32x4::<1>(rows, load(i + 4));
        let rows = _mm512_inserti32x4::<2>(rows, load(i + 8));
        _mm512_inserti32x4::<3>(rows, load(i + 12))
    };
    let (a, b, c, d) = (four(0), four(1), four(2), four(3));
    let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
    let (upper_ab, upper_cd) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
    [
        _mm512_unpacklo_epi64(ab, cd),
        _mm512_unpackhi_epi64(ab, cd),
        _mm512_unpacklo_epi64(upper_ab, upper_cd),
        _mm512_unpackhi_epi64(upper_ab, upper_cd),
    ]
}

/// 32 bytes of each row from `at` on.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
pub fn columns<const B: usize>(blocks: &Blocks<B>, at: usize) -> Columns {
    let ([a, b, c, d], [e, f, g, h]) = (quads(blocks, at), quads(blocks, at + 16));
    [a, b, c, d, e, f, g, h]
}

/// Four bytes of each row from `at` on.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
pub fn words<const B: usize>(blocks: &Blocks<B>, at: usize) -> __m512i {
    let word = |row: usize| i32::from_le_bytes(*part(blocks[row], at));
    let four = |i: usize| _mm_setr_epi32(word(i), word(i + 1), word(i + 2), word(i + 3));
    let rows = _mm512_castsi128_si512(four(0));
    let rows = _mm512_inserti32x4::<1>(rows, four(4));
    let rows = _mm512_inserti32x4::<2>(rows, four(8));
    _mm512_inserti32x4::<3>(rows, four(12))
}

/// The f16 of each row at `at`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
pub fn half<const B: usize>(blocks: &Blocks<B>, at: usize) -> __m512 {
    let bits = |row: usize| i16::from_le_bytes(*part(blocks[row], at));
    let eight = |i: usize| {
        let (a, b, c, d) = (bits(i), bits(i + 1), bits(i + 2), bits(i + 3));
        _mm_setr_epi16(a, b, c, d, bits(i + 4), bits(i + 5), bits(i + 6), bits(i + 7))
    };
    _mm512_cvtph_ps(_mm256_set_m128i(eight(8), eight(0)))
}

/// The f16 in the lower half of each lane.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
pub fn lower_half(words: __m512i) -> __m512 {
    _mm512_cvtph_ps(_mm512_cvtepi32_epi16(words))
}

/// The f16 in the upper half of each lane.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
pub fn upper_half(words: __m512i) -> __m512 {
    lower_half(_mm512_srli_epi32::<16>(words))
}

/// Sixteen bytes from memory.
#[target_feature(enable = "avx512f")]
#[inline]
pub fn bytes16(from: &[u8; 16]) -> __m128i {
    // SAFETY: 16 readable bytes, and the instruction asks for no alignment.
    unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
}

/// Sixteen numbers to memory.
#[target_feature(enable = "avx512f")]
#[inline]
pub fn store(to: &mut Lanes, value: __m512) {
    // SAFETY: 64 writable bytes, and the instruction asks for no alignment.
    unsafe { _mm512_storeu_ps(to.0.as_mut_ptr(), value) }
}

/// Four columns of sixteen rows to memory.
#[target_feature(enable = "avx512f")]
#[inline]
pub fn store_quads(to: &mut Quads, value: __m512i) {
    // SAFETY: 64 writable bytes, and the instruction asks for no alignment.
    unsafe { _mm512_storeu_si512(to.0.as_mut_ptr().cast(), value) }
}
