//! `minerva install`: tells Jupyter about this kernel.

mod folders;
mod spec;

pub use folders::Location;
pub use spec::{InstallOptions, install};
