//! How wide text may be.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Columns of a line of text where nobody says otherwise.
pub const WIDTH: usize = 80;

static COLUMNS: AtomicUsize = AtomicUsize::new(WIDTH);

/// The columns that values are laid out for.
pub fn width() -> usize {
    COLUMNS.load(Ordering::Relaxed)
}

/// Lays values out for a terminal of this many columns from now on; a program has one terminal.
pub fn set_width(columns: usize) {
    COLUMNS.store(columns.clamp(40, 240), Ordering::Relaxed);
}
