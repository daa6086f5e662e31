//! The Jupyter front end of a session: sockets, messages, and the kernelspec.
//!
//! Two threads. The first runs every socket on one event loop: [`control`] and the heartbeat answer at once, [`iopub`]
//! empties its queue. The second, [`worker`], owns the session and answers shell requests one after the other.

mod connection;
mod control;
mod execute;
mod history;
pub mod info;
pub mod install;
mod introspect;
mod iopub;
mod parent;
mod progress;
mod registration;
mod router;
mod serve;
mod stdin;
pub(crate) mod wire;
mod worker;

pub use install::{InstallOptions, install};
pub use serve::serve;
