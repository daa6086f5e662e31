//! The command line: what it understands, and which front end each command is.

mod arguments;
mod cpu;
mod dispatch;
mod inspect;
#[cfg(feature = "lab")]
mod lab;

pub use dispatch::main;
