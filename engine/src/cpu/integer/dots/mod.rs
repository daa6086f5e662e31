//! The product of a few vectors with stored rows, in whole numbers: what one token after the other needs.
//!
//! Every weight is used once or a few times only, so weights are multiplied as they come from memory, and nothing is
//! packed. Lanes run along the columns. For the arithmetic and its precision see [`integer`](super).
//!
//! - [`Few`] (`few`): the vectors as whole numbers
//! - [`dot_rows`] (`call`): arguments are checked, types told apart
//! - `avx512`: the loops over rows and columns
//! - `blocks`: what a stored block of each type is in registers

mod call;
mod few;

#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod blocks;

#[cfg(test)]
mod tests;

pub use call::{dot_rows, takes};
pub use few::{Few, MOST};
