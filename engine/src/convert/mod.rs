//! One file's tensors in another file: other storage types, other formats.

mod gguf_to_safetensors;
mod requantize;
mod store;

#[cfg(test)]
mod tests;

pub use gguf_to_safetensors::gguf_to_safetensors;
pub use requantize::requantize;
