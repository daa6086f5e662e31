//! The life of a server: where it listens, what is printed and opened, which servers and kernels run, and what ends them.

pub mod browser;
pub mod census;
pub mod client;
pub mod connections;
pub mod leave;
pub mod listen;
pub mod processes;
pub mod running;
pub mod serve;
pub mod signals;
