//! GGUF, the file format of ggml and llama.cpp: read from a mapping, written in one pass.
//!
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

mod cursor;
mod file;
mod header;
mod value;
mod writer;

#[cfg(test)]
mod header_tests;
#[cfg(test)]
mod tests;

pub use file::GgufFile;
pub(crate) use header::Version;
pub use value::{Value, ValueType};
pub use writer::Writer;
