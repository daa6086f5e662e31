//! Vectors of x86-64: AVX-512, and AVX2 with FMA and F16C.
//!
//! The types' fields are private and only `detect` makes values, so that whoever holds one runs on a processor that
//! has the instructions: the condition of every `unsafe` here. Loads and stores take slices and look at their length.

use super::lanes::{Kernel, Lanes};
use crate::cpu::features;
use half::f16;
use std::arch::x86_64::*;

/// Proof that the processor has AVX-512 F, BW, VL and DQ.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

/// Proof that the processor has AVX2, FMA and F16C.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx512 {
    /// Asks the processor.
    pub fn detect() -> Option<Self> {
        features::avx512().then_some(Self(()))
    }

    /// Runs `kernel`, compiled with these instructions.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")]
        fn with<K: Kernel>(lanes: Avx512, kernel: K) -> K::Output {
            kernel.run(lanes)
        }
        // SAFETY: `self` exists, so the processor has the instructions.
        unsafe { with(self, kernel) }
    }
}

impl Avx2 {
    /// Asks the processor.
    pub fn detect() -> Option<Self> {
        features::avx2().then_some(Self(()))
    }

    /// Runs `kernel`, compiled with these instructions.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma,f16c")]
        fn with<K: Kernel>(lanes: Avx2, kernel: K) -> K::Output {
            kernel.run(lanes)
        }
        // SAFETY: `self` exists, so the processor has the instructions.
        unsafe { with(self, kernel) }
    }
}

/// Methods that are arithmetic on registers: nothing in them touches memory.
macro_rules! arithmetic {
    ($($name:ident($($argument:ident),*) -> $out:ty = $body:expr;)*) => { $(
        #[inline(always)]
        fn $name(self, $($argument: Self::Vector),*) -> $out {
            // SAFETY: `self` exists, so the processor has the instructions; no pointers are involved.
            unsafe { $body }
        }
    )* };
}

const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

impl Lanes for Avx512 {
    const WIDTH: usize = 16;
    const REGISTERS: usize = 32;
    type Vector = __m512;

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        // SAFETY: `self` exists, so the processor has the instruction.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> __m512 {
        let pointer = from.as_ptr();
        if from.len() >= Self::WIDTH {
            // SAFETY: `self` exists; 16 numbers are there.
            unsafe { _mm512_loadu_ps(pointer) }
        } else {
            // SAFETY: `self` exists; the mask keeps the load within the slice, whose length is less than 16.
            unsafe { _mm512_maskz_loadu_ps((1 << from.len()) - 1, pointer) }
        }
    }

    #[inline(always)]
    fn load_half(self, from: &[f16]) -> __m512 {
        let pointer = from.as_ptr();
        if from.len() >= Self::WIDTH {
            // SAFETY: `self` exists; 16 elements, 32 bytes, are there; `f16` is transparent over `u16`.
            unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(pointer.cast())) }
        } else {
            // SAFETY: `self` exists; the mask keeps the load within the slice, whose length is less than 16.
            unsafe { _mm512_cvtph_ps(_mm256_maskz_loadu_epi16((1 << from.len()) - 1, pointer.cast())) }
        }
    }

    #[inline(always)]
    fn store(self, vector: __m512, to: &mut [f32]) {
        let pointer = to.as_mut_ptr();
        if to.len() >= Self::WIDTH {
            // SAFETY: `self` exists; there is room for 16 numbers.
            unsafe { _mm512_storeu_ps(pointer, vector) }
        } else {
            // SAFETY: `self` exists; the mask keeps the store within the slice, whose length is less than 16.
            unsafe { _mm512_mask_storeu_ps(pointer, (1 << to.len()) - 1, vector) }
        }
    }

    arithmetic! {
        add(a, b) -> __m512 = _mm512_add_ps(a, b);
        sub(a, b) -> __m512 = _mm512_sub_ps(a, b);
        mul(a, b) -> __m512 = _mm512_mul_ps(a, b);
        div(a, b) -> __m512 = _mm512_div_ps(a, b);
        fma(a, b, c) -> __m512 = _mm512_fmadd_ps(a, b, c);
        max(a, b) -> __m512 = _mm512_max_ps(a, b);
        min(a, b) -> __m512 = _mm512_min_ps(a, b);
        round(a) -> __m512 = _mm512_roundscale_ps::<NEAREST>(a);
        scale2(x, n) -> __m512 = _mm512_scalef_ps(x, n);
        square_rest(a, product) -> __m512 = _mm512_fmsub_ps(a, a, product);
        abs(a) -> __m512 = _mm512_abs_ps(a);
        copy_sign(a, sign) -> __m512 = {
            let bit = _mm512_set1_ps(-0.0);
            _mm512_or_ps(_mm512_and_ps(bit, sign), _mm512_andnot_ps(bit, a))
        };
        if_less(a, b, yes, no) -> __m512 =
            _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), no, yes);
        sum(a) -> f32 = _mm512_reduce_add_ps(a);
        greatest(a) -> f32 = _mm512_reduce_max_ps(a);
    }

    #[inline(always)]
    fn sum4(self, [a, b, c, d]: [__m512; 4]) -> [f32; 4] {
        let mut out = [0.0; 4];
        // SAFETY: `self` exists; there is room for 4 numbers.
        unsafe {
            // Quarters of two vectors are added until each quarter belongs to one vector, then within the quarters.
            let ab = _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xee>(a, b));
            let cd = _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(c, d), _mm512_shuffle_f32x4::<0xee>(c, d));
            let all = _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(ab, cd), _mm512_shuffle_f32x4::<0xdd>(ab, cd));
            let all = _mm512_add_ps(all, _mm512_permute_ps::<0x4e>(all));
            let all = _mm512_add_ps(all, _mm512_permute_ps::<0xb1>(all));
            _mm_storeu_ps(out.as_mut_ptr(), _mm512_castps512_ps128(_mm512_maskz_compress_ps(0x1111, all)));
        }
        out
    }
}

impl Lanes for Avx2 {
    const WIDTH: usize = 8;
    const REGISTERS: usize = 16;
    type Vector = __m256;

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        // SAFETY: `self` exists, so the processor has the instruction.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> __m256 {
        let mut part = [0.0; 8];
        let all = match from.first_chunk() {
            Some(all) => all,
            None => {
                for (to, from) in part.iter_mut().zip(from) {
                    *to = *from;
                }
                &part
            }
        };
        // SAFETY: `self` exists; 8 numbers are there.
        unsafe { _mm256_loadu_ps(all.as_ptr()) }
    }

    #[inline(always)]
    fn load_half(self, from: &[f16]) -> __m256 {
        let mut part = [f16::ZERO; 8];
        let all = match from.first_chunk() {
            Some(all) => all,
            None => {
                for (to, from) in part.iter_mut().zip(from) {
                    *to = *from;
                }
                &part
            }
        };
        // SAFETY: `self` exists; 8 elements, 16 bytes, are there; `f16` is transparent over `u16`.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(all.as_ptr().cast())) }
    }

    #[inline(always)]
    fn store(self, vector: __m256, to: &mut [f32]) {
        if to.len() >= Self::WIDTH {
            // SAFETY: `self` exists; there is room for 8 numbers.
            unsafe { _mm256_storeu_ps(to.as_mut_ptr(), vector) }
        } else {
            let mut all = [0.0; 8];
            // SAFETY: `self` exists; there is room for 8 numbers.
            unsafe { _mm256_storeu_ps(all.as_mut_ptr(), vector) }
            for (to, from) in to.iter_mut().zip(all) {
                *to = from;
            }
        }
    }

    arithmetic! {
        add(a, b) -> __m256 = _mm256_add_ps(a, b);
        sub(a, b) -> __m256 = _mm256_sub_ps(a, b);
        mul(a, b) -> __m256 = _mm256_mul_ps(a, b);
        div(a, b) -> __m256 = _mm256_div_ps(a, b);
        fma(a, b, c) -> __m256 = _mm256_fmadd_ps(a, b, c);
        max(a, b) -> __m256 = _mm256_max_ps(a, b);
        min(a, b) -> __m256 = _mm256_min_ps(a, b);
        round(a) -> __m256 = _mm256_round_ps::<NEAREST>(a);
        scale2(x, n) -> __m256 = {
            // In two steps, since 2ⁿ itself may lie outside the range of normal numbers.
            let n = _mm256_cvtps_epi32(n);
            let half = _mm256_srai_epi32::<1>(n);
            let bias = _mm256_set1_epi32(127);
            let first = _mm256_slli_epi32::<23>(_mm256_add_epi32(half, bias));
            let second = _mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_sub_epi32(n, half), bias));
            _mm256_mul_ps(_mm256_mul_ps(x, _mm256_castsi256_ps(first)), _mm256_castsi256_ps(second))
        };
        square_rest(a, product) -> __m256 = _mm256_fmsub_ps(a, a, product);
        abs(a) -> __m256 = _mm256_andnot_ps(_mm256_set1_ps(-0.0), a);
        copy_sign(a, sign) -> __m256 = {
            let bit = _mm256_set1_ps(-0.0);
            _mm256_or_ps(_mm256_and_ps(bit, sign), _mm256_andnot_ps(bit, a))
        };
        if_less(a, b, yes, no) -> __m256 = _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b));
        sum(a) -> f32 = {
            let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        };
        greatest(a) -> f32 = {
            let four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
        };
    }

    #[inline(always)]
    fn sum4(self, [a, b, c, d]: [__m256; 4]) -> [f32; 4] {
        let mut out = [0.0; 4];
        // SAFETY: `self` exists; there is room for 4 numbers.
        unsafe {
            let all = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
            let all = _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps::<1>(all));
            _mm_storeu_ps(out.as_mut_ptr(), all);
        }
        out
    }
}
