//! The tiles with AVX2 and fused multiply-add, all sums in registers.

use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps, _mm256_setzero_ps};

use super::kernel::{Row, WIDTH};
use super::lanes::Lanes;
use super::lanes::x86::{load8, store8};

/// Four rows of weights times vector `vector` of a panel, lanes along the tokens. Eight sums are as many as must be under
/// way at once; with twelve, the compiler runs out of registers and moves sums about.
#[target_feature(enable = "avx2,fma")]
pub fn tile<const V: usize>(x: &[[Lanes; V]], vector: usize, rows: &[Row; 4], sums: &mut [[Lanes; V]; 4], first: bool) {
    let mut acc = [[_mm256_setzero_ps(); 2]; 4];
    if !first {
        for (acc, sums) in acc.iter_mut().zip(&*sums) {
            for (h, acc) in acc.iter_mut().enumerate() {
                *acc = load8(half(sums, 2 * vector + h));
            }
        }
    }
    for (i, x) in x.iter().enumerate().take(WIDTH) {
        let tokens = [load8(half(x, 2 * vector)), load8(half(x, 2 * vector + 1))];
        for (acc, row) in acc.iter_mut().zip(rows) {
            let weight = _mm256_set1_ps(row.0[i]);
            for (acc, tokens) in acc.iter_mut().zip(tokens) {
                *acc = _mm256_fmadd_ps(weight, tokens, *acc);
            }
        }
    }
    for (acc, sums) in acc.iter().zip(sums) {
        for (h, acc) in acc.iter().enumerate() {
            store8(half_mut(sums, 2 * vector + h), *acc);
        }
    }
}

/// Two rows of weights times `T` tokens, lanes along the features. Both halves of a vector are added to the same eight
/// sums; the other eight of the sixteen in memory stay zero.
#[target_feature(enable = "avx2,fma")]
pub fn few<const T: usize>(x: &[[Lanes; T]], rows: &[Row; 2], sums: &mut [[Lanes; T]; 2], first: bool) {
    let mut acc = [[_mm256_setzero_ps(); T]; 2];
    if first {
        *sums = [[Lanes::ZERO; T]; 2];
    }
    for (acc, sums) in acc.iter_mut().zip(&*sums) {
        for (t, acc) in acc.iter_mut().enumerate() {
            *acc = load8(half(sums, 2 * t));
        }
    }
    for (i, x) in x.iter().enumerate().take(WIDTH / 16) {
        for h in 0..2 {
            for (acc, row) in acc.iter_mut().zip(rows) {
                let weights = load8(&row.0.as_chunks().0[2 * i + h]);
                for (t, acc) in acc.iter_mut().enumerate() {
                    *acc = _mm256_fmadd_ps(weights, load8(half(x, 2 * t + h)), *acc);
                }
            }
        }
    }
    for (acc, sums) in acc.iter().zip(sums) {
        for (t, acc) in acc.iter().enumerate() {
            store8(half_mut(sums, 2 * t), *acc);
        }
    }
}

/// Half `h` of a run of vectors.
#[inline(always)]
fn half<const V: usize>(vectors: &[Lanes; V], h: usize) -> &[f32; 8] {
    &vectors[h / 2].0.as_chunks().0[h % 2]
}

/// Half `h` of a run of vectors, to write.
#[inline(always)]
fn half_mut<const V: usize>(vectors: &mut [Lanes; V], h: usize) -> &mut [f32; 8] {
    &mut vectors[h / 2].0.as_chunks_mut().0[h % 2]
}
