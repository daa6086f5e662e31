//! Arithmetic of the processor: slices in, slices out. Knows no tensor and no model.
//!
//! - [`rows`]: stored rows of weights times a few vectors, and their expansion to f32
//! - [`gemm`]: stored rows of weights times many vectors
//! - [`integer`]: the same with the vectors as whole numbers
//! - [`attention`]: causal attention over a cache
//! - [`math`]: activations, norms, rotations, sums
//! - [`features`]: what this processor can do
//!
//! Everything but [`integer`] is exact but for the rounding of f32: weights are expanded as they are stored, activations
//! stay f32.
//! Vector instructions are chosen at run time: AVX-512, AVX2, or what the compiler makes of plain loops.

pub mod attention;
pub mod features;
pub mod gemm;
pub mod integer;
pub mod math;
pub mod rows;
