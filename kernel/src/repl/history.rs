//! What was typed before, for the editor: a copy in memory of the history that kernels and REPLs share.

use crate::history::Entry;
use reedline::{FileBackedHistory, History, HistoryItem};

/// Cells the editor knows.
const CELLS: usize = 10_000;

/// The editor's history, filled with what any session ran. The editor adds to it what is typed; what was run goes to
/// the shared history by itself.
pub fn history(before: &[Entry]) -> Option<Box<dyn History>> {
    let mut history = FileBackedHistory::new(CELLS).ok()?;
    for entry in before {
        // An entry that the editor refuses, such as an empty one, is no loss.
        let _ = history.save(HistoryItem::from_command_line(&entry.input));
    }
    Some(Box::new(history))
}
