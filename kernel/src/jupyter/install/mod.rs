//! `minerva install`: tells Jupyter about this kernel.

mod folders;
mod spec;

pub use folders::{Location, runtime_folder};
pub use spec::{InstallOptions, install};
#[cfg(feature = "lab")]
pub(crate) use spec::{LOGOS, kernel_json};
