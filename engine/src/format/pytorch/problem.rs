//! What is wrong with a checkpoint, before the path is known.

use crate::error::Error;
use std::path::Path;

/// The bytes contradict themselves or end early.
pub(super) const DAMAGED: &str = "the file is damaged or was not downloaded whole; download it again and compare its size and checksum with the source's";
/// It holds more than tensors with names.
pub(super) const STATE_DICT: &str = "only the names, types and shapes of tensors are read, and no program in a file is ever run; where the file came from, save the weights alone: torch.save(model.state_dict(), \"x.pth\"), or convert it to safetensors";

/// What was expected and found, and what to do.
#[derive(Debug)]
pub(super) struct Problem {
    what: String,
    help: &'static str,
}

impl Problem {
    /// A problem that the advice solves.
    pub(super) fn new(what: impl Into<String>, help: &'static str) -> Self {
        Self { what: what.into(), help }
    }

    /// Damage.
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::new(what, DAMAGED)
    }

    /// The error for the file at `path`.
    pub(super) fn at(self, path: &Path) -> Error {
        Error::format(path, self.what).with_help(self.help)
    }
}

/// The result of reading a part of a checkpoint.
pub(super) type Result<T> = std::result::Result<T, Problem>;
