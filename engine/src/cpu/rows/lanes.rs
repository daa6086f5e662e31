//! Loads and stores of vectors: every access to memory of the vector kernels.
//!
//! Each function takes an array that is exactly as long as what the instruction touches, and the instructions used
//! need no alignment.

use std::arch::x86_64::*;

/// Sixteen numbers.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load16(from: &[f32; 16]) -> __m512 {
    // SAFETY: reads the 64 bytes of `from`.
    unsafe { _mm512_loadu_ps(from.as_ptr()) }
}

/// Writes sixteen numbers.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store16(to: &mut [f32; 16], value: __m512) {
    // SAFETY: writes the 64 bytes of `to`.
    unsafe { _mm512_storeu_ps(to.as_mut_ptr(), value) }
}

/// Sixty-four bytes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn bytes64(from: &[u8; 64]) -> __m512i {
    // SAFETY: reads the 64 bytes of `from`.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

/// Eight numbers.
#[inline]
#[target_feature(enable = "avx")]
pub(super) fn load8(from: &[f32; 8]) -> __m256 {
    // SAFETY: reads the 32 bytes of `from`.
    unsafe { _mm256_loadu_ps(from.as_ptr()) }
}

/// Writes eight numbers.
#[inline]
#[target_feature(enable = "avx")]
pub(super) fn store8(to: &mut [f32; 8], value: __m256) {
    // SAFETY: writes the 32 bytes of `to`.
    unsafe { _mm256_storeu_ps(to.as_mut_ptr(), value) }
}

/// Thirty-two bytes.
#[inline]
#[target_feature(enable = "avx")]
pub(super) fn bytes32(from: &[u8; 32]) -> __m256i {
    // SAFETY: reads the 32 bytes of `from`.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

/// Sixteen bytes.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn bytes16(from: &[u8; 16]) -> __m128i {
    // SAFETY: reads the 16 bytes of `from`.
    unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
}

/// Eight bytes, the others zero.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn bytes8(from: &[u8; 8]) -> __m128i {
    // SAFETY: reads the 8 bytes of `from`.
    unsafe { _mm_loadl_epi64(from.as_ptr().cast()) }
}

/// Asks for the bytes `ahead` of the start of `from`, which may be past its end, to be brought nearer: nothing is read
/// that the program sees, and no address faults.
#[inline]
#[target_feature(enable = "sse")]
pub(super) fn prefetch(from: &[u8], ahead: usize) {
    _mm_prefetch::<_MM_HINT_T0>(from.as_ptr().wrapping_add(ahead).cast());
}
