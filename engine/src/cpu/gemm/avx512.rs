//! The tiles with AVX-512, all sums in registers.

use std::arch::x86_64::{__m512, _mm512_fmadd_ps, _mm512_set1_ps, _mm512_setzero_ps};

use super::kernel::{Row, WIDTH};
use super::lanes::x86::{load16, store16};
use super::lanes::{LANES, Lanes};

/// `R` rows of weights times `V` vectors of tokens. With 8 and 3, 24 of the 32 registers hold sums, and eleven loads
/// feed 24 multiplications: about half of what the processor could load in that time.
#[target_feature(enable = "avx512f")]
pub fn tile<const R: usize, const V: usize>(
    x: &[[Lanes; V]],
    rows: &[Row; R],
    sums: &mut [[Lanes; V]; R],
    first: bool,
) {
    let mut acc = start(sums, first);
    for (i, x) in x.iter().enumerate().take(WIDTH) {
        for (acc, row) in acc.iter_mut().zip(rows) {
            let weight = _mm512_set1_ps(row.0[i]);
            for (acc, tokens) in acc.iter_mut().zip(x) {
                *acc = _mm512_fmadd_ps(weight, load16(&tokens.0), *acc);
            }
        }
    }
    finish(acc, sums);
}

/// `R` rows of weights times `T` tokens, lanes along the features.
#[target_feature(enable = "avx512f")]
pub fn few<const R: usize, const T: usize>(x: &[[Lanes; T]], rows: &[Row; R], sums: &mut [[Lanes; T]; R], first: bool) {
    let mut acc = start(sums, first);
    for (i, x) in x.iter().enumerate().take(WIDTH / LANES) {
        for (acc, row) in acc.iter_mut().zip(rows) {
            let weights = load16(&row.0.as_chunks().0[i]);
            for (acc, token) in acc.iter_mut().zip(x) {
                *acc = _mm512_fmadd_ps(weights, load16(&token.0), *acc);
            }
        }
    }
    finish(acc, sums);
}

/// The sums so far.
#[target_feature(enable = "avx512f")]
#[inline]
fn start<const R: usize, const V: usize>(sums: &[[Lanes; V]; R], first: bool) -> [[__m512; V]; R] {
    let mut acc = [[_mm512_setzero_ps(); V]; R];
    if !first {
        for (acc, sums) in acc.iter_mut().zip(sums) {
            for (acc, sum) in acc.iter_mut().zip(sums) {
                *acc = load16(&sum.0);
            }
        }
    }
    acc
}

/// Puts the sums back.
#[target_feature(enable = "avx512f")]
#[inline]
fn finish<const R: usize, const V: usize>(acc: [[__m512; V]; R], sums: &mut [[Lanes; V]; R]) {
    for (acc, sums) in acc.iter().zip(sums) {
        for (acc, sum) in acc.iter().zip(sums) {
            store16(&mut sum.0, *acc);
        }
    }
}
