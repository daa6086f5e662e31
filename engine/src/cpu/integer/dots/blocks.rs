//! What a stored block of each type is in registers: four blocks of 32 values at a time.

use std::arch::x86_64::*;

use super::avx512::Part;
use crate::cpu::integer::pack::{NON_LINEAR, part};

/// Indices into 128 bytes or 64 words for one permutation.
#[repr(align(64))]
struct Index<T, const N: usize>([T; N]);

/// Where the nibbles of four blocks of `SIZE` bytes are, `AT` bytes into each, in their first 64 bytes and in 64 bytes
/// from `SECOND` on.
struct Nibbles<const SIZE: usize, const AT: usize, const SECOND: usize>;

impl<const SIZE: usize, const AT: usize, const SECOND: usize> Nibbles<SIZE, AT, SECOND> {
    const INDEX: Index<u8, 64> = {
        let mut index = [0; 64];
        let mut i = 0;
        while i < 64 {
            let at = i / 16 * SIZE + AT + i % 16;
            index[i] = if at < 64 { at } else { at - SECOND + 64 } as u8;
            i += 1;
        }
        Index(index)
    };
}

/// Where the f16 of four blocks of `SIZE` bytes are, `AT` bytes into each, in their first 64 bytes and in 64 bytes from
/// `SECOND` on; each four times.
struct Halves<const SIZE: usize, const AT: usize, const SECOND: usize>;

impl<const SIZE: usize, const AT: usize, const SECOND: usize> Halves<SIZE, AT, SECOND> {
    const INDEX: Index<u16, 32> = {
        let mut index = [0; 32];
        let mut i = 0;
        while i < 16 {
            let at = i / 4 * SIZE + AT;
            index[i] = if at + 1 < 64 { at / 2 } else { (at - SECOND) / 2 + 32 } as u16;
            i += 1;
        }
        Index(index)
    };
}

/// Where the bytes are that have the upper bits of the first sixteen values of four blocks of `SIZE` bytes, `AT` bytes
/// into each, in their first 64 bytes and in 64 bytes from `SECOND` on; each for the eight values it has bits of.
struct Uppers<const SIZE: usize, const AT: usize, const SECOND: usize>;

impl<const SIZE: usize, const AT: usize, const SECOND: usize> Uppers<SIZE, AT, SECOND> {
    const INDEX: Index<u8, 64> = {
        let mut index = [0; 64];
        let mut i = 0;
        while i < 64 {
            let at = i / 16 * SIZE + AT + i % 16 / 8;
            index[i] = if at < 64 { at } else { at - SECOND + 64 } as u8;
            i += 1;
        }
        Index(index)
    };
}

/// The bytes of `a` and `b` that `index` asks for.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
fn pick(a: __m512i, index: &'static Index<u8, 64>, b: __m512i) -> __m512i {
    _mm512_permutex2var_epi8(a, load(&index.0), b)
}

/// The f16 of `a` and `b` that `index` asks for.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
fn pick_halves(a: __m512i, index: &'static Index<u16, 32>, b: __m512i) -> __m512 {
    // SAFETY: the index is 64 readable bytes, and the instruction asks for no alignment.
    let index = unsafe { _mm512_loadu_si512(index.0.as_ptr().cast()) };
    _mm512_cvtph_ps(_mm512_castsi512_si256(_mm512_permutex2var_epi16(a, index, b)))
}

/// Both halves of each byte.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
fn nibbles(q: __m512i) -> [__m512i; 2] {
    let lower = |q| _mm512_and_si512(q, _mm512_set1_epi8(15));
    [lower(q), lower(_mm512_srli_epi16::<4>(q))]
}

/// A part with one scale for each block and no minimums.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
fn scaled(numbers: [__m512i; 2], scales: __m512) -> Part {
    Part { numbers, scales: [scales; 2], minimums: _mm512_setzero_ps() }
}

/// Four blocks of `Q4_0`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
pub fn q4_0(blocks: &[u8; 72]) -> Part {
    let (a, b) = (load(part(blocks, 0)), load(part(blocks, 8)));
    let q = nibbles(pick(a, const { &Nibbles::<18, 2, 8>::INDEX }, b));
    scaled(q, pick_halves(a, const { &Halves::<18, 0, 8>::INDEX }, b))
}

/// Four blocks of `Q4_1`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
pub fn q4_1(blocks: &[u8; 80]) -> Part {
    let (a, b) = (load(part(blocks, 0)), load(part(blocks, 16)));
    let q = nibbles(pick(a, const { &Nibbles::<20, 4, 16>::INDEX }, b));
    let scales = pick_halves(a, const { &Halves::<20, 0, 16>::INDEX }, b);
    let minimums = pick_halves(a, const { &Halves::<20, 2, 16>::INDEX }, b);
    Part { numbers: q, scales: [scales; 2], minimums }
}

/// Sixteen more where the bit of a value is set in the byte of it.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
fn with_fifth(numbers: __m512i, uppers: __m512i) -> __m512i {
    let set = _mm512_test_epi8_mask(uppers, _mm512_set1_epi64(0x8040_2010_0804_0201_u64 as i64));
    _mm512_mask_add_epi8(numbers, set, numbers, _mm512_set1_epi8(16))
}

/// Four blocks of `Q5_0`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
pub fn q5_0(blocks: &[u8; 88]) -> Part {
    let (a, b) = (load(part(blocks, 0)), load(part(blocks, 24)));
    let [first, second] = nibbles(pick(a, const { &Nibbles::<22, 6, 24>::INDEX }, b));
    let first = with_fifth(first, pick(a, const { &Uppers::<22, 2, 24>::INDEX }, b));
    let second = with_fifth(second, pick(a, const { &Uppers::<22, 4, 24>::INDEX }, b));
    scaled([first, second], pick_halves(a, const { &Halves::<22, 0, 24>::INDEX }, b))
}

/// Four blocks of `Q5_1`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
pub fn q5_1(blocks: &[u8; 96]) -> Part {
    let (a, b) = (load(part(blocks, 0)), load(part(blocks, 32)));
    let [first, second] = nibbles(pick(a, const { &Nibbles::<24, 8, 32>::INDEX }, b));
    let first = with_fifth(first, pick(a, const { &Uppers::<24, 4, 32>::INDEX }, b));
    let second = with_fifth(second, pick(a, const { &Uppers::<24, 6, 32>::INDEX }, b));
    let scales = pick_halves(a, const { &Halves::<24, 0, 32>::INDEX }, b);
    let minimums = pick_halves(a, const { &Halves::<24, 2, 32>::INDEX }, b);
    Part { numbers: [first, second], scales: [scales; 2], minimums }
}

/// Four blocks of `IQ4_NL`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
pub fn iq4_nl(blocks: &[u8; 72]) -> Part {
    let Part { numbers: [first, second], scales, minimums } = q4_0(blocks);
    let table = _mm512_broadcast_i32x4(bytes16(&NON_LINEAR));
    Part { numbers: [_mm512_shuffle_epi8(table, first), _mm512_shuffle_epi8(table, second)], scales, minimums }
}

/// Four blocks of `Q8_0`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
pub fn q8_0(blocks: &[u8; 136]) -> Part {
    // The first halves of two blocks lie in 64 bytes, and so do the second ones.
    let (a, b) = (load(part(blocks, 0)), load(part(blocks, 64)));
    let first = pick(a, const { &Nibbles::<34, 2, 64>::INDEX }, b);
    let scales = pick_halves(a, const { &Halves::<34, 0, 64>::INDEX }, b);
    let (a, b) = (load(part(blocks, 8)), load(part(blocks, 72)));
    let second = pick(a, const { &Nibbles::<34, 10, 64>::INDEX }, b);
    let unsigned = |q| _mm512_xor_si512(q, _mm512_set1_epi8(i8::MIN));
    scaled([unsigned(first), unsigned(second)], scales)
}

/// The eight scales and eight minimums, to be added, of `Q4_K` and `Q5_K`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
pub fn k_head<const B: usize>(block: &[u8; B]) -> __m512 {
    // The two common factors, then three words: six bits each in the first two, and in their two upper bits the upper
    // bits of what has its four lower bits in the third.
    let packed = bytes16(part(block, 0));
    let lower = _mm_srlv_epi32(_mm_shuffle_epi32::<0b11_10_11_01>(packed), _mm_setr_epi32(0, 0, 0, 4));
    let lower = _mm_and_si128(lower, _mm_setr_epi32(0x3f3f_3f3f, 0x0f0f_0f0f, 0x3f3f_3f3f, 0x0f0f_0f0f));
    let upper = _mm_srli_epi32::<2>(_mm_shuffle_epi32::<0b10_10_01_01>(packed));
    let upper = _mm_and_si128(upper, _mm_setr_epi32(0, 0x3030_3030, 0, 0x3030_3030));
    let numbers = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_or_si128(lower, upper)));
    let factor = _mm512_castps128_ps512(_mm_cvtph_ps(packed));
    let factors = _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1), factor);
    // Minimums are stored with the other sign.
    _mm512_mul_ps(numbers, _mm512_mask_sub_ps(factors, 0xff00, _mm512_setzero_ps(), factors))
}

/// Numbers `first` and each `step` further, each four times.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
fn four_times(numbers: __m512, first: usize, step: i32) -> __m512 {
    let s = step;
    let steps = _mm512_setr_epi32(0, 0, 0, 0, s, s, s, s, 2 * s, 2 * s, 2 * s, 2 * s, 3 * s, 3 * s, 3 * s, 3 * s);
    _mm512_permutexvar_ps(_mm512_add_epi32(steps, _mm512_set1_epi32(first as i32)), numbers)
}

/// Of 64 bytes of nibbles, 32 of two blocks and 32 of two others: the first halves and the second halves of all four.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
fn k_nibbles(q: __m512i) -> [__m512i; 2] {
    let shift = _mm512_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4, 0, 0, 0, 0, 4, 4, 4, 4);
    let lower = |q| _mm512_and_si512(_mm512_srlv_epi32(q, shift), _mm512_set1_epi8(15));
    [lower(_mm512_shuffle_i32x4::<0b10_10_00_00>(q, q)), lower(_mm512_shuffle_i32x4::<0b11_11_01_01>(q, q))]
}

/// Half `i` of a block of `Q4_K`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
pub fn q4_k(block: &[u8; 144], head: &__m512, i: usize) -> Part {
    let numbers = k_nibbles(load(part(block, 16 + 64 * i)));
    Part { numbers, scales: [four_times(*head, 4 * i, 1); 2], minimums: four_times(*head, 8 + 4 * i, 1) }
}

/// Half `i` of a block of `Q5_K`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
pub fn q5_k(block: &[u8; 176], head: &__m512, i: usize) -> Part {
    let mut numbers = k_nibbles(load(part(block, 48 + 64 * i)));
    // Bit n of each of 32 bytes: the fifth bits of the values from 32 n on.
    let own = 0x0808_0808_0404_0404_0202_0202_0101_0101_u128 << (4 * i);
    let bytes = own.to_le_bytes();
    let own = _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3),
        _mm512_castsi128_si512(bytes16(&bytes)),
    );
    for (half, numbers) in numbers.iter_mut().enumerate() {
        let fifth = _mm512_broadcast_i32x4(bytes16(part(block, 16 + 16 * half)));
        let set = _mm512_test_epi8_mask(fifth, own);
        *numbers = _mm512_mask_add_epi8(*numbers, set, *numbers, _mm512_set1_epi8(16));
    }
    Part { numbers, scales: [four_times(*head, 4 * i, 1); 2], minimums: four_times(*head, 8 + 4 * i, 1) }
}

/// Sixteen scales.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
pub fn q6_k_head(block: &[u8; 210]) -> __m512 {
    let d = _mm_cvtph_ps(_mm_cvtsi32_si128(u16::from_le_bytes(*part(block, 208)).into()));
    let scales = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes16(part(block, 192))));
    _mm512_mul_ps(scales, _mm512_broadcastss_ps(d))
}

/// Half `i` of a block of `Q6_K`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
#[inline]
pub fn q6_k(block: &[u8; 210], head: &__m512, i: usize) -> Part {
    // Lower bits of two blocks in the lower nibbles of 64 bytes, of the other two in the upper ones; the upper bits of
    // the four in the lowest two bits of 32 bytes, the next two, and so on.
    let low = load(part(block, 64 * i));
    let shift = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 4, 4, 4);
    let turn = _mm512_setr_epi32(28, 28, 28, 28, 30, 30, 30, 30, 0, 0, 0, 0, 2, 2, 2, 2);
    let number = |low: __m512i, half: usize| {
        let upper = _mm512_broadcast_i32x4(bytes16(part(block, 128 + 32 * i + 16 * half)));
        let upper = _mm512_and_si512(_mm512_rorv_epi32(upper, turn), _mm512_set1_epi8(48));
        // The first, and what the other two share.
        _mm512_ternarylogic_epi32::<0xf8>(upper, _mm512_srlv_epi32(low, shift), _mm512_set1_epi8(15))
    };
    let first = number(_mm512_shuffle_i32x4::<0b10_00_10_00>(low, low), 0);
    let second = number(_mm512_shuffle_i32x4::<0b11_01_11_01>(low, low), 1);
    Part {
        numbers: [first, second],
        scales: [four_times(*head, 8 * i, 2), four_times(*head, 8 * i + 1, 2)],
        minimums: _mm512_setzero_ps(),
    }
}

/// 64 bytes.
#[target_feature(enable = "avx512f")]
#[inline]
fn load(from: &[u8; 64]) -> __m512i {
    // SAFETY: 64 readable bytes, and the instruction asks for no alignment.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

/// Sixteen bytes.
#[target_feature(enable = "avx512f")]
#[inline]
fn bytes16(from: &[u8; 16]) -> __m128i {
    // SAFETY: 16 readable bytes, and the instruction asks for no alignment.
    unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
}
