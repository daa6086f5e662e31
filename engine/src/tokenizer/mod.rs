//! Text to tokens and back: one [`Tokenizer`] over `tokenizer.json` and over the vocabulary inside a GGUF file, and the
//! chat templates that come with either.

mod bytes;
mod chat;
mod gguf;
mod hub;
mod pyjson;
mod stream;
mod unified;

pub use chat::ChatOptions;
pub use gguf::pre_tokenizers;
pub use stream::TextStream;
pub use unified::{Encode, Tokenizer};
