//! What the product asks of a stored matrix.

use std::ops::Range;

use crate::error::Result;

/// A matrix `[n, k]` of weights whose rows can be expanded to `f32`, a stretch at a time.
pub trait Weights: Sync {
    /// Rows, the features that come out.
    fn n(&self) -> usize;

    /// Columns, the features that go in.
    fn k(&self) -> usize;

    /// Writes the weights `columns` of row `row` to `out`, whose length is that of `columns`.
    ///
    /// `columns` starts at a multiple of 256 and ends at one or at `k`, so no block of any stored type is ever cut.
    /// Several threads ask at once, each about a thousand weights at a time.
    fn expand(&self, row: usize, columns: Range<usize>, out: &mut [f32]) -> Result<()>;

    /// The bytes that [`expand`](Self::expand) would read for the same arguments, or none; `row` may be past the end.
    ///
    /// They are called into the cache ahead of their turn: a stretch of a row is too short for the processor to see where
    /// the next one will be. With few tokens the product would wait for memory; none is right where memory is not read.
    fn stored(&self, row: usize, columns: Range<usize>) -> &[u8] {
        let _ = (row, columns);
        &[]
    }
}
