//! What was typed before, kept in the user's data folder.

use reedline::{FileBackedHistory, History};
use std::path::PathBuf;

/// Cells remembered.
const CELLS: usize = 10_000;

/// The history in its file, or in memory where the file cannot be used.
pub fn history() -> Option<Box<dyn History>> {
    let on_disk = folder().and_then(|f| FileBackedHistory::with_file(CELLS, f.join("history.txt")).ok());
    on_disk.or_else(|| FileBackedHistory::new(CELLS).ok()).map(|h| Box::new(h) as Box<dyn History>)
}

/// `$XDG_DATA_HOME/minerva`, or where that lies by default.
fn folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")))?;
    Some(data.join("minerva"))
}
