//! The cells that this kernel has run, for `history_request`.

use super::wire::Request;
use serde_json::{Value, json};
use std::collections::{HashSet, VecDeque};

/// Kept in memory; the oldest go first.
const LIMIT: usize = 10_000;

/// What this kernel calls its own session in replies; there is no other.
const SESSION: i64 = 1;

struct Entry {
    line: u32,
    input: String,
    output: Option<String>,
}

/// Inputs and the text of their results.
#[derive(Default)]
pub struct History {
    entries: VecDeque<Entry>,
}

impl History {
    /// Adds the cell numbered `line`.
    pub fn push(&mut self, line: u32, input: &str, output: Option<String>) {
        if self.entries.len() == LIMIT {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { line, input: input.to_owned(), output });
    }

    /// The content of a `history_reply`.
    pub fn reply(&self, request: &Request) -> Value {
        let n = request.number("n").and_then(|n| usize::try_from(n).ok());
        let found = match request.text("hist_access_type") {
            "range" => self.range(request),
            "search" => self.search(request.text("pattern"), n, request.flag("unique", false)),
            _ => tail(self.entries.iter().collect(), n),
        };
        let output = request.flag("output", false);
        let item = |entry: &&Entry| {
            if output {
                json!([SESSION, entry.line, [entry.input, entry.output]])
            } else {
                json!([SESSION, entry.line, entry.input])
            }
        };
        json!({ "status": "ok", "history": found.iter().map(item).collect::<Vec<_>>() })
    }

    /// Lines `start..stop` of a session: 0 is the running one, and so is ours by its number.
    fn range(&self, request: &Request) -> Vec<&Entry> {
        if !matches!(request.number("session").unwrap_or(0), 0 | SESSION) {
            return Vec::new();
        }
        let start = request.number("start").unwrap_or(0);
        let stop = request.number("stop").unwrap_or(i64::MAX);
        self.entries.iter().filter(|entry| (start..stop).contains(&i64::from(entry.line))).collect()
    }

    fn search(&self, pattern: &str, n: Option<usize>, unique: bool) -> Vec<&Entry> {
        let pattern: Vec<char> = pattern.chars().collect();
        let fits = |entry: &&Entry| glob(&pattern, &entry.input.chars().collect::<Vec<_>>());
        let mut found: Vec<&Entry> = self.entries.iter().filter(fits).collect();
        if unique {
            let mut seen = HashSet::new();
            found.reverse();
            found.retain(|entry| seen.insert(&entry.input));
            found.reverse();
        }
        tail(found, n)
    }
}

fn tail(mut entries: Vec<&Entry>, n: Option<usize>) -> Vec<&Entry> {
    entries.split_off(entries.len().saturating_sub(n.unwrap_or(entries.len())))
}

/// Whether `text` fits a pattern with `*` and `?`, as the history of IPython understands them. Linear in the text for
/// each star: after a mismatch only the last star can take one character more.
fn glob(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(q) if *q == '?' || q == c => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, t) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|c| *c == '*'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::sync::Arc;

    fn ask(history: &History, content: Value) -> Value {
        let content = content.as_object().unwrap().clone();
        let request = Request { identities: vec![], header: Arc::default(), content };
        history.reply(&request)["history"].take()
    }

    fn sample() -> History {
        let mut history = History::default();
        for (line, input) in [(1, "let a = 1"), (2, "a + 1"), (3, "let b = 2"), (4, "a + 1")] {
            history.push(line, input, (line == 2).then(|| "2".to_owned()));
        }
        history
    }

    #[test]
    fn tail_range_and_search() {
        let history = sample();
        assert_eq!(
            ask(&history, json!({"hist_access_type": "tail", "n": 2})),
            json!([[1, 3, "let b = 2"], [1, 4, "a + 1"]])
        );
        assert_eq!(
            ask(&history, json!({"hist_access_type": "range", "session": 0, "start": 2, "stop": 3, "output": true})),
            json!([[1, 2, ["a + 1", "2"]]])
        );
        assert_eq!(ask(&history, json!({"hist_access_type": "range", "session": 7, "start": 1})), json!([]));
        assert_eq!(
            ask(&history, json!({"hist_access_type": "search", "pattern": "a*1", "unique": true})),
            json!([[1, 4, "a + 1"]])
        );
        assert_eq!(
            ask(&history, json!({"hist_access_type": "search", "pattern": "*b*", "n": 5})),
            json!([[1, 3, "let b = 2"]])
        );
    }

    #[test]
    fn globs() {
        let fits = |p: &str, t: &str| glob(&p.chars().collect::<Vec<_>>(), &t.chars().collect::<Vec<_>>());
        assert!(fits("", "") && fits("*", "") && fits("a*b*c", "a--b--b-c") && fits("?é", "xé"));
        assert!(!fits("", "a") && !fits("a*b", "a") && !fits("?", ""));
    }
}
