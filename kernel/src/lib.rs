//! The notebook kernel, script runner and REPL of Minerva: front ends over one language [`session`].
//!
//! Arrows run one way: front ends -> [`session`] -> [`script`] -> `minerva_engine`. A value on its way out becomes a
//! MIME bundle in [`display`].

pub mod cli;
pub mod display;
pub mod docs;
pub mod history;
pub mod jupyter;
#[cfg(feature = "lab")]
pub mod lab;
pub mod panics;
pub mod repl;
pub mod run;
pub mod rust_cells;
pub mod script;
pub mod session;
pub mod terminal;
