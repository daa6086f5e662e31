//! From sums to the output.

use std::ops::Range;

use super::isa::Work;
use super::lanes::{LANES, Lanes};
use super::pack::{Along, Panel};
use super::transpose::{Square, fold, transpose};
#[cfg(target_arch = "x86_64")]
use super::transpose::{fold_avx512, transpose_avx512};

/// Rows of weights are counted in these: as many numbers of one token as are written at once.
pub const UNIT: usize = LANES;

/// The sums of one unit of rows with one panel, to be written to rows of the output.
pub struct Write<'a, 'b> {
    /// [`UNIT`] rows of the panel's vectors.
    pub sums: &'a [Lanes],
    /// The panel.
    pub panel: Panel,
    /// Where to write in each of `tokens`: as many numbers as there are rows.
    pub range: Range<usize>,
    /// The output's rows for the panel's tokens.
    pub tokens: &'a mut [&'b mut [f32]],
}

impl Work for Write<'_, '_> {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    unsafe fn avx512(self) {
        self.with(|square| transpose_avx512(square), |square| fold_avx512(square));
    }

    #[inline(always)]
    fn portable(self) {
        self.with(transpose, fold);
    }
}

impl Write<'_, '_> {
    #[inline(always)]
    fn with(self, transpose: impl Fn(Square) -> Square, fold: impl Fn(Square) -> Lanes) {
        let Self { sums, panel: Panel { along, vectors, .. }, range, tokens } = self;
        // Vector `vector` of every row.
        let square = |vector: usize| {
            let mut square = [Lanes::ZERO; LANES];
            for (row, sums) in square.iter_mut().zip(sums.chunks_exact(vectors)) {
                *row = sums[vector];
            }
            square
        };
        match along {
            Along::Tokens => {
                for (vector, tokens) in tokens.chunks_mut(LANES).enumerate() {
                    for (token, numbers) in tokens.iter_mut().zip(&transpose(square(vector))) {
                        put(&mut token[range.clone()], numbers);
                    }
                }
            }
            Along::Features => {
                for (vector, token) in tokens.iter_mut().enumerate() {
                    put(&mut token[range.clone()], &fold(square(vector)));
                }
            }
        }
    }
}

/// Writes the first of `numbers`, as many as there is room for.
#[inline(always)]
fn put(to: &mut [f32], numbers: &Lanes) {
    match to.first_chunk_mut() {
        Some(all) => *all = numbers.0,
        None => to.copy_from_slice(&numbers.0[..to.len()]),
    }
}
