//! The history as one session sees it.

use super::fits;
use super::log::{Entry, KEPT, Line, Log};
use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;

/// Cells of all sessions, oldest first, and the number of this one. Where the file cannot be used, this session's
/// cells are kept in memory.
pub struct History {
    log: Option<Log>,
    entries: VecDeque<Entry>,
    session: Option<i64>,
}

impl History {
    /// The user's history. Nothing is read or written until it is asked for.
    pub fn of_user() -> Self {
        Self::at(folder().map(|folder| folder.join("history.jsonl")))
    }

    /// The history in a file; `None` is one in memory.
    pub fn at(path: Option<PathBuf>) -> Self {
        Self { log: path.map(Log::new), entries: VecDeque::new(), session: None }
    }

    /// Adds a cell of this session.
    pub fn push(&mut self, line: u32, input: &str, output: Option<&str>) {
        self.extend(&[Line { line: i64::from(line), input, output }]);
    }

    /// Adds cells of this session.
    pub fn extend(&mut self, cells: &[Line<'_>]) {
        if cells.is_empty() {
            return;
        }
        if let Some(log) = &mut self.log {
            match log.append(self.session, cells) {
                Ok(session) => {
                    self.session = Some(session);
                    return;
                }
                // What was read stays; from here on this session is in memory.
                Err(_) => self.log = None,
            }
        }
        let session = *self.session.get_or_insert_with(|| self.entries.back().map_or(0, |e| e.session) + 1);
        self.entries.extend(cells.iter().map(|cell| Entry {
            session,
            line: cell.line,
            input: cell.input.to_owned(),
            output: cell.output.map(str::to_owned),
        }));
        self.trim();
    }

    /// Every cell, oldest first, those of other sessions included.
    pub fn all(&mut self) -> &VecDeque<Entry> {
        if let Some(Ok((news, afresh))) = self.log.as_mut().map(Log::news) {
            if afresh {
                self.entries.clear();
            }
            self.entries.extend(news);
            self.trim();
        }
        &self.entries
    }

    /// The last `n` cells; all without `n`.
    pub fn tail(&mut self, n: Option<usize>) -> Vec<Entry> {
        last(self.all().iter().cloned().collect(), n)
    }

    /// Lines `start..stop` of a session: 0 is this one, -1 the one before it, 7 the one of that number.
    pub fn range(&mut self, session: i64, start: i64, stop: i64) -> Vec<Entry> {
        let own = self.session;
        let all = self.all();
        let session = if session > 0 {
            session
        } else {
            // A session that has run nothing yet will have the next number.
            own.unwrap_or_else(|| all.iter().map(|e| e.session).max().unwrap_or(0) + 1) + session
        };
        all.iter().filter(|e| e.session == session && (start..stop).contains(&e.line)).cloned().collect()
    }

    /// The last `n` cells that fit a pattern with `*` and `?`; with `unique` each text once, where it came last.
    pub fn search(&mut self, pattern: &str, n: Option<usize>, unique: bool) -> Vec<Entry> {
        let mut found: Vec<Entry> = self.all().iter().filter(|e| fits(pattern, &e.input)).cloned().collect();
        if unique {
            let mut seen = HashSet::new();
            found.reverse();
            found.retain(|entry| seen.insert(entry.input.clone()));
            found.reverse();
        }
        last(found, n)
    }

    fn trim(&mut self) {
        let over = self.entries.len().saturating_sub(KEPT);
        self.entries.drain(..over);
    }
}

fn last(mut entries: Vec<Entry>, n: Option<usize>) -> Vec<Entry> {
    entries.split_off(entries.len().saturating_sub(n.unwrap_or(entries.len())))
}

/// `$XDG_DATA_HOME/minerva`, or where that lies by default.
pub fn folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")))?;
    Some(data.join("minerva"))
}
