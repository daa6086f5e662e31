//! The command line: what it understands, and which front end each command is.

mod arguments;
mod cpu;
mod dispatch;
mod inspect;

pub use dispatch::main;
