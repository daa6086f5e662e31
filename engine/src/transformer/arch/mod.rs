//! The architectures: per family, how its configuration maps onto a [`Spec`].

mod common;
mod known;
mod llama;
mod mistral;
mod qwen2;
mod qwen3;
mod table;

pub use table::{Architecture, from_gguf, from_hub, supported};
