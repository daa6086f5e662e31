//! Tensors as a person meets them: a cheap handle to numbers in memory or still in their file, with NumPy's names.
//!
//! Storage, shapes and matrix products are candle's; statistics, slices, element-wise arithmetic and reductions are ours:
//! they stream over the file a chunk at a time, in parallel, in double precision, and poll the interrupt.
//!
//! **Types.** Element-wise arithmetic keeps the wider floating type of its operands (F16 with BF16 gives F32); integers are
//! computed as I64 and divide to F32; comparisons give BOOL; quantized values are computed as F32. What adds up many
//! values (sums, means, norms, softmax, matrix products) gives F32, or F64 from F64: never a half type.

mod compare;
mod corner;
mod create;
mod elementwise;
mod handle;
mod heatmap;
mod linalg;
mod memory;
mod meter;
mod reduce;
mod rows;
mod save;
mod select;
mod shape;
mod slice;
mod stats;
mod svd;
mod text;
mod values;

#[cfg(test)]
mod tests;

pub use compare::Comparison;
pub use elementwise::{Binary, Unary};
pub use handle::Tensor;
pub use heatmap::{Cells, Pixels, Pool, Scale};
pub use reduce::Reduction;
pub use save::save_all;
pub use slice::{Index, parse_indices};
pub use stats::{Histogram, Stats};
pub use svd::Svd;
pub use text::number;

pub(crate) use memory::room_for;
