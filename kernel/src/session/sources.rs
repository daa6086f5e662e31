//! The texts of the cells that ran, for errors that point into one of them.

use std::collections::HashMap;

/// Cell texts by name.
#[derive(Debug, Clone, Default)]
pub struct Sources(HashMap<String, String>);

impl Sources {
    /// Remembers the text of a cell.
    pub fn add(&mut self, name: &str, code: &str) {
        self.0.insert(name.to_owned(), code.to_owned());
    }

    /// A line of a cell, counted from 1.
    pub fn line(&self, name: &str, line: usize) -> Option<&str> {
        self.0.get(name)?.lines().nth(line.checked_sub(1)?)
    }
}
