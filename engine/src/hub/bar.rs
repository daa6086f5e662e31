//! The one progress bar of a download.

use crate::control::Control;
use std::time::{Duration, Instant};

/// A bar moves no more often than this.
const EVERY: Duration = Duration::from_millis(50);

/// Bytes of all files of a load, counted file after file.
pub(super) struct Bar<'a> {
    control: &'a Control,
    label: String,
    /// 0 where the server did not say how large the files are.
    total: u64,
    /// Bytes of the files that are there.
    finished: u64,
    /// Bytes of the file that is coming.
    current: u64,
    told: Option<Instant>,
    shown: bool,
}

impl<'a> Bar<'a> {
    pub(super) fn new(control: &'a Control, label: String, total: u64) -> Self {
        Self { control, label, total, finished: 0, current: 0, told: None, shown: true }
    }

    /// Counts and shows nothing.
    pub(super) fn hidden(control: &'a Control) -> Self {
        Self { shown: false, ..Self::new(control, String::new(), 0) }
    }

    /// So much of the current file is there; less than before when it has to begin anew.
    pub(super) fn at(&mut self, bytes: u64) {
        self.current = bytes;
        let done = self.finished + self.current;
        let due = self.told.is_none_or(|t| t.elapsed() >= EVERY);
        if self.shown && due && (self.total == 0 || done < self.total) {
            self.told = Some(Instant::now());
            self.control.progress(&self.label, done, self.total, "B");
        }
    }

    /// The current file is there, with so many bytes.
    pub(super) fn file_done(&mut self, bytes: u64) {
        self.at(bytes);
        self.finished += bytes;
        self.current = 0;
    }

    /// Everything is there.
    pub(super) fn finish(&self) {
        let total = if self.total == 0 { self.finished } else { self.total };
        self.control.progress(&self.label, total, total, "B");
    }
}
