//! What stands in for Rust cells in a build without them.

use super::Split;
use super::completions::Completions;
use crate::display::Bundle;
use crate::script::Host;
use crate::script::names::Names;
use crate::session::{CellError, Variables};

/// The Rust cells of a session that cannot run any.
#[derive(Clone, Default)]
pub struct RustCells(());

/// What a Rust cell gave.
pub struct Given {
    /// The value of its last expression.
    pub shown: Option<Bundle>,
    /// The functions it defined, for the language.
    pub functions: Option<rhai::Module>,
}

/// Token of a termination by an interrupt that cost something: what to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interrupted(pub String);

/// Nothing to become.
pub fn hook() {}

impl RustCells {
    /// Changes nothing.
    pub fn set_program(&self, _: std::path::PathBuf) {}

    /// Says that this build has no Rust cells.
    ///
    /// # Errors
    /// Always.
    pub fn run<'a>(
        &self,
        _: &str,
        _: &Split<'_>,
        _: &Variables,
        _: &Host,
        _: &dyn Fn() -> &'a Names,
    ) -> Result<Given, CellError> {
        let help = "help: build Minerva with the feature `rust-cells`, which is on by default";
        Err(CellError::plain("UnsupportedError", format!("this build of Minerva has no Rust cells\n{help}")))
    }

    /// Has none to end.
    pub fn end(&self) {}

    /// Knows none.
    pub fn complete(&self, _: &str, _: usize) -> Option<Completions> {
        None
    }
}
