//! Models and tensors for Minerva.
//!
//! The engine reads model files ([`format`]), fetches them ([`hub`]), turns text into tokens ([`tokenizer`]), runs models on a backend
//! ([`backend`]), generates text ([`generate`]) and looks into a pass ([`trace`]). It knows no script, no notebook and no terminal: it returns values,
//! and it reports what happens on the way through a [`control::Control`].

pub mod backend;
pub mod control;
pub mod convert;
pub mod cpu;
pub mod error;
pub mod format;
pub mod generate;
pub mod hub;
pub mod memory;
pub mod model;
pub mod sample;
pub mod tensor;
pub mod tokenizer;
pub mod trace;
pub mod transformer;

pub use control::{Control, Event, Interrupt};
pub use error::{Error, Result};

/// A token id, as both backends and every tokenizer use it.
pub type Token = u32;
