//! The tiles in plain loops over arrays, which the compiler turns into whatever vectors the target has.

use super::kernel::{self, Row};
use super::lanes::{LANES, Lanes};

/// Tokens multiplied together: four rows of them fill half the registers of the target, more or less.
const WIDTH: usize = if cfg!(target_arch = "aarch64") { 16 } else { 8 };

/// Four rows of weights times vector `vector` of a panel.
pub fn tile<const V: usize>(x: &[[Lanes; V]], vector: usize, rows: &[Row; 4], sums: &mut [[Lanes; V]; 4], first: bool) {
    for part in 0..LANES / WIDTH {
        let mut acc = [[0.0; WIDTH]; 4];
        if !first {
            for r in 0..4 {
                acc[r] = *part_of(&sums[r][vector], part);
            }
        }
        for (i, x) in x.iter().enumerate().take(kernel::WIDTH) {
            let tokens = part_of(&x[vector], part);
            for r in 0..4 {
                let weight = rows[r].0[i];
                for (sum, token) in acc[r].iter_mut().zip(tokens) {
                    *sum = multiply_add(weight, *token, *sum);
                }
            }
        }
        for r in 0..4 {
            sums[r][vector].0.as_chunks_mut().0[part] = acc[r];
        }
    }
}

/// One row of weights times `T` tokens, lanes along the features.
pub fn few<const T: usize>(x: &[[Lanes; T]], row: &Row, sums: &mut [Lanes; T], first: bool) {
    if first {
        *sums = [Lanes::ZERO; T];
    }
    for (t, sums) in sums.iter_mut().enumerate() {
        let mut acc = sums.0;
        for (x, weights) in x.iter().zip(row.0.as_chunks::<LANES>().0) {
            for ((sum, token), weight) in acc.iter_mut().zip(&x[t].0).zip(weights) {
                *sum = multiply_add(*weight, *token, *sum);
            }
        }
        sums.0 = acc;
    }
}

/// The part of a vector that fits the registers.
#[inline(always)]
fn part_of(vector: &Lanes, part: usize) -> &[f32; WIDTH] {
    &vector.0.as_chunks().0[part]
}

/// `a * b + c`, fused where the target has an instruction for it: elsewhere that would be a call for every number.
#[inline(always)]
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_arch = "aarch64", target_feature = "fma")) { a.mul_add(b, c) } else { a * b + c }
}
