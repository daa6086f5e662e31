//! Every checkpoint under `tests/fixtures/reference-models` written as GGUF: read here it gives the logits that
//! `transformers` computed for the checkpoint, and llama.cpp reading the same file gives the same as we do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod fixtures;
#[cfg(feature = "llama-cpp")]
mod llama_cpp;
mod ours;
mod vocabulary;
