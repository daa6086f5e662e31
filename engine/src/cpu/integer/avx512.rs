//! The tile with AVX-512 and its instruction for whole numbers, all sums in registers.

#![allow(clippy::needless_range_loop)] // counted loops over arrays, which become registers

use std::arch::x86_64::*;

use super::layout::{LANES, Lanes, QUADS, Quads, Sums, Tokens, Weights};

/// `N` tokens times a panel, as many vectors at once as leave their sums in registers.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
#[inline]
pub fn tile<const N: usize, const P: usize, const MINIMUMS: bool, const HALVES: bool>(
    offset: i32,
    x: &[Tokens<P>],
    weights: &[Weights],
    sums: &mut Sums,
) {
    if P == 1 {
        part::<N, 0, 4, P, MINIMUMS, HALVES>(offset, x, weights, sums);
    } else {
        part::<N, 0, 2, P, MINIMUMS, HALVES>(offset, x, weights, sums);
        part::<N, 2, 2, P, MINIMUMS, HALVES>(offset, x, weights, sums);
    }
}

/// `N` tokens times `V` vectors of a panel: `sums += scale * scale * (numbers · numbers)`, and minimums times the sums of
/// the tokens.
///
/// A sum within a block is exact: with two planes it is at most 32 * 255 * 32512 and what is taken off at most
/// 32 * 128 * 32512, together less than 2^29.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
#[inline(never)] // among other code, the compiler runs out of registers
fn part<
    const N: usize,
    const FIRST: usize,
    const V: usize,
    const P: usize,
    const MINIMUMS: bool,
    const HALVES: bool,
>(
    offset: i32,
    x: &[Tokens<P>],
    weights: &[Weights],
    sums: &mut Sums,
) {
    let parts = if HALVES { 2 } else { 1 };
    let mut totals = [[_mm512_setzero_ps(); V]; N];
    for t in 0..N {
        for v in 0..V {
            totals[t][v] = load(&sums[t][FIRST + v]);
        }
    }
    for (x, weights) in x.iter().zip(weights) {
        for part in 0..parts {
            let quads = part * QUADS / parts..(part + 1) * QUADS / parts;
            let numbers = &x.sums[if HALVES { 1 + part } else { 0 }];
            // Planes side by side, the last one with what is taken off.
            let mut dots = [[[_mm512_setzero_si512(); V]; N]; P];
            if !MINIMUMS {
                for t in 0..N {
                    dots[P - 1][t] = [_mm512_set1_epi32(-offset * numbers[t]); V];
                }
            }
            for c in quads {
                let mut w = [_mm512_setzero_si512(); V];
                for v in 0..V {
                    w[v] = load_quads(&weights.quads[c][FIRST + v]);
                }
                for plane in 0..P {
                    for t in 0..N {
                        let token = _mm512_set1_epi32(i32::from_le_bytes(x.quads[plane][c][t].map(|q| q as u8)));
                        for v in 0..V {
                            dots[plane][t][v] = _mm512_dpbusd_epi32(dots[plane][t][v], w[v], token);
                        }
                    }
                }
            }
            for plane in 1..P {
                for t in 0..N {
                    for v in 0..V {
                        let upper = _mm512_slli_epi32::<8>(dots[plane - 1][t][v]);
                        dots[plane][t][v] = _mm512_add_epi32(dots[plane][t][v], upper);
                    }
                }
            }
            for t in 0..N {
                let scale = _mm512_set1_ps(x.scales[t]);
                for v in 0..V {
                    let scale = _mm512_mul_ps(scale, load(&weights.scales[part][FIRST + v]));
                    totals[t][v] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[P - 1][t][v]), scale, totals[t][v]);
                }
            }
            if MINIMUMS {
                for t in 0..N {
                    let sum = _mm512_set1_ps(x.scales[t] * numbers[t] as f32);
                    for v in 0..V {
                        totals[t][v] = _mm512_fmadd_ps(load(&weights.minimums[part][FIRST + v]), sum, totals[t][v]);
                    }
                }
            }
        }
    }
    for t in 0..N {
        for v in 0..V {
            store(&mut sums[t][FIRST + v], totals[t][v]);
        }
    }
}

/// Sixteen numbers from memory.
#[target_feature(enable = "avx512f")]
#[inline]
fn load(from: &Lanes) -> __m512 {
    const { assert!(size_of::<Lanes>() == 4 * LANES && align_of::<Lanes>() == 64) };
    // SAFETY: 64 readable bytes, aligned to 64.
    unsafe { _mm512_load_ps(from.0.as_ptr()) }
}

/// Sixteen numbers to memory.
#[target_feature(enable = "avx512f")]
#[inline]
fn store(to: &mut Lanes, value: __m512) {
    // SAFETY: 64 writable bytes, aligned to 64.
    unsafe { _mm512_store_ps(to.0.as_mut_ptr(), value) }
}

/// Four columns of sixteen rows from memory.
#[target_feature(enable = "avx512f")]
#[inline]
fn load_quads(from: &Quads) -> __m512i {
    // SAFETY: 64 readable bytes, aligned to 64.
    unsafe { _mm512_load_si512(from.0.as_ptr().cast()) }
}
