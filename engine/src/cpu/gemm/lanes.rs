//! Sixteen numbers side by side, and how they reach a vector register.

/// Numbers in one [`Lanes`].
pub const LANES: usize = 16;

/// Sixteen `f32`, aligned as a cache line, so that no load of a whole vector ever touches two lines.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Lanes(pub [f32; LANES]);

impl Lanes {
    /// All zero.
    pub const ZERO: Self = Self([0.0; LANES]);
}

/// Calls bytes into the cache, where the processor can be asked to.
#[inline]
pub fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in bytes.chunks(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint that reads nothing, for an address inside a slice; the instruction is in every such processor.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bytes;
}

#[cfg(target_arch = "x86_64")]
pub mod x86 {
    //! Loads and stores that take arrays, so that the kernels need no pointers.

    use std::arch::x86_64::{__m256, __m512, _mm256_loadu_ps, _mm256_storeu_ps, _mm512_loadu_ps, _mm512_storeu_ps};

    /// Sixteen numbers from memory.
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub fn load16(from: &[f32; 16]) -> __m512 {
        // SAFETY: the array is 64 readable bytes, and the instruction asks for no alignment.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    /// Sixteen numbers to memory.
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub fn store16(to: &mut [f32; 16], value: __m512) {
        // SAFETY: the array is 64 writable bytes, and the instruction asks for no alignment.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), value) }
    }

    /// Eight numbers from memory.
    #[target_feature(enable = "avx")]
    #[inline]
    pub fn load8(from: &[f32; 8]) -> __m256 {
        // SAFETY: the array is 32 readable bytes, and the instruction asks for no alignment.
        unsafe { _mm256_loadu_ps(from.as_ptr()) }
    }

    /// Eight numbers to memory.
    #[target_feature(enable = "avx")]
    #[inline]
    pub fn store8(to: &mut [f32; 8], value: __m256) {
        // SAFETY: the array is 32 writable bytes, and the instruction asks for no alignment.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), value) }
    }
}
