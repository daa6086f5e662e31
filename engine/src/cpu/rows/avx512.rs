//! Blocks in registers of 512 bits.
//!
//! A nibble selects one of sixteen values, and a register holds sixteen: the values of a block are computed once, scale
//! and minimum included, and one permutation puts those that the nibbles ask for in place. The permutation looks at the
//! four lower bits of an index only, so nothing needs to be masked.

use super::driver::{self, Product, part, scales_and_minimums, scales_of_q3};
use super::lanes::{bytes16, bytes32, bytes64, load16 as load, prefetch, store16 as store};
use crate::format::DType;
use std::arch::x86_64::*;
use std::hint::black_box;

type V = __m512;
const WIDTH: usize = 16;

driver!(#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")], rows: 4, 4, 2);

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn zero() -> V {
    _mm512_setzero_ps()
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn mul(a: V, b: V) -> V {
    _mm512_mul_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn add(a: V, b: V) -> V {
    _mm512_add_ps(a, b)
}

/// `a * b + c` in one rounding.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn fma(a: V, b: V, c: V) -> V {
    _mm512_fmadd_ps(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn sum(v: V) -> f32 {
    _mm512_reduce_add_ps(v)
}

/// The f16 at `at`, in every lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn half(block: &[u8], at: usize) -> V {
    let bits = u16::from_le_bytes(*part(block, at));
    _mm512_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(bits.into())))
}

/// Factors of a block, left in memory (`black_box` sees to it): from there they come into every lane of a register at
/// no cost, while the compiler would take them out of a register with permutations, which everything here waits for.
type Factors = [f32; 16];

/// Puts factors in memory.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn factors(v: V) -> Factors {
    let mut factors = [0.0; 16];
    store(&mut factors, v);
    factors
}

/// Factor `i`, in every lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn splat(factors: &Factors, i: usize) -> V {
    _mm512_set1_ps(factors[i])
}

/// The whole numbers from `first` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn levels(first: i32) -> V {
    const COUNT: [f32; 16] = [0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13., 14., 15.];
    _mm512_add_ps(load(&COUNT), _mm512_set1_ps(first as f32))
}

/// Four whole numbers from `first` on, over and over: a table for the two lower bits of an index.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn levels4(first: i32) -> V {
    const COUNT: [f32; 16] = [0., 1., 2., 3., 0., 1., 2., 3., 0., 1., 2., 3., 0., 1., 2., 3.];
    _mm512_add_ps(load(&COUNT), _mm512_set1_ps(first as f32))
}

/// The value of `table` that each index asks for.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn pick(table: V, index: __m512i) -> V {
    _mm512_permutexvar_ps(index, table)
}

/// As [`pick`], from `high` in the lanes of `mask`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn pick_of_two(low: V, high: V, mask: u16, index: __m512i) -> V {
    _mm512_mask_permutexvar_ps(pick(low, index), mask, index, high)
}

/// Sixteen bytes from `at` on, each in a lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn widen(block: &[u8], at: usize) -> __m512i {
    _mm512_cvtepu8_epi32(bytes16(part(block, at)))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn f32s(block: &[u8; 256]) -> [V; 4] {
    let one = |at| _mm512_castsi512_ps(bytes64(part(block, at)));
    [one(0), one(64), one(128), one(192)]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn f16s(block: &[u8; 128]) -> [V; 4] {
    let one = |at| _mm512_cvtph_ps(bytes32(part(block, at)));
    [one(0), one(32), one(64), one(96)]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn bf16s(block: &[u8; 128]) -> [V; 4] {
    // The upper half of an f32.
    let one = |at| {
        let upper = _mm512_cvtepu16_epi32(bytes32(part(block, at)));
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(upper))
    };
    [one(0), one(32), one(64), one(96)]
}

/// The values of the sixteen nibbles.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q4_0_head(block: &[u8; 18]) -> V {
    mul(levels(-8), half(block, 0))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q4_0(block: &[u8; 18], values: &V) -> [V; 2] {
    let q = widen(block, 2);
    [pick(*values, q), pick(*values, _mm512_srli_epi32::<4>(q))]
}

/// The values of the sixteen nibbles.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q4_1_head(block: &[u8; 20]) -> V {
    fma(levels(0), half(block, 0), half(block, 2))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q4_1(block: &[u8; 20], values: &V) -> [V; 2] {
    let q = widen(block, 4);
    [pick(*values, q), pick(*values, _mm512_srli_epi32::<4>(q))]
}

/// The values of the sixteen nibbles, without and with the fifth bit.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q5_0_head(block: &[u8; 22]) -> [V; 2] {
    let d = half(block, 0);
    [mul(levels(-16), d), mul(levels(0), d)]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q5_0(block: &[u8; 22], values: &[V; 2]) -> [V; 2] {
    fives(part(block, 2), widen(block, 6), values)
}

/// As [`q5_0_head`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q5_1_head(block: &[u8; 24]) -> [V; 2] {
    let (d, m) = (half(block, 0), half(block, 2));
    [fma(levels(0), d, m), fma(levels(16), d, m)]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q5_1(block: &[u8; 24], values: &[V; 2]) -> [V; 2] {
    fives(part(block, 4), widen(block, 8), values)
}

/// Thirty-two values of five bits: `fifth` has the upper bit of each.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn fives(fifth: &[u8; 4], q: __m512i, [low, high]: &[V; 2]) -> [V; 2] {
    let (first, second) = (u16::from_le_bytes(*part(fifth, 0)), u16::from_le_bytes(*part(fifth, 2)));
    [pick_of_two(*low, *high, first, q), pick_of_two(*low, *high, second, _mm512_srli_epi32::<4>(q))]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q8_0_head(block: &[u8; 34]) -> V {
    half(block, 0)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q8_0(block: &[u8; 34], d: &V) -> [V; 2] {
    let one = |at| mul(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes16(part(block, at)))), *d);
    [one(2), one(18)]
}

/// Sixteen scales and sixteen minimums (to be added).
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q2_k_head(block: &[u8; 84]) -> [Factors; 2] {
    let packed = widen(block, 0);
    let scales = _mm512_cvtepi32_ps(_mm512_and_si512(packed, _mm512_set1_epi32(15)));
    let minimums = _mm512_cvtepi32_ps(_mm512_srli_epi32::<4>(packed));
    [factors(mul(scales, half(block, 80))), factors(_mm512_fnmadd_ps(minimums, half(block, 82), zero()))]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q2_k(block: &[u8; 84], factors: &[Factors; 2], i: usize) -> [V; 4] {
    let [scales, minimums] = black_box(factors);
    let at = 16 + 32 * (i / 2);
    let (a, b) = (widen(block, at), widen(block, at + 16));
    // One half of a block is in 32 bytes: the first 32 values in the lowest two bits, and so on.
    let (a, b) = if i.is_multiple_of(2) { (a, b) } else { (_mm512_srli_epi32::<4>(a), _mm512_srli_epi32::<4>(b)) };
    let values = |k: usize| fma(levels4(0), splat(scales, 4 * i + k), splat(minimums, 4 * i + k));
    let next = |q: __m512i| _mm512_srli_epi32::<2>(q);
    [pick(values(0), a), pick(values(1), b), pick(values(2), next(a)), pick(values(3), next(b))]
}

/// Sixteen scales.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q3_k_head(block: &[u8; 110]) -> Factors {
    let packed = bytes16(&scales_of_q3(part(block, 96)).to_le_bytes());
    let scales = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(packed));
    factors(mul(_mm512_sub_ps(scales, _mm512_set1_ps(32.0)), half(block, 108)))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q3_k(block: &[u8; 110], scales: &Factors, i: usize) -> [V; 4] {
    let scales = black_box(scales);
    let at = 32 + 32 * (i / 2);
    let (a, b) = (widen(block, at), widen(block, at + 16));
    let (a, b) = if i.is_multiple_of(2) { (a, b) } else { (_mm512_srli_epi32::<4>(a), _mm512_srli_epi32::<4>(b)) };
    // Bit n of each of the first 32 bytes: the third bits of the values from 32 n on.
    let third = bytes32(part(block, 0));
    let first = _mm256_test_epi8_mask(third, _mm256_set1_epi8((1u8 << (2 * i)) as i8));
    let second = _mm256_test_epi8_mask(third, _mm256_set1_epi8((2u8 << (2 * i)) as i8));
    let (low, high) = (levels4(-4), levels4(0));
    let value = |k: usize, mask: u16, q: __m512i| mul(pick_of_two(low, high, mask, q), splat(scales, 4 * i + k));
    let next = |q: __m512i| _mm512_srli_epi32::<2>(q);
    [
        value(0, first as u16, a),
        value(1, (first >> 16) as u16, b),
        value(2, second as u16, next(a)),
        value(3, (second >> 16) as u16, next(b)),
    ]
}

/// Eight scales, then eight minimums (to be added).
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn k_head(block: &[u8]) -> Factors {
    let packed = bytes16(&scales_and_minimums(part(block, 4)).to_le_bytes());
    let units = _mm512_mask_sub_ps(half(block, 0), 0xff00, zero(), half(block, 2));
    factors(mul(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(packed)), units))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q4_k_head(block: &[u8; 144]) -> Factors {
    k_head(block)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q4_k(block: &[u8; 144], factors: &Factors, i: usize) -> [V; 4] {
    let factors = black_box(factors);
    let (a, b) = (widen(block, 16 + 32 * i), widen(block, 32 + 32 * i));
    let values = |at: usize| fma(levels(0), splat(factors, at), splat(factors, 8 + at));
    let (low, high) = (values(2 * i), values(2 * i + 1));
    let next = |q: __m512i| _mm512_srli_epi32::<4>(q);
    [pick(low, a), pick(low, b), pick(high, next(a)), pick(high, next(b))]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q5_k_head(block: &[u8; 176]) -> Factors {
    k_head(block)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q5_k(block: &[u8; 176], factors: &Factors, i: usize) -> [V; 4] {
    let factors = black_box(factors);
    let (a, b) = (widen(block, 48 + 32 * i), widen(block, 64 + 32 * i));
    // Bit n of each of these 32 bytes: the fifth bits of the values from 32 n on.
    let fifth = bytes32(part(block, 16));
    let values = |at: usize, q: [__m512i; 2]| {
        let (d, m) = (splat(factors, at), splat(factors, 8 + at));
        let (low, high) = (fma(levels(0), d, m), fma(levels(16), d, m));
        let mask = _mm256_test_epi8_mask(fifth, _mm256_set1_epi8((1u8 << at) as i8));
        [pick_of_two(low, high, mask as u16, q[0]), pick_of_two(low, high, (mask >> 16) as u16, q[1])]
    };
    let [w0, w1] = values(2 * i, [a, b]);
    let [w2, w3] = values(2 * i + 1, [_mm512_srli_epi32::<4>(a), _mm512_srli_epi32::<4>(b)]);
    [w0, w1, w2, w3]
}

/// Sixteen scales.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q6_k_head(block: &[u8; 210]) -> Factors {
    factors(mul(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes16(part(block, 192)))), half(block, 208)))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn q6_k(block: &[u8; 210], scales: &Factors, i: usize) -> [V; 4] {
    let scales = black_box(scales);
    // One half of a block: lower bits of 64 values in the lower nibbles of 64 bytes, of the other 64 in the upper ones;
    // the upper bits of the first 32 values in the lowest two bits of 32 bytes, and so on.
    let (low, upper) = (bytes64(part(block, 64 * (i / 2))), bytes32(part(block, 128 + 32 * (i / 2))));
    let upper = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(upper), _mm256_srli_epi16::<2>(upper));
    let (low, upper) =
        if i.is_multiple_of(2) { (low, _mm512_slli_epi16::<4>(upper)) } else { (_mm512_srli_epi16::<4>(low), upper) };
    // Bits of `low` where the first mask has ones, of `upper` elsewhere.
    let q = _mm512_ternarylogic_epi32::<0xca>(_mm512_set1_epi8(15), low, upper);
    let q = _mm512_sub_epi8(_mm512_and_si512(q, _mm512_set1_epi8(63)), _mm512_set1_epi8(32));
    let value = |k: usize, q: __m128i| mul(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q)), splat(scales, 4 * i + k));
    [
        value(0, _mm512_castsi512_si128(q)),
        value(1, _mm512_extracti32x4_epi32::<1>(q)),
        value(2, _mm512_extracti32x4_epi32::<2>(q)),
        value(3, _mm512_extracti32x4_epi32::<3>(q)),
    ]
}
