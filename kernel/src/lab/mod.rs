//! `minerva lab`: a Jupyter server that serves JupyterLab's own front end, without Python.
//!
//! [`life`] is that of the process. Every request passes [`access`] first; then a part answers it: [`contents`]
//! (files and notebooks below one folder), [`kernels`] and [`sessions`] (child processes and the WebSocket to them),
//! [`frontend`] (JupyterLab's files, its settings and workspaces). All parts hang on one [`state::Lab`].

pub mod access;
pub mod api;
pub mod blocking;
pub mod body;
pub mod config;
pub mod contents;
pub mod error;
pub mod events;
pub mod frontend;
pub mod kernels;
pub mod life;
pub mod options;
pub mod page;
pub mod paths;
pub mod routes;
pub mod sessions;
pub mod state;

pub use life::serve::serve;
pub use options::LabOptions;
