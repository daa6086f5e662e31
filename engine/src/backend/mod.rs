//! A backend is a logits machine with a KV cache: tokens in, logits out, sequences that can be forked and truncated.
//! Sampling, stopping, streaming and scoring are written once, above it.

pub mod candle;
mod choice;
mod defaults;
#[cfg(feature = "llama-cpp")]
pub mod llama_cpp;
mod route;
mod traits;

pub use choice::BackendChoice;
pub(crate) use choice::choose;
pub use defaults::{DEFAULT_CONTEXT, context_for, default_threads};
pub use route::{HAS_LLAMA_CPP, Route, route};
pub use traits::{Backend, BackendKind, Gradients, Logits, Metric, ModelInfo, Rows, Sequence};
