//! The architectures: per family, how its configuration maps onto a [`Spec`](super::Spec), and the names of its weights.

mod bloom;
mod cohere;
mod cohere2;
mod common;
mod falcon;
mod form;
mod gemma;
mod gemma2;
mod gemma3;
mod gguf;
mod glm4;
mod gpt2;
mod gpt_neox;
mod granite;
mod known;
mod llama;
mod mistral;
mod mixtral;
mod mpt;
mod olmo;
mod olmo2;
mod olmoe;
mod phi;
mod phi3;
mod qwen2;
mod qwen2_moe;
mod qwen3;
mod qwen3_moe;
mod rope;
mod smollm3;
mod stablelm;
mod starcoder2;
mod table;

pub use form::{GgufForm, Head};
pub use table::{Architecture, from_gguf, from_hub, gguf_form, names, supported};
