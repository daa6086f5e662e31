//! A hub folder as one GGUF file, for llama.cpp and for us.
//!
//! `plan` finds which rows of which hub tensors make up each GGUF tensor, `rows` makes their bytes, `metadata` writes the
//! keys, `vocabulary` the tokenizer, and `differences` says what llama.cpp will compute otherwise than the folder means.
//! What belongs to one architecture stands in its own file under `transformer/arch`, as [`GgufForm`].
//!
//! [`GgufForm`]: crate::transformer::arch::GgufForm

mod differences;
mod metadata;
mod plan;
mod pre;
mod rows;
mod vocabulary;
mod write;

#[cfg(test)]
mod tests;

pub use write::{GgufOptions, GgufReport, hub_to_gguf};
