//! Elementwise mathematics, norms and rotations on slices of `f32`, vectorized, on the calling thread.
//!
//! - `lanes`: vectors and the choice of instructions; `x86` and `portable` are its instruction sets
//! - `functions`: exp, tanh, sigmoid, gelu on vectors
//! - `activation`: activations of a feed-forward network, with and without a gate
//! - `elementwise`: sums, soft caps
//! - `norm`: root-mean-square and layer norm
//! - `rope`: rotary positions

mod activation;
mod elementwise;
mod functions;
mod lanes;
mod norm;
mod portable;
mod rope;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;

pub use activation::Activation;
pub use elementwise::{add, softcap};
pub use functions::{exp as exp_lanes, tanh as tanh_lanes};
pub use lanes::{Element, Isa, Kernel, Lanes};
pub use norm::{layer_norm, rms_norm};
pub use rope::{Pairs, rope};
