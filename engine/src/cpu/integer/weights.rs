//! What the product asks of a stored matrix.

use std::ops::Range;

use crate::format::DType;

/// A matrix `[n, k]` of weights in stored blocks.
pub trait Weights: Sync {
    /// Rows, the features that come out.
    fn n(&self) -> usize;

    /// Columns, the features that go in.
    fn k(&self) -> usize;

    /// How they are stored.
    fn dtype(&self) -> DType;

    /// The blocks with `columns` of row `row`, which start and end with a block. Several threads ask at once.
    fn stored(&self, row: usize, columns: Range<usize>) -> &[u8];
}
