//! The vocabulary inside a GGUF file, tokenizing exactly as llama.cpp does, in Rust alone.

mod bpe;
mod charsmap;
mod encoder;
mod hub_form;
mod keys;
mod kimi;
mod partition;
mod pre;
mod rwkv;
mod special;
mod split;
mod spm;
mod trie;
mod unicode;
mod unigram;
mod vocab;
mod wordpiece;

pub(super) use encoder::{GgufTokenizer, outside};
pub use pre::names as pre_tokenizers;
pub(super) use special::END_OF_GENERATION;
