//! What running code reports, until a front end decides what it looks like.

use crate::display::Bundle;

/// What a running cell reports, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionEvent {
    /// Text for stdout, line ends included.
    Stdout(String),
    /// Text for stderr, line ends included.
    Stderr(String),
    /// A value to show now.
    Display {
        /// The value.
        bundle: Bundle,
        /// A name under which a later event can replace it.
        display_id: Option<String>,
        /// Whether this replaces what was shown under `display_id`.
        update: bool,
    },
    /// Work that has a length.
    Progress {
        /// What is being done, for a person. One label is one bar.
        label: String,
        /// Units finished.
        done: u64,
        /// Units in all; 0 where that is not known. `done == total` ends the bar.
        total: u64,
        /// `B` for bytes, or a plural noun.
        unit: String,
    },
    /// What the cell has shown so far is to be cleared.
    ClearOutput {
        /// Only when the next output arrives, so that nothing flickers.
        wait: bool,
    },
    /// Something to know that stops nothing.
    Warning(String),
}
