//! What all handlers share.

use super::access::Access;
use super::config::Config;
use super::contents::Contents;
use super::events::Events;
use super::frontend::Frontend;
use super::kernels::Kernels;
use super::life::leave::Leave;
use super::sessions::Sessions;
use std::sync::Arc;

/// The parts of a running server.
pub struct Lab {
    /// Who may ask, and how they prove it.
    pub access: Access,
    /// Files and notebooks below the server's folder.
    pub contents: Contents,
    /// Kernels: specifications and running processes.
    pub kernels: Kernels,
    /// Which document uses which kernel.
    pub sessions: Sessions,
    /// JupyterLab's files, settings and workspaces.
    pub frontend: Frontend,
    /// What happens, for whoever listens on `/api/events/subscribe`.
    pub events: Events,
    /// Settings of front ends, by sections.
    pub config: Config,
    /// The wish that the server ends.
    pub leave: Leave,
    /// When the server started.
    pub started: jiff::Timestamp,
}

/// The state of every handler.
pub type App = Arc<Lab>;
