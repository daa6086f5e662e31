//! Causal attention of many query heads over fewer key heads, from a cache of keys and values, on the processor.
//!
//! - `problem`: what is asked, where keys and values lie, and whether the shapes fit
//! - `tile`: a part of the work, the rows of one key head that see one range of keys
//! - `attend`: splits the work into tiles, runs them in parallel and joins their results
//! - `narrow`: a tile of few rows, a decoding step; the vectors run along a head's numbers
//! - `wide`: a tile of many rows, a prompt; the vectors run along the rows
//!
//! Both kernels go through the keys in blocks and keep a running maximum and sum (Milakov and Gimelshein, "Online
//! normalizer calculation for softmax", 2018; Dao et al., "FlashAttention", 2022): no matrix of scores is stored.

mod attend;
mod narrow;
mod problem;
mod tile;
mod wide;

#[cfg(test)]
mod tests;

pub use attend::attend;
pub use problem::{Attention, Elements, Keys};
