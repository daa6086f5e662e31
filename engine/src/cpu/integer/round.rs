//! Numbers to whole numbers.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::isa::Work;
use super::layout::{BLOCK, Tokens};

/// A group of tokens to be rounded.
pub struct Round<'a, const P: usize> {
    /// One to three tokens, `k` numbers each.
    pub x: &'a [f32],
    /// Numbers of a token.
    pub k: usize,
    /// `k / 32` blocks.
    pub out: &'a mut [Tokens<P>],
}

impl<const P: usize> Work for Round<'_, P> {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
    unsafe fn avx512(self) {
        self.with(|x, steps| round_avx512(x, steps));
    }

    fn portable(self) {
        self.with(round);
    }
}

impl<const P: usize> Round<'_, P> {
    #[inline(always)]
    fn with(self, round: impl Fn(&[f32; BLOCK], f32) -> Rounded) {
        let Self { x, k, out } = self;
        if x.len() < k * out.first().map_or(0, |tokens| tokens.scales.len()) {
            out.fill(Tokens::ZERO);
        }
        let steps = Rounded::steps(P);
        for (t, token) in x.chunks_exact(k).enumerate() {
            for (x, out) in token.as_chunks().0.iter().zip(&mut *out) {
                let Rounded { scale, high, low, sums } = round(x, steps);
                let planes = if P == 1 { [&low, &low] } else { [&high, &low] };
                for (quads, plane) in out.quads.iter_mut().zip(planes) {
                    for (quads, numbers) in quads.iter_mut().zip(plane.as_chunks().0) {
                        quads[t] = *numbers;
                    }
                }
                out.scales[t] = scale;
                out.sums[0][t] = sums[0] + sums[1];
                out.sums[1][t] = sums[0];
                out.sums[2][t] = sums[1];
            }
        }
    }
}

/// A block of numbers as whole ones, `256 * high + low`.
pub struct Rounded {
    /// What a unit stands for.
    pub scale: f32,
    /// Upper bytes.
    pub high: [i8; BLOCK],
    /// Lower bytes.
    pub low: [i8; BLOCK],
    /// Sums of the whole numbers of each half.
    pub sums: [i32; 2],
}

impl Rounded {
    /// The largest whole number in so many planes: 32512 is 127 * 256, so the upper byte never exceeds 127 either.
    #[inline(always)]
    pub fn steps(planes: usize) -> f32 {
        if planes == 1 { 127.0 } else { 32512.0 }
    }
}

/// The scale and its inverse for numbers whose largest, without a sign, has the bits `most`. Without the sign, the bits
/// of numbers are in the order of what they stand for; then come the infinite and then NaN.
#[inline(always)]
fn scale(most: u32, steps: f32) -> (f32, f32) {
    let most = f32::from_bits(most);
    let inverse = steps / most;
    match (most.is_finite(), inverse.is_finite()) {
        (true, true) => (most / steps, inverse),
        (true, false) => (0.0, 0.0),
        (false, _) => (f32::NAN, 0.0),
    }
}

/// Rounds a block to whole numbers up to `steps`.
#[inline(always)]
pub fn round(x: &[f32; BLOCK], steps: f32) -> Rounded {
    let most = x.iter().fold(0, |most, x| (x.to_bits() & 0x7fff_ffff).max(most));
    let (scale, inverse) = scale(most, steps);
    let mut rounded = Rounded { scale, high: [0; BLOCK], low: [0; BLOCK], sums: [0; 2] };
    for (i, x) in x.iter().enumerate() {
        // Of what is not finite, the scale tells; a cast makes it some number, too large for a byte.
        let number = if inverse == 0.0 { 0 } else { (x * inverse).round_ties_even() as i32 };
        // The lower byte has a sign; the upper one makes up for it.
        rounded.low[i] = number as i8;
        rounded.high[i] = ((number - i32::from(number as i8)) >> 8) as i8;
        rounded.sums[i / (BLOCK / 2)] += number;
    }
    rounded
}

/// [`round`] with AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
#[inline]
pub fn round_avx512(x: &[f32; BLOCK], steps: f32) -> Rounded {
    let (halves, _) = x.as_chunks::<16>();
    let (a, b) = (load(&halves[0]), load(&halves[1]));
    let bits = |x| _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fff_ffff));
    let most = _mm512_reduce_max_epu32(_mm512_max_epu32(bits(a), bits(b)));
    let (scale, inverse) = scale(most, steps);
    // Without an inverse, all are zero, also what is not finite.
    let used = if inverse == 0.0 { 0 } else { u16::MAX };
    let numbers = |x| _mm512_maskz_cvtps_epi32(used, _mm512_mul_ps(x, _mm512_set1_ps(inverse)));
    let (a, b) = (numbers(a), numbers(b));
    let sums = [_mm512_reduce_add_epi32(a), _mm512_reduce_add_epi32(b)];
    // The upper byte makes up for the sign of the lower one: it is one more where that is negative.
    let upper = |numbers| _mm512_srai_epi32::<8>(_mm512_add_epi32(numbers, _mm512_set1_epi32(128)));
    let bytes = |a, b| {
        let mut bytes = [0; BLOCK];
        let (halves, _) = bytes.as_chunks_mut::<16>();
        store(&mut halves[0], _mm512_cvtepi32_epi8(a));
        store(&mut halves[1], _mm512_cvtepi32_epi8(b));
        bytes
    };
    Rounded { scale, high: bytes(upper(a), upper(b)), low: bytes(a, b), sums }
}

/// Sixteen numbers from memory.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
fn load(from: &[f32; 16]) -> __m512 {
    // SAFETY: 64 readable bytes, and the instruction asks for no alignment.
    unsafe { _mm512_loadu_ps(from.as_ptr()) }
}

/// Sixteen bytes to memory.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
fn store(to: &mut [i8; 16], value: __m128i) {
    // SAFETY: 16 writable bytes, and the instruction asks for no alignment.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), value) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::super::isa::Isa;
    use super::*;

    fn check<const P: usize>(x: &[f32], k: usize) {
        let mut rounded = Isa::all().into_iter().map(|isa| {
            let mut out = vec![Tokens::<P>::ZERO; k / BLOCK];
            isa.run(Round { x, k, out: &mut out });
            // As text, because NaN is not equal to itself.
            format!("{out:?}")
        });
        let first = rounded.next().unwrap();
        rounded.for_each(|other| assert_eq!(first, other));
    }

    #[test]
    fn every_instruction_set_rounds_alike() {
        let mut x: Vec<f32> = (0..3 * 96).map(|i| (i as f32 * 1.7).sin() * (i as f32 - 60.0)).collect();
        // Halves between two whole numbers, the largest of both signs, and what has no scale.
        x[..5].copy_from_slice(&[127.0, -127.0, 2.5, -3.5, 0.5]);
        x[5..32].fill(-0.0);
        x[32..64].fill(f32::MIN_POSITIVE);
        (x[100], x[150], x[200]) = (f32::NAN, f32::INFINITY, f32::MAX);
        for tokens in 1..=3 {
            check::<1>(&x[..tokens * 96], 96);
            check::<2>(&x[..tokens * 96], 96);
        }
    }
}
