//! What is in a file: sniffing by content, and GGUF and safetensors readers behind one [`TensorFile`].

mod dtype;
mod tensor_file;

pub use dtype::DType;
pub use tensor_file::{Metadata, TensorFile, TensorInfo};
