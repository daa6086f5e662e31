//! Enter runs a whole cell and breaks the line in an open one.

use super::talk::{Shared, lock};
use crate::session::Completeness;
use reedline::{ValidationResult, Validator};

/// Asks the session.
pub struct CellValidator(pub Shared);

impl Validator for CellValidator {
    fn validate(&self, text: &str) -> ValidationResult {
        match lock(&self.0).is_complete(text) {
            Completeness::Incomplete { .. } => ValidationResult::Incomplete,
            _ => ValidationResult::Complete,
        }
    }
}
