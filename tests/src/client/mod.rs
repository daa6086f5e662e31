//! A small Jupyter client that starts the real program and is strict about what comes back.
//!
//! It shares no code with the kernel: frames, signatures and message fields are written out here a second time, so
//! that a mistake in the kernel is not made again by its test. Every `expect…` panics on any message that the test did
//! not ask for, and every message that comes in is checked for its signature and its fields.

mod connection;
mod kernel;
mod message;

pub use connection::Client;
pub use kernel::{Kernel, PATIENCE, Ports};
pub use message::{KEY, Message, Ran, cell, signature};
