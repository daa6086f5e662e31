//! The product of many rows of activations with a stored matrix, `Y[m, n] = X[m, k] · W[n, k]ᵀ`, in `f32`.
//!
//! This is what a prompt needs: hundreds of tokens meet the same weights, so a few rows of weights are expanded to
//! `f32` once and used for every token. Nothing is rounded but the sums.
//!
//! - [`Packed`] (`pack`): the activations, tokens in vector lanes, made once for all matrices that read them
//! - [`Weights`] (`weights`): what a stored matrix must be able to do
//! - [`product`] (`product`): shapes, the split into tasks
//! - `task`: one task: expand, multiply, write
//! - `write`: sums to rows of the output
//! - `kernel`: the innermost loops, chosen for the processor; `avx512`, `avx2`, `portable` are its variants
//! - `isa`: what the processor can do
//! - `lanes`: sixteen numbers side by side, and how they reach a register
//! - `transpose`: tokens to lanes and back, sums over lanes

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod isa;
mod kernel;
mod lanes;
mod pack;
mod portable;
mod product;
mod task;
#[cfg(test)]
mod tests;
mod transpose;
mod weights;
mod write;

pub use pack::Packed;
pub use product::product;
pub use weights::Weights;
