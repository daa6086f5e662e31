//! The history as one session sees it.

use super::fits;
use super::log::{Entry, KEPT, Line, Log};
use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;

/// Cells of all sessions, oldest first, and the number of this one. Cells of this session that the file does not take
/// are kept in memory, and tried again with the next one.
pub struct History {
    log: Option<Log>,
    /// What the file holds.
    entries: VecDeque<Entry>,
    /// Cells of this session that are not in the file.
    unwritten: VecDeque<Entry>,
    /// The number that the file knows this session by.
    session: Option<i64>,
}

impl History {
    /// The user's history. Nothing is read or written until it is asked for.
    pub fn of_user() -> Self {
        Self::at(folder().map(|folder| folder.join("history.jsonl")))
    }

    /// The history in a file; `None` is one in memory.
    pub fn at(path: Option<PathBuf>) -> Self {
        Self { log: path.map(Log::new), entries: VecDeque::new(), unwritten: VecDeque::new(), session: None }
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
        self.unwritten.extend(cells.iter().map(|cell| Entry {
            session: self.session.unwrap_or(0),
            line: cell.line,
            input: cell.input.to_owned(),
            output: cell.output.map(str::to_owned),
        }));
        if !self.write() {
            self.trim();
            self.number();
        }
    }

    /// Writes what is not written; false where that is not possible now.
    fn write(&mut self) -> bool {
        let Some(log) = &mut self.log else { return false };
        let entries = self.unwritten.iter();
        let new: Vec<Line<'_>> =
            entries.map(|e| Line { line: e.line, input: &e.input, output: e.output.as_deref() }).collect();
        let Ok(session) = log.append(self.session, &new) else { return false };
        self.session = Some(session);
        self.unwritten.clear();
        true
    }

    /// Gives the cells of a session that has no number in the file yet the one that is free there.
    fn number(&mut self) {
        if self.session.is_none() {
            self.read();
            let free = self.entries.iter().map(|e| e.session).max().unwrap_or(0) + 1;
            self.unwritten.iter_mut().for_each(|e| e.session = free);
        }
    }

    /// Takes in what the file has that is new.
    fn read(&mut self) {
        if let Some(Ok((news, afresh))) = self.log.as_mut().map(Log::news) {
            if afresh {
                self.entries.clear();
            }
            self.entries.extend(news);
            self.trim();
        }
    }

    /// Every cell, oldest first, those of other sessions included.
    fn all(&mut self) -> Vec<&Entry> {
        self.read();
        self.entries.iter().chain(&self.unwritten).collect()
    }

    /// The last `n` cells; all without `n`.
    pub fn tail(&mut self, n: Option<usize>) -> Vec<Entry> {
        last(self.all().into_iter().cloned().collect(), n)
    }

    /// Lines `start..stop` of a session: 0 is this one, -1 the one before it, 7 the one of that number.
    pub fn range(&mut self, session: i64, start: i64, stop: i64) -> Vec<Entry> {
        let own = self.session.or(self.unwritten.back().map(|e| e.session));
        let all = self.all();
        let session = if session > 0 {
            session
        } else {
            // A session that has run nothing yet will have the next number.
            own.unwrap_or_else(|| all.iter().map(|e| e.session).max().unwrap_or(0) + 1) + session
        };
        let asked = all.into_iter().filter(|e| e.session == session && (start..stop).contains(&e.line));
        asked.cloned().collect()
    }

    /// The last `n` cells that fit a pattern with `*` and `?`; with `unique` each text once, where it came last.
    pub fn search(&mut self, pattern: &str, n: Option<usize>, unique: bool) -> Vec<Entry> {
        let mut found: Vec<Entry> = self.all().into_iter().filter(|e| fits(pattern, &e.input)).cloned().collect();
        if unique {
            let mut seen = HashSet::new();
            found.reverse();
            found.retain(|entry| seen.insert(entry.input.clone()));
            found.reverse();
        }
        last(found, n)
    }

    fn trim(&mut self) {
        for entries in [&mut self.entries, &mut self.unwritten] {
            let over = entries.len().saturating_sub(KEPT);
            entries.drain(..over);
        }
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
