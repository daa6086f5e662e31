//! Rust cells: `%%rust` as the first line of a cell runs it through [evcxr](https://github.com/evcxr/evcxr).
//!
//! evcxr lives in a process of its own, which is this program once more (see [`hook`]) and starts with the first Rust cell.
//! An interrupt can then end whatever it does, a crash takes nothing of the kernel along, and a session without Rust cells
//! pays nothing. Values go over as JSON, tensors as safetensors files; on the other side the crate in `prelude/` reads them.
//!
//! Without the feature `rust-cells` a Rust cell is an error that says so.

#[cfg(feature = "rust-cells")]
mod cells;
#[cfg(not(feature = "rust-cells"))]
#[path = "absent.rs"]
mod cells;
mod completions;
#[cfg(feature = "rust-cells")]
mod errors;
#[cfg(feature = "rust-cells")]
mod functions;
#[cfg(feature = "rust-cells")]
mod hook;
#[cfg(feature = "rust-cells")]
mod host;
mod magic;
#[cfg(feature = "rust-cells")]
mod options;
#[cfg(all(test, feature = "rust-cells"))]
#[path = "prelude/lib.rs"]
#[allow(missing_docs, unused, clippy::indexing_slicing)]
mod prelude;
#[cfg(feature = "rust-cells")]
mod process;
#[cfg(feature = "rust-cells")]
mod protocol;
mod split;
#[cfg(feature = "rust-cells")]
mod values;

pub use cells::{Given, RustCells};
#[cfg(not(feature = "rust-cells"))]
pub use cells::{Interrupted, hook};
#[cfg(feature = "rust-cells")]
pub use errors::Interrupted;
#[cfg(feature = "rust-cells")]
pub use hook::hook;
pub use magic::{complete, inspect, is_complete};
pub use split::{Split, split};
