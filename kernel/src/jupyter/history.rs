//! `history_request`, answered from the history that all sessions of the user share, and a thread that writes it: no cell
//! waits for a disk.

use super::wire::Request;
use crate::history::{Entry, History, Line};
use serde_json::{Value, json};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long cells are gathered before they are written.
const GATHER: Duration = Duration::from_millis(200);

/// Takes note of what was run.
pub struct Recorder {
    past: Arc<Past>,
    /// Wakes the thread that writes; it ends when this is dropped.
    wake: Sender<()>,
}

struct Past {
    history: Mutex<History>,
    unwritten: Mutex<Vec<Ran>>,
}

/// A cell that has run.
struct Ran {
    line: u32,
    input: String,
    output: Option<String>,
}

impl Past {
    /// The history with everything in it. Taking its lock first keeps the order.
    fn written(&self) -> MutexGuard<'_, History> {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let unwritten = std::mem::take(&mut *self.unwritten.lock().unwrap_or_else(PoisonError::into_inner));
        let cells: Vec<Line<'_>> = unwritten
            .iter()
            .map(|ran| Line { line: i64::from(ran.line), input: &ran.input, output: ran.output.as_deref() })
            .collect();
        history.extend(&cells);
        history
    }
}

impl Recorder {
    /// Records in `history`.
    pub fn new(history: History) -> Self {
        let past = Arc::new(Past { history: Mutex::new(history), unwritten: Mutex::default() });
        let (wake, woken) = channel::<()>();
        let writer = Arc::clone(&past);
        // Without the thread everything is written when it is asked for, or at the end.
        let _ = std::thread::Builder::new().name("history".into()).spawn(move || {
            while woken.recv().is_ok() {
                // Cells in quick succession are written together.
                std::thread::sleep(GATHER);
                while woken.try_recv().is_ok() {}
                drop(writer.written());
            }
        });
        Self { past, wake }
    }

    /// The cell numbered `line` has run.
    pub fn remember(&self, line: u32, input: &str, output: Option<&str>) {
        let ran = Ran { line, input: input.to_owned(), output: output.map(str::to_owned) };
        self.past.unwritten.lock().unwrap_or_else(PoisonError::into_inner).push(ran);
        let _ = self.wake.send(());
    }

    /// The content of a `history_reply`.
    pub fn reply(&self, request: &Request) -> Value {
        reply(&mut self.past.written(), request)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        drop(self.past.written());
    }
}

/// Input is kept as it was typed, so that raw or not makes no difference.
fn reply(history: &mut History, request: &Request) -> Value {
    let n = request.number("n").and_then(|n| usize::try_from(n).ok());
    let found = match request.text("hist_access_type") {
        "range" => {
            let (session, start) = (request.number("session").unwrap_or(0), request.number("start").unwrap_or(0));
            history.range(session, start, request.number("stop").unwrap_or(i64::MAX))
        }
        "search" => {
            let pattern = request.content.get("pattern").and_then(Value::as_str).unwrap_or("*");
            history.search(pattern, n, request.flag("unique", false))
        }
        _ => history.tail(n),
    };
    let output = request.flag("output", false);
    let item = |entry: &Entry| {
        if output {
            json!([entry.session, entry.line, [entry.input, entry.output]])
        } else {
            json!([entry.session, entry.line, entry.input])
        }
    };
    json!({ "status": "ok", "history": found.iter().map(item).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::jupyter::wire::Object;
    use std::sync::Arc;

    #[test]
    fn tail_range_and_search() {
        let mut history = History::at(None);
        for (line, input) in [(1, "let a = 1"), (2, "a + 1"), (3, "let b = 2"), (4, "a + 1")] {
            history.push(line, input, (line == 2).then_some("2"));
        }
        let mut ask = |content: Value| {
            let content = content.as_object().unwrap().clone();
            let request = Request { identities: vec![], header: Arc::default(), parent: Object::new(), content };
            reply(&mut history, &request)["history"].take()
        };
        assert_eq!(ask(json!({"hist_access_type": "tail", "n": 2})), json!([[1, 3, "let b = 2"], [1, 4, "a + 1"]]));
        assert_eq!(
            ask(json!({"hist_access_type": "range", "session": 0, "start": 2, "stop": 3, "output": true})),
            json!([[1, 2, ["a + 1", "2"]]])
        );
        assert_eq!(ask(json!({"hist_access_type": "range", "session": 7, "start": 1})), json!([]));
        assert_eq!(
            ask(json!({"hist_access_type": "search", "pattern": "a*1", "unique": true})),
            json!([[1, 4, "a + 1"]])
        );
        assert_eq!(ask(json!({"hist_access_type": "search", "pattern": "*b*", "n": 5})), json!([[1, 3, "let b = 2"]]));
    }
}
