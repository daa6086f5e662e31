//! The tile in plain loops over arrays: the same numbers in the same order, so that it gives the same sums to the bit.

#![allow(clippy::needless_range_loop)] // counted loops become vectors

use super::layout::{LANES, Lanes, QUADS, Sums, TOKENS, Tokens, VECTORS, Weights};

/// A group of tokens times a panel.
pub fn tile<const P: usize, const MINIMUMS: bool, const HALVES: bool>(
    offset: i32,
    x: &[Tokens<P>],
    weights: &[Weights],
    sums: &mut Sums,
) {
    let parts = if HALVES { 2 } else { 1 };
    for (x, weights) in x.iter().zip(weights) {
        for part in 0..parts {
            let quads = part * QUADS / parts..(part + 1) * QUADS / parts;
            let numbers = &x.sums[if HALVES { 1 + part } else { 0 }];
            for t in 0..TOKENS {
                for v in 0..VECTORS {
                    let mut dots = [0; LANES];
                    for plane in 0..P {
                        dots = dots.map(|dot| dot << 8);
                        if plane + 1 == P {
                            dots = dots.map(|dot| dot - offset * numbers[t]);
                        }
                        for c in quads.clone() {
                            let token = x.quads[plane][c][t];
                            for (dot, weights) in dots.iter_mut().zip(weights.quads[c][v].0.as_chunks::<4>().0) {
                                for i in 0..4 {
                                    *dot += i32::from(weights[i]) * i32::from(token[i]);
                                }
                            }
                        }
                    }
                    let Lanes(scales) = &weights.scales[part][v];
                    let Lanes(minimums) = &weights.minimums[part][v];
                    let Lanes(sums) = &mut sums[t][v];
                    let sum = x.scales[t] * numbers[t] as f32;
                    for i in 0..LANES {
                        sums[i] = (dots[i] as f32).mul_add(x.scales[t] * scales[i], sums[i]);
                        if MINIMUMS {
                            sums[i] = minimums[i].mul_add(sum, sums[i]);
                        }
                    }
                }
            }
        }
    }
}
