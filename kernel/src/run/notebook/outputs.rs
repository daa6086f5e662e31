//! The outputs of a notebook's cells, gathered from what the session reports.

use super::file::{lines, sorted};
use crate::display::Bundle;
use crate::session::{CellError, SessionEvent};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

enum Output {
    Stream { name: &'static str, text: String },
    Display { bundle: Bundle, id: Option<String> },
    Result { bundle: Bundle, count: u32 },
    Error { ename: String, evalue: String, traceback: Vec<String> },
}

/// What each executed cell has shown so far. All cells are kept, since a later cell may update an earlier display.
#[derive(Default)]
pub struct Outputs {
    cells: Vec<Vec<Output>>,
    /// The running cell asked that its outputs be cleared when the next one arrives.
    clear: bool,
}

impl Outputs {
    /// From here on, events belong to a new cell. Returns its number.
    pub fn begin(&mut self) -> usize {
        self.clear = false;
        self.cells.push(Vec::new());
        self.cells.len() - 1
    }

    /// Takes an event of the running cell. Progress is for whoever watches and is not kept.
    pub fn take(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Stdout(text) => self.stream("stdout", &text),
            SessionEvent::Stderr(text) => self.stream("stderr", &text),
            SessionEvent::Warning(text) => self.stream("stderr", &format!("warning: {text}\n")),
            SessionEvent::Display { bundle, display_id: Some(id), update: true } => self.update(&bundle, &id),
            SessionEvent::Display { bundle, display_id, .. } => {
                // As front ends do: what stands elsewhere under this name shows the new value too.
                if let Some(id) = &display_id {
                    self.update(&bundle, id);
                }
                self.push(Output::Display { bundle, id: display_id });
            }
            SessionEvent::ClearOutput { wait: true } => self.clear = true,
            SessionEvent::ClearOutput { wait: false } => {
                self.clear = false;
                self.cells.last_mut().map(Vec::clear);
            }
            SessionEvent::Progress { .. } => {}
        }
    }

    /// The value of the running cell.
    pub fn result(&mut self, bundle: Bundle, count: u32) {
        self.push(Output::Result { bundle, count });
    }

    /// The error that ended the running cell.
    pub fn error(&mut self, error: &CellError) {
        self.push(Output::Error {
            ename: error.ename.clone(),
            evalue: error.evalue.clone(),
            traceback: error.traceback.clone(),
        });
    }

    /// The outputs of cell `n` as the file holds them.
    pub fn to_json(&self, n: usize) -> Value {
        self.cells.get(n).map(|outputs| outputs.iter().map(Output::to_json).collect()).unwrap_or_else(|| json!([]))
    }

    fn push(&mut self, output: Output) {
        let Some(cell) = self.cells.last_mut() else { return };
        if std::mem::take(&mut self.clear) {
            cell.clear();
        }
        cell.push(output);
    }

    fn stream(&mut self, name: &'static str, text: &str) {
        match self.cells.last_mut().and_then(|cell| cell.last_mut()) {
            Some(Output::Stream { name: last, text: before }) if *last == name && !self.clear => before.push_str(text),
            _ => self.push(Output::Stream { name, text: text.to_owned() }),
        }
    }

    fn update(&mut self, new: &Bundle, wanted: &str) {
        for output in self.cells.iter_mut().flatten() {
            if let Output::Display { bundle, id: Some(id) } = output
                && id == wanted
            {
                bundle.clone_from(new);
            }
        }
    }
}

impl Output {
    fn to_json(&self) -> Value {
        match self {
            Self::Stream { name, text } => {
                json!({ "name": name, "output_type": "stream", "text": lines(&overwritten(text)) })
            }
            Self::Display { bundle, .. } => {
                let metadata = sorted(Value::Object(bundle.metadata.clone()));
                json!({ "data": data(bundle), "metadata": metadata, "output_type": "display_data" })
            }
            Self::Result { bundle, count } => json!({
                "data": data(bundle),
                "execution_count": count,
                "metadata": sorted(Value::Object(bundle.metadata.clone())),
                "output_type": "execute_result",
            }),
            Self::Error { ename, evalue, traceback } => {
                json!({ "ename": ename, "evalue": evalue, "output_type": "error", "traceback": traceback })
            }
        }
    }
}

/// Stream text as a front end keeps it: a carriage return goes back to the beginning of the line and what follows
/// overwrites it, a backspace takes a character away.
fn overwritten(text: &str) -> Cow<'_, str> {
    if !text.contains(['\r', '\u{8}']) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (mut kept, mut at): (Vec<char>, usize) = (Vec::new(), 0);
        for c in line.trim_end_matches('\n').chars() {
            match (c, kept.get_mut(at)) {
                ('\r', _) => at = 0,
                ('\u{8}', _) => {
                    at = at.saturating_sub(1);
                    if at < kept.len() {
                        kept.remove(at);
                    }
                }
                (c, Some(before)) => {
                    *before = c;
                    at += 1;
                }
                (c, None) => {
                    kept.push(c);
                    at += 1;
                }
            }
        }
        out.extend(kept);
        if line.ends_with('\n') {
            out.push('\n');
        }
    }
    out.into()
}

/// Text is held as lines; JSON and base64 as they are.
fn data(bundle: &Bundle) -> Value {
    let split = |mime: &str| mime.starts_with("text/") || mime == "application/javascript" || mime == "image/svg+xml";
    let fields: Map<String, Value> = bundle
        .data
        .iter()
        .map(|(mime, value)| match value {
            Value::String(text) if split(mime) => (mime.clone(), lines(text)),
            other => (mime.clone(), other.clone()),
        })
        .collect();
    sorted(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn shown(text: &str, id: Option<&str>, update: bool) -> SessionEvent {
        SessionEvent::Display { bundle: Bundle::text(text), display_id: id.map(str::to_owned), update }
    }

    #[test]
    fn streams_are_joined_and_a_later_cell_updates_an_earlier_display() {
        let mut outputs = Outputs::default();
        let first = outputs.begin();
        outputs.take(SessionEvent::Stdout("a".into()));
        outputs.take(SessionEvent::Stdout("b\nc".into()));
        outputs.take(SessionEvent::Stderr("e".into()));
        outputs.take(shown("before", Some("d"), false));
        let second = outputs.begin();
        outputs.take(shown("after", Some("d"), true));
        outputs.result(Bundle::html("<b>1</b>", "1"), 2);
        assert_eq!(
            outputs.to_json(first),
            json!([
                { "name": "stdout", "output_type": "stream", "text": ["ab\n", "c"] },
                { "name": "stderr", "output_type": "stream", "text": ["e"] },
                { "data": { "text/plain": ["after"] }, "metadata": {}, "output_type": "display_data" },
            ])
        );
        assert_eq!(
            outputs.to_json(second).to_string(),
            r#"[{"data":{"text/html":["<b>1</b>"],"text/plain":["1"]},"execution_count":2,"metadata":{},"output_type":"execute_result"}]"#
        );
    }

    #[test]
    fn clearing_with_wait_happens_when_the_next_output_arrives() {
        let mut outputs = Outputs::default();
        let cell = outputs.begin();
        outputs.take(SessionEvent::Stdout("old".into()));
        outputs.take(SessionEvent::ClearOutput { wait: true });
        assert_eq!(outputs.to_json(cell).as_array().unwrap().len(), 1, "nothing has come yet");
        outputs.take(SessionEvent::Stdout("new".into()));
        assert_eq!(outputs.to_json(cell)[0]["text"], json!(["new"]));
        outputs.take(SessionEvent::ClearOutput { wait: false });
        assert_eq!(outputs.to_json(cell), json!([]));
    }

    #[test]
    fn a_display_under_a_name_that_is_taken_shows_in_both_places() {
        let mut outputs = Outputs::default();
        let first = outputs.begin();
        outputs.take(shown("old", Some("d"), false));
        let second = outputs.begin();
        outputs.take(shown("new", Some("d"), false));
        for cell in [first, second] {
            assert_eq!(outputs.to_json(cell)[0]["data"]["text/plain"], json!(["new"]));
        }
    }

    #[test]
    fn carriage_returns_overwrite_and_partial_lines_join() {
        let mut outputs = Outputs::default();
        let cell = outputs.begin();
        for text in ["  5 %", "\r 50 %", "\r100 %\n", "ab", "cd\rX\r\n", "no\u{8}ew\r"] {
            outputs.take(SessionEvent::Stdout(text.into()));
        }
        assert_eq!(outputs.to_json(cell)[0]["text"], json!(["100 %\n", "Xbcd\n", "new"]));
    }
}
