//! One file's tensors in another file: other storage types, other formats.

mod by_path;
mod gguf_to_safetensors;
mod hub_to_gguf;
mod requantize;
mod store;
mod target;

#[cfg(test)]
mod tests;

pub use by_path::convert;
pub use gguf_to_safetensors::gguf_to_safetensors;
pub use hub_to_gguf::{GgufOptions, GgufReport, hub_to_gguf};
pub use requantize::requantize;
