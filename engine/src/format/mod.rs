//! What is in a file: sniffing by content, and GGUF, safetensors and PyTorch readers behind one [`TensorFile`].

pub mod atomic;
mod blocks;
mod code_tables;
mod dequantize;
mod detect;
mod dtype;
mod foreign;
pub mod gguf;
pub mod hub;
mod mapped;
mod open;
pub mod pytorch;
mod quantize;
pub mod safetensors;
mod sharded;
pub(crate) mod small_json;
mod tensor_file;

#[cfg(test)]
mod detect_tests;
#[cfg(test)]
mod values_tests;

pub use dequantize::dequantize;
pub use detect::{Detected, Format, detect};
pub use dtype::DType;
pub use open::open;
pub use quantize::{QUANTIZABLE, quantize};
pub use sharded::ShardedFile;
pub use tensor_file::{Metadata, TensorFile, TensorInfo};
