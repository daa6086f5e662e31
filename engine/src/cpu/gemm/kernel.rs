//! The innermost loops: a few rows of weights times one panel of tokens.

use super::isa::{Isa, Work};
use super::lanes::{LANES, Lanes};
use super::pack::Along;
use super::portable;
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// Columns multiplied before the sums go back to memory.
pub const DEPTH: usize = 768;

/// Numbers in a [`Row`]: a cache line more than a round number, so that rows do not compete for the same places in the
/// cache.
pub const WIDTH: usize = DEPTH + LANES;

/// A stretch of one row of expanded weights. The length is a constant so that one register addresses all rows of a
/// tile.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Row(pub [f32; WIDTH]);

impl Row {
    /// A row that is not there.
    pub const EMPTY: Self = Self([0.0; WIDTH]);
}

/// Rows of weights in the largest tile; the rows given to [`multiply`] are a multiple of it.
pub const TILE: usize = 8;

/// Adds the product of `rows` and a stretch of a panel to `sums`, or sets them when this stretch is the `first`.
///
/// `x` is a run of `vectors` vectors for each column (lanes along the tokens, at most three) or for each sixteen columns
/// (lanes along the features, at most six), at most [`DEPTH`] columns; `sums` as many vectors for each row.
pub fn multiply(isa: Isa, along: Along, vectors: usize, x: &[Lanes], rows: &[Row], sums: &mut [Lanes], first: bool) {
    match (along, vectors) {
        (Along::Tokens, 1) => isa.run(Many::<1> { x: x.as_chunks().0, rows, sums: sums.as_chunks_mut().0, first }),
        (Along::Tokens, 2) => isa.run(Many::<2> { x: x.as_chunks().0, rows, sums: sums.as_chunks_mut().0, first }),
        (Along::Tokens, _) => isa.run(Many::<3> { x: x.as_chunks().0, rows, sums: sums.as_chunks_mut().0, first }),
        (Along::Features, 1) => isa.run(Few::<1> { x: x.as_chunks().0, rows, sums: sums.as_chunks_mut().0, first }),
        (Along::Features, 2) => isa.run(Few::<2> { x: x.as_chunks().0, rows, sums: sums.as_chunks_mut().0, first }),
        (Along::Features, 3) => isa.run(Few::<3> { x: x.as_chunks().0, rows, sums: sums.as_chunks_mut().0, first }),
        (Along::Features, 4) => isa.run(Few::<4> { x: x.as_chunks().0, rows, sums: sums.as_chunks_mut().0, first }),
        (Along::Features, 5) => isa.run(Few::<5> { x: x.as_chunks().0, rows, sums: sums.as_chunks_mut().0, first }),
        (Along::Features, _) => isa.run(Few::<6> { x: x.as_chunks().0, rows, sums: sums.as_chunks_mut().0, first }),
    }
}

/// [`multiply`] for a panel of `V` vectors of tokens.
struct Many<'a, const V: usize> {
    x: &'a [[Lanes; V]],
    rows: &'a [Row],
    sums: &'a mut [[Lanes; V]],
    first: bool,
}

impl<const V: usize> Work for Many<'_, V> {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    unsafe fn avx512(self) {
        for (rows, sums) in self.rows.as_chunks().0.iter().zip(self.sums.as_chunks_mut().0) {
            avx512::tile::<TILE, V>(self.x, rows, sums, self.first);
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2(self) {
        for (rows, sums) in self.rows.as_chunks().0.iter().zip(self.sums.as_chunks_mut().0) {
            for vector in 0..V {
                avx2::tile(self.x, vector, rows, sums, self.first);
            }
        }
    }

    fn portable(self) {
        for (rows, sums) in self.rows.as_chunks().0.iter().zip(self.sums.as_chunks_mut().0) {
            for vector in 0..V {
                portable::tile(self.x, vector, rows, sums, self.first);
            }
        }
    }
}

/// [`multiply`] for `T` tokens, lanes along the features.
struct Few<'a, const T: usize> {
    x: &'a [[Lanes; T]],
    rows: &'a [Row],
    sums: &'a mut [[Lanes; T]],
    first: bool,
}

impl<const T: usize> Work for Few<'_, T> {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    unsafe fn avx512(self) {
        // As many rows as the sums leave registers for.
        if T <= 3 {
            for (rows, sums) in self.rows.as_chunks().0.iter().zip(self.sums.as_chunks_mut().0) {
                avx512::few::<8, T>(self.x, rows, sums, self.first);
            }
        } else {
            for (rows, sums) in self.rows.as_chunks().0.iter().zip(self.sums.as_chunks_mut().0) {
                avx512::few::<4, T>(self.x, rows, sums, self.first);
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2(self) {
        for (rows, sums) in self.rows.as_chunks().0.iter().zip(self.sums.as_chunks_mut().0) {
            avx2::few(self.x, rows, sums, self.first);
        }
    }

    fn portable(self) {
        for (row, sums) in self.rows.iter().zip(self.sums) {
            portable::few(self.x, row, sums, self.first);
        }
    }
}
