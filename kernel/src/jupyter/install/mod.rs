//! `minerva install`: tells Jupyter about this kernel.

mod folders;
mod spec;

pub use folders::{Location, runtime_folder};
pub use spec::{InstallOptions, install};
