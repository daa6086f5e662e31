//! The product of many rows of activations with a stored matrix, `Y[m, n] = X[m, k] · W[n, k]ᵀ`, in whole numbers.
//!
//! Stored weights are whole numbers, small ones, times a scale for each block. With the activations rounded to whole
//! numbers as well, a processor multiplies four pairs in the place of one pair of `f32`. Nothing is rounded but the
//! activations (see [`Precision`]) and the sums: products within a block are exact.
//!
//! - [`Rounded`] (`rounded`): the activations as whole numbers, made once for all matrices that read them
//! - [`Weights`] (`weights`): what a stored matrix must be able to do
//! - [`product()`] (`product`): shapes, the split into tasks
//! - [`takes`] (`form`): the types it knows, and what their numbers are
//! - `task`: one task: pack weights, multiply, write
//! - `layout`: how weights and activations lie in memory, for one instruction to multiply sixteen rows with one token
//! - `round`: numbers to whole numbers
//! - `pack`: stored blocks to that layout, chosen for the processor; `pack_avx512` (with `turn_avx512`),
//!   `pack_portable` are its variants
//! - `kernel`: the innermost loops, chosen for the processor; `avx512`, `portable` are its variants, equal to the bit
//! - [`dots`]: the product of a few vectors with rows, without packing
//! - `isa`: what the processor can do

// What only the variants for x86-64 read.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]

#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod dots;
mod form;
mod isa;
mod kernel;
mod layout;
mod pack;
#[cfg(target_arch = "x86_64")]
mod pack_avx512;
mod pack_portable;
mod portable;
mod product;
mod round;
mod rounded;
#[cfg(test)]
mod stored;
mod task;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod turn_avx512;
mod weights;

pub use form::takes;
pub use isa::available;
pub use product::{LEAST, product};
pub use rounded::{Precision, Rounded};
pub use weights::Weights;
