//! Blocks in registers of 256 bits.
//!
//! Bits of a block are put together sixteen or thirty-two bytes at a time, then each byte is widened to a number, and
//! scale and minimum are applied in one step.

use super::driver::{self, Product, part, scales_and_minimums, scales_of_q3};
use super::lanes::{bytes8, bytes16, bytes32, load8 as load, prefetch, store8 as store};
use crate::format::DType;
use std::arch::x86_64::*;
use std::hint::black_box;

type V = __m256;
const WIDTH: usize = 8;

driver!(#[target_feature(enable = "avx2,fma,f16c")], rows: 2, 2, 2);

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn zero() -> V {
    _mm256_setzero_ps()
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn mul(a: V, b: V) -> V {
    _mm256_mul_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add(a: V, b: V) -> V {
    _mm256_add_ps(a, b)
}

/// `a * b + c` in one rounding.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn fma(a: V, b: V, c: V) -> V {
    _mm256_fmadd_ps(a, b, c)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sum(v: V) -> f32 {
    let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)))
}

/// The f16 at `at`, in every lane.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn half(block: &[u8], at: usize) -> V {
    let bits = i16::from_le_bytes(*part(block, at));
    _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_set1_epi16(bits)))
}

/// Sixteen factors of a block, left in memory (`black_box` sees to it): from there they come into every lane of a
/// register at no cost, while the compiler would take them out of a register with permutations.
type Factors = [f32; 16];

/// Puts factors in memory.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn factors(a: V, b: V) -> Factors {
    let mut factors = [0.0; 16];
    let (parts, _) = factors.as_chunks_mut::<8>();
    store(&mut parts[0], a);
    store(&mut parts[1], b);
    factors
}

/// Factors `i` and `i + 1`, each in every lane of a register.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn splat(factors: &Factors, i: usize) -> [V; 2] {
    [_mm256_set1_ps(factors[i]), _mm256_set1_ps(factors[i + 1])]
}

/// The eight lower bytes as numbers.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn unsigned(q: __m128i) -> V {
    _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(q))
}

/// The eight lower bytes, signed, as numbers.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn signed(q: __m128i) -> V {
    _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn upper_half(q: __m128i) -> __m128i {
    _mm_unpackhi_epi64(q, q)
}

/// The four lower bits of every byte.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn lower_bits(q: __m256i) -> __m256i {
    _mm256_and_si256(q, _mm256_set1_epi8(15))
}

/// The four upper bits of every byte.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn upper_bits(q: __m256i) -> __m256i {
    lower_bits(_mm256_srli_epi16::<4>(q))
}

/// Sixteen packed bytes from `at` on: lower nibbles, then upper ones.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn nibbles(block: &[u8], at: usize) -> __m256i {
    let q = bytes16(part(block, at));
    lower_bits(_mm256_inserti128_si256::<1>(_mm256_castsi128_si256(q), _mm_srli_epi16::<4>(q)))
}

/// `bit` in every byte whose bit is set in the 32 bits from `at` on.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn spread(block: &[u8], at: usize, bit: i8) -> __m256i {
    let bits = _mm256_set1_epi32(i32::from_le_bytes(*part(block, at)));
    // Every byte gets the one with its bit, then all but that bit is removed.
    let source = _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0);
    let select = _mm256_set1_epi64x(0x8040201008040201_u64 as i64);
    let set = _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(bits, source), select), select);
    _mm256_and_si256(set, _mm256_set1_epi8(bit))
}

/// Thirty-two unsigned bytes as `q * d + m`; `d` and `m` for the first and the second sixteen.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn affine(q: __m256i, d: [V; 2], m: [V; 2]) -> [V; 4] {
    let (a, b) = (_mm256_castsi256_si128(q), _mm256_extracti128_si256::<1>(q));
    [
        fma(unsigned(a), d[0], m[0]),
        fma(unsigned(upper_half(a)), d[0], m[0]),
        fma(unsigned(b), d[1], m[1]),
        fma(unsigned(upper_half(b)), d[1], m[1]),
    ]
}

/// Thirty-two signed bytes as `q * d`; `d` for the first and the second sixteen.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn linear(q: __m256i, d: [V; 2]) -> [V; 4] {
    let (a, b) = (_mm256_castsi256_si128(q), _mm256_extracti128_si256::<1>(q));
    [mul(signed(a), d[0]), mul(signed(upper_half(a)), d[0]), mul(signed(b), d[1]), mul(signed(upper_half(b)), d[1])]
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn both([a, b, c, d]: [V; 4], [e, f, g, h]: [V; 4]) -> [V; 8] {
    [a, b, c, d, e, f, g, h]
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn f32s(block: &[u8; 256]) -> [V; 8] {
    let one = |at| _mm256_castsi256_ps(bytes32(part(block, at)));
    [one(0), one(32), one(64), one(96), one(128), one(160), one(192), one(224)]
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn f16s(block: &[u8; 128]) -> [V; 8] {
    let one = |at| _mm256_cvtph_ps(bytes16(part(block, at)));
    [one(0), one(16), one(32), one(48), one(64), one(80), one(96), one(112)]
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn bf16s(block: &[u8; 128]) -> [V; 8] {
    // The upper half of an f32.
    let one = |at| {
        let upper = _mm256_cvtepu16_epi32(bytes16(part(block, at)));
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(upper))
    };
    [one(0), one(16), one(32), one(48), one(64), one(80), one(96), one(112)]
}

/// Scale and minimum.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q4_0_head(block: &[u8; 18]) -> [V; 2] {
    let d = half(block, 0);
    [d, mul(d, _mm256_set1_ps(-8.0))]
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q4_0(block: &[u8; 18], [d, m]: &[V; 2]) -> [V; 4] {
    affine(nibbles(block, 2), [*d; 2], [*m; 2])
}

/// Scale and minimum.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q4_1_head(block: &[u8; 20]) -> [V; 2] {
    [half(block, 0), half(block, 2)]
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q4_1(block: &[u8; 20], [d, m]: &[V; 2]) -> [V; 4] {
    affine(nibbles(block, 4), [*d; 2], [*m; 2])
}

/// Scale and minimum.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q5_0_head(block: &[u8; 22]) -> [V; 2] {
    let d = half(block, 0);
    [d, mul(d, _mm256_set1_ps(-16.0))]
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q5_0(block: &[u8; 22], [d, m]: &[V; 2]) -> [V; 4] {
    affine(_mm256_or_si256(nibbles(block, 6), spread(block, 2, 16)), [*d; 2], [*m; 2])
}

/// Scale and minimum.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q5_1_head(block: &[u8; 24]) -> [V; 2] {
    [half(block, 0), half(block, 2)]
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q5_1(block: &[u8; 24], [d, m]: &[V; 2]) -> [V; 4] {
    affine(_mm256_or_si256(nibbles(block, 8), spread(block, 4, 16)), [*d; 2], [*m; 2])
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q8_0_head(block: &[u8; 34]) -> V {
    half(block, 0)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q8_0(block: &[u8; 34], d: &V) -> [V; 4] {
    let one = |at| mul(signed(bytes8(part(block, at))), *d);
    [one(2), one(10), one(18), one(26)]
}

/// Sixteen scales and sixteen minimums (to be added).
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q2_k_head(block: &[u8; 84]) -> [Factors; 2] {
    let packed = bytes16(part(block, 0));
    let (d, m) = (half(block, 80), mul(half(block, 82), _mm256_set1_ps(-1.0)));
    let (scales, minimums) = {
        let bits = _mm_set1_epi8(15);
        (_mm_and_si128(packed, bits), _mm_and_si128(_mm_srli_epi16::<4>(packed), bits))
    };
    let numbers = |q, unit| factors(mul(unsigned(q), unit), mul(unsigned(upper_half(q)), unit));
    [numbers(scales, d), numbers(minimums, m)]
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q2_k(block: &[u8; 84], factors: &[Factors; 2], i: usize) -> [V; 8] {
    let [scales, minimums] = black_box(factors);
    let q = bytes32(part(block, 16 + 32 * (i / 2)));
    // One half of a block is in 32 bytes: the first 32 values in the lowest two bits, and so on.
    let q = if i.is_multiple_of(2) { q } else { _mm256_srli_epi16::<4>(q) };
    let bits = |q| _mm256_and_si256(q, _mm256_set1_epi8(3));
    let at = 4 * i;
    both(
        affine(bits(q), splat(scales, at), splat(minimums, at)),
        affine(bits(_mm256_srli_epi16::<2>(q)), splat(scales, at + 2), splat(minimums, at + 2)),
    )
}

/// Sixteen scales.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q3_k_head(block: &[u8; 110]) -> Factors {
    let packed = bytes16(&scales_of_q3(part(block, 96)).to_le_bytes());
    let packed = _mm_sub_epi8(packed, _mm_set1_epi8(32));
    let d = half(block, 108);
    factors(mul(signed(packed), d), mul(signed(upper_half(packed)), d))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q3_k(block: &[u8; 110], scales: &Factors, i: usize) -> [V; 8] {
    let scales = black_box(scales);
    let q = bytes32(part(block, 32 + 32 * (i / 2)));
    // Bit n of each of the first 32 bytes, inverted: the third bits of the values from 32 n on.
    let third = bytes32(part(block, 0));
    let q = if i.is_multiple_of(2) { q } else { _mm256_srli_epi16::<4>(q) };
    let value = |q: __m256i, n: usize| {
        let bit = _mm256_set1_epi8((1u8 << n) as i8);
        let clear = _mm256_cmpeq_epi8(_mm256_and_si256(third, bit), _mm256_setzero_si256());
        let four = _mm256_and_si256(clear, _mm256_set1_epi8(4));
        _mm256_sub_epi8(_mm256_and_si256(q, _mm256_set1_epi8(3)), four)
    };
    let at = 4 * i;
    both(
        linear(value(q, 2 * i), splat(scales, at)),
        linear(value(_mm256_srli_epi16::<2>(q), 2 * i + 1), splat(scales, at + 2)),
    )
}

/// Eight scales and eight minimums (to be added).
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn k_head(block: &[u8]) -> Factors {
    let packed = bytes16(&scales_and_minimums(part(block, 4)).to_le_bytes());
    let (d, m) = (half(block, 0), mul(half(block, 2), _mm256_set1_ps(-1.0)));
    factors(mul(unsigned(packed), d), mul(unsigned(upper_half(packed)), m))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q4_k_head(block: &[u8; 144]) -> Factors {
    k_head(block)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q4_k(block: &[u8; 144], factors: &Factors, i: usize) -> [V; 8] {
    let factors = black_box(factors);
    let q = bytes32(part(block, 16 + 32 * i));
    let (d, m) = (splat(factors, 2 * i), splat(factors, 8 + 2 * i));
    both(affine(lower_bits(q), [d[0]; 2], [m[0]; 2]), affine(upper_bits(q), [d[1]; 2], [m[1]; 2]))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q5_k_head(block: &[u8; 176]) -> Factors {
    k_head(block)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q5_k(block: &[u8; 176], factors: &Factors, i: usize) -> [V; 8] {
    let factors = black_box(factors);
    let q = bytes32(part(block, 48 + 32 * i));
    // Bit n of each of these 32 bytes: the fifth bits of the values from 32 n on.
    let fifth = bytes32(part(block, 16));
    let with_fifth = |q: __m256i, n: usize| {
        let bit = _mm256_set1_epi8((1u8 << n) as i8);
        let set = _mm256_cmpeq_epi8(_mm256_and_si256(fifth, bit), bit);
        _mm256_or_si256(q, _mm256_and_si256(set, _mm256_set1_epi8(16)))
    };
    let (d, m) = (splat(factors, 2 * i), splat(factors, 8 + 2 * i));
    both(
        affine(with_fifth(lower_bits(q), 2 * i), [d[0]; 2], [m[0]; 2]),
        affine(with_fifth(upper_bits(q), 2 * i + 1), [d[1]; 2], [m[1]; 2]),
    )
}

/// Sixteen scales.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q6_k_head(block: &[u8; 210]) -> Factors {
    let (packed, d) = (bytes16(part(block, 192)), half(block, 208));
    factors(mul(signed(packed), d), mul(signed(upper_half(packed)), d))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q6_k(block: &[u8; 210], scales: &Factors, i: usize) -> [V; 8] {
    let scales = black_box(scales);
    // One half of a block: lower bits of 64 values in the lower nibbles of 64 bytes, of the other 64 in the upper ones;
    // the upper bits of the first 32 values in the lowest two bits of 32 bytes, and so on.
    let half = i / 2;
    let (a, b) = (bytes32(part(block, 64 * half)), bytes32(part(block, 64 * half + 32)));
    let upper = bytes32(part(block, 128 + 32 * half));
    let (a, b, upper) = if i.is_multiple_of(2) {
        (lower_bits(a), lower_bits(b), _mm256_slli_epi16::<4>(upper))
    } else {
        (upper_bits(a), upper_bits(b), upper)
    };
    let value = |low, upper| {
        let q = _mm256_or_si256(low, _mm256_and_si256(upper, _mm256_set1_epi8(48)));
        _mm256_sub_epi8(q, _mm256_set1_epi8(32))
    };
    let at = 4 * i;
    both(
        linear(value(a, upper), splat(scales, at)),
        linear(value(b, _mm256_srli_epi16::<2>(upper)), splat(scales, at + 2)),
    )
}
