//! Kernels: which there are on this machine, those that run, and the WebSockets to them.
//!
//! [`specs`] finds kernelspecs; [`manager`] keeps the kernels that run. Each [`kernel`] has a task ([`life`]) that owns its
//! [`process`], starts it again when it dies and ends it. [`link`] holds the sockets to a process, [`mailbox`] what front ends
//! have not seen yet: it outlives both the process and the front end's connection ([`channels`]).

pub mod activity;
pub mod channels;
pub mod connection;
mod cull;
pub mod framing;
mod handlers;
pub mod kernel;
mod life;
pub mod link;
pub mod mailbox;
pub mod manager;
pub mod process;
mod spec_handlers;
pub mod specs;

pub use connection::KernelConnection;
pub use handlers::routes;
pub use kernel::Kernel;
pub use manager::{Kernels, StartKernel};
