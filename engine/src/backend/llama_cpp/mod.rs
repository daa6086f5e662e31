//! GGUF files through llama.cpp: the fast route, for every architecture llama.cpp knows.
//!
//! | File | What it holds |
//! |---|---|
//! | `options` | What a caller may choose, and the defaults |
//! | `load` | From a file to a [`Backend`](crate::backend::Backend): checks, progress, interrupt, what was loaded |
//! | `check` | What must hold before llama.cpp's loader may see a header |
//! | `memory` | What a load will need, said before anything is allocated |
//! | `context` | One `llama_context`: its KV cache, the sequences in it, decoding a batch |
//! | `sequence` | The [`Sequence`](crate::backend::Sequence) trait over a context |
//! | `step` | How many tokens go into one decode, so that an interrupt is answered in time |
//! | `warm` | Reading a cold file into the page cache, interruptibly |
//! | `runtime` | What is set up once per process: llama.cpp itself, its devices |
//! | `guard` | Calling into llama.cpp: captured logs, and an abort that becomes an error |
//! | `ffi` | The entry points that may unwind, declared so |

mod check;
mod context;
mod ffi;
mod guard;
mod load;
mod memory;
mod options;
mod runtime;
mod sequence;
mod step;
mod warm;

pub use load::load;
pub use memory::{MemoryNeeds, memory_needs};
pub use options::{CacheType, Device, FlashAttention, LlamaOptions};
pub use runtime::{DeviceInfo, devices};

/// The name errors carry.
const NAME: &str = "llama_cpp";
