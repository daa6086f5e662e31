//! What a Rust cell sees of the notebook it stands in: [`Value`] and [`Tensor`], and the ways in and out.
//!
//! This is the source of the crate `minerva` that every Rust cell depends on. It is compiled on the person's machine when
//! the first Rust cell runs, so it depends on nothing; the kernel compiles it for its own tests alone.

mod convert;
mod json;
mod pass;
mod tensor;
mod value;

pub use convert::{FromScript, ToScript};
#[doc(hidden)]
pub use pass::{Arguments, Function, flush, input, output, serve, start};
pub use tensor::Tensor;
pub use value::Value;

#[cfg(test)]
mod tests;
