//! JupyterLab in the browser: its files, its pages, and what it keeps of a user's wishes.
//!
//! The files lie in `kernel/lab/jupyterlab`, packed, and are part of the program ([`embedded`]); [`assets`] sends them.
//! [`page`] is the one page there is, with the configuration of [`config`]. [`settings`] (by the rules of [`schemas`])
//! and [`workspaces`] are kept on [`disk`]. [`licenses`] and [`language`] are small answers.

pub mod assets;
pub mod config;
pub mod disk;
pub mod embedded;
mod front;
pub mod language;
pub mod licenses;
pub mod page;
pub mod relaxed;
mod routes;
pub mod schemas;
pub mod settings;
pub mod workspaces;

pub use front::Frontend;
pub use routes::routes;
