//! safetensors, the file format of the Hugging Face hub: one file. Shards: [`ShardedFile`](super::ShardedFile).
//!
//! The format: <https://huggingface.co/docs/safetensors/index#format>.

mod file;
mod header;
mod writer;

#[cfg(test)]
mod tests;

pub use file::SafetensorsFile;
pub(crate) use header::MAX_HEADER;
pub use writer::{SaveTensor, Writer, save};
