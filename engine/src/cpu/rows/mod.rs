//! Rows of weights as they are stored: multiplied with a few vectors, or expanded to f32.
//!
//! Weights are expanded exactly to f32 in registers and activations stay f32, so the only error is that of summation.
//!
//! - `call.rs`, with [`dot_rows`] and [`expand`]: arguments are checked, the instruction set is chosen, and what its
//!   kernels leave over is done the slow way.
//! - `isa.rs`: which instruction sets this processor has, and the calls into them.
//! - `driver.rs`: the loops over rows, blocks and vectors, written once for every set of vector instructions.
//! - `avx512.rs`, `avx2.rs`: what a block of each type is in registers.
//! - `lanes.rs`: loads and stores of vectors.
//! - `portable.rs`: array loops that the compiler vectorizes, for every other processor.

#[macro_use]
mod driver;
mod call;
mod isa;
mod portable;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod lanes;

#[cfg(test)]
mod tests;

pub use call::{MOST, dot_rows, expand};
