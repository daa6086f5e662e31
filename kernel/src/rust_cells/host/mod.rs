//! The process that runs Rust cells: evcxr, its compiler and the person's code, apart from the kernel.
//!
//! It is the program itself, started with [`super::protocol::SERVE`]. Requests come in on stdin, events go out on stdout.
//! Three things live under it: cargo while it compiles, the child of evcxr that loads what was compiled, and what that
//! starts. All are one process group, so that nothing outlives it.

mod processes;
mod report;
mod runner;
mod serve;
mod source;
mod stop;
mod streams;
mod syntax;

pub use serve::serve;
