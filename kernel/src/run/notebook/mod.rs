//! `minerva run FILE.ipynb`: a notebook executed without a browser, by the session that the kernel uses.

mod execute;
mod file;
mod outputs;
mod running;
mod text;

pub use execute::{NotebookOptions, Watch, nobody, run};
pub use file::Notebook;
#[cfg(feature = "lab")]
pub(crate) use file::{insert, joined, lines};
pub use text::Style;
