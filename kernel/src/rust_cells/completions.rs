//! The names that can stand at the cursor of a Rust cell, as they travel.

use serde::{Deserialize, Serialize};

/// The names that can stand at the cursor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Completions {
    /// Where the replaced text starts, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
    /// Text, kind and label of each.
    pub matches: Vec<(String, String, String)>,
}
