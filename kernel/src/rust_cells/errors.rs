//! Failures of Rust cells as errors of the session: message, source line, caret, what to do.

use super::Split;
use super::options::{Options, Wanted, Wrong};
use super::protocol::{Diagnostic, Failure, Panic};
use crate::script::error::{INTERRUPTED, raise_text};
use crate::session::{CellError, Frame};
use rhai::{EvalAltResult, Position};

/// Texts of the cells that ran, newest last.
#[derive(Debug, Default)]
pub struct Sources(Vec<(String, String)>);

/// Cells that are remembered.
const MOST_SOURCES: usize = 1000;
/// Errors of one cell that are shown.
const MOST_ERRORS: usize = 4;

impl Sources {
    /// Remembers a cell.
    pub fn add(&mut self, name: &str, code: &Split<'_>) {
        let text = format!("{}{}\n{}", "\n".repeat(code.before), code.line, code.body);
        self.0.retain(|(known, _)| known != name);
        if self.0.len() == MOST_SOURCES {
            self.0.remove(0);
        }
        self.0.push((name.to_owned(), text));
    }

    /// The place of a line that panicked. evcxr tells its text and not where it comes from, which the newest cell with such
    /// a line settles.
    fn frame(&self, panic: &Panic) -> Option<Frame> {
        // In the text that ran each statement has a line of its own, and something of ours may stand before it.
        const FLUSH: &str = "minerva::flush(); ";
        let shown = panic.source.replace(FLUSH, "");
        let wanted = shown.trim();
        if wanted.is_empty() {
            return None;
        }
        let find = |fits: &dyn Fn(&str) -> bool| {
            let newest = self.0.iter().rev();
            newest
                .flat_map(|(name, text)| text.lines().enumerate().map(move |(n, l)| (name, n, l)))
                .find(|(_, _, l)| fits(l))
        };
        let (cell, n, line) = find(&|l| l.trim() == wanted).or_else(|| find(&|l| l.contains(wanted)))?;
        let before = |text: &str| line.get(..line.find(text)?).map(|s| s.chars().count());
        let indent = panic.source.chars().take_while(|c| c.is_whitespace()).count();
        let ours = if panic.source.contains(FLUSH) { FLUSH.len() } else { 0 };
        let column = before(wanted)? + panic.column.saturating_sub(indent + ours).max(1);
        let source = Some(line.to_owned());
        Some(Frame { cell: cell.clone(), line: n + 1, column, width: 1, source, note: String::new() })
    }
}

/// An error in the first line.
pub fn option(name: &str, code: &Split<'_>, wrong: &Wrong) -> CellError {
    CellError::new("ArgumentError", &wrong.text, vec![first_line(name, code, wrong.column, wrong.width)])
}

/// An error about one `--in` or `--out`.
pub fn wanted(name: &str, code: &Split<'_>, wanted: Option<&Wanted>, kind: &str, text: &str) -> CellError {
    let (column, width) = wanted.map_or((1, 1), |w| (w.column, w.name.chars().count()));
    CellError::new(kind, text, vec![first_line(name, code, column, width)])
}

fn first_line(name: &str, code: &Split<'_>, column: usize, width: usize) -> Frame {
    let source = Some(code.line.to_owned());
    Frame { cell: name.to_owned(), line: code.before + 1, column, width, source, note: String::new() }
}

/// A cell's failure.
pub fn of_cell(failure: &Failure, name: &str, code: &Split<'_>, options: &Options, sources: &Sources) -> CellError {
    match failure {
        Failure::Compile(errors) => compile(errors, name, code, options),
        Failure::Panic(panic) => {
            if let Some(wanted) = about_option(&panic.message, options) {
                return self::wanted(name, code, Some(wanted), "ArgumentError", &panic.message);
            }
            let lost = match panic.lost.as_slice() {
                [] => "variables of earlier Rust cells are as they were".to_owned(),
                names => format!(
                    "not defined, because of it: {}; variables of earlier Rust cells are kept",
                    names.join(", ")
                ),
            };
            let text = format!("{}\nhelp: {lost}", panic.message);
            CellError::new("RustPanic", &text, sources.frame(panic).into_iter().collect())
        }
        Failure::Error(text) => {
            let text = if text.is_empty() { "`?` ended the cell" } else { text.as_str() };
            CellError::plain("RustError", format!("{text}\nhelp: variables that the cell defined are not kept"))
        }
        other => {
            let (kind, text) = process(other);
            CellError::plain(kind, text)
        }
    }
}

/// The `--in` or `--out` whose value does not fit its type: the prelude panics with its name in front.
fn about_option<'a>(message: &str, options: &'a Options) -> Option<&'a Wanted> {
    let (rest, list) = match message.strip_prefix("--in ") {
        Some(rest) => (rest, &options.inputs),
        None => (message.strip_prefix("--out ")?, &options.outputs),
    };
    let (name, _) = rest.split_once(':')?;
    list.iter().find(|w| w.name == name)
}

/// A call's failure, as the script sees it.
pub fn of_call(failure: &Failure, name: &str, sources: &Sources) -> Box<EvalAltResult> {
    match failure {
        Failure::Error(text) => raise_text("RustError", text.clone()),
        Failure::Other(text) => raise_text("RustError", text.clone()),
        Failure::Panic(panic) => {
            let place = sources.frame(panic).map_or(String::new(), |f| format!(" ({}:{})", f.cell, f.line));
            raise_text("RustPanic", format!("`{name}` panicked: {}{place}", panic.message))
        }
        // An interrupt ends the script; what it took along is told as its token.
        Failure::Interrupted { .. } | Failure::Stopped => {
            let token = Interrupted(process(failure).1);
            let plain = matches!(failure, Failure::Interrupted { variables_lost: false });
            let token = if plain { INTERRUPTED.into() } else { rhai::Dynamic::from(token) };
            Box::new(EvalAltResult::ErrorTerminated(token, Position::NONE))
        }
        other => {
            let (kind, text) = process(other);
            raise_text(kind, text)
        }
    }
}

/// Token of a termination by an interrupt that cost something: what to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interrupted(pub String);

/// What is to be said of the process, where that is what failed.
fn process(failure: &Failure) -> (&'static str, String) {
    const GONE: &str = "all Rust variables, functions and types are gone; run the Rust cells that define them again";
    const VARIABLES: &str = "the Rust variables are gone; functions, types and dependencies are kept";
    match failure {
        Failure::Interrupted { variables_lost: false } => {
            ("Interrupted", "stopped on request while compiling; Rust variables are as they were".into())
        }
        Failure::Interrupted { variables_lost: true } => {
            ("Interrupted", format!("stopped on request\nhelp: {VARIABLES}"))
        }
        Failure::Stopped => ("Interrupted", format!("stopped on request\nhelp: {GONE}")),
        Failure::Died(text) => ("RustProcessDied", format!("{}\nhelp: {VARIABLES}", plain_end(text))),
        Failure::Ended(text) => {
            let text = if text.is_empty() { "the process that ran the Rust cells ended" } else { text.as_str() };
            ("RustProcessDied", format!("{text}\nhelp: {GONE}"))
        }
        Failure::Other(text) | Failure::Error(text) => ("RustError", text.clone()),
        Failure::Panic(panic) => ("RustPanic", panic.message.clone()),
        Failure::Compile(errors) => ("CompileError", errors.first().map_or(String::new(), |e| e.message.clone())),
    }
}

/// evcxr's words for the end of its child, in ours.
fn plain_end(text: &str) -> String {
    text.replace("Subprocess terminated with status", "the Rust code ended its process").trim().to_owned()
}

fn compile(errors: &[Diagnostic], name: &str, code: &Split<'_>, options: &Options) -> CellError {
    let mut frames = Vec::new();
    let mut help: Vec<String> = Vec::new();
    let mut first = String::new();
    for (n, error) in errors.iter().take(MOST_ERRORS).enumerate() {
        let coded = if error.code.is_empty() { String::new() } else { format!("{}: ", error.code) };
        let primary = error.places.first();
        let label = primary.map_or("", |p| p.label.as_str());
        let label =
            if label.is_empty() || error.message.contains(label) { String::new() } else { format!(": {label}") };
        let said = format!("{coded}{}{label}", error.message);
        if n == 0 {
            first.clone_from(&said);
        }
        let note = |text: String| if n == 0 { String::new() } else { text };
        let wanted = error
            .option
            .as_ref()
            .and_then(|name| options.outputs.iter().chain(&options.inputs).find(|w| w.name == *name));
        match (primary, wanted) {
            (Some(place), _) => {
                frames.push(frame(name, code, place.line, place.column, place.width, note(said)));
                let others = if n == 0 { 2 } else { 0 };
                let labelled = error.places.iter().skip(1).filter(|p| !p.label.is_empty()).take(others);
                frames.extend(labelled.map(|p| frame(name, code, p.line, p.column, p.width, p.label.clone())));
            }
            (None, Some(w)) => {
                let mut at = first_line(name, code, w.column, w.name.chars().count());
                at.note = note(said);
                frames.push(at);
            }
            (None, None) => {}
        }
        help.extend(error.help.iter().map(|h| format!("help: {h}")));
    }
    if errors.len() > MOST_ERRORS {
        help.push(format!("help: and {} more errors", errors.len() - MOST_ERRORS));
    }
    help.dedup();
    let lines: Vec<String> = std::iter::once(first).chain(help).collect();
    CellError::new("CompileError", &lines.join("\n"), frames)
}

fn frame(name: &str, code: &Split<'_>, line: usize, column: usize, width: usize, note: String) -> Frame {
    let source = line.checked_sub(1).and_then(|n| code.body.lines().nth(n)).map(str::to_owned);
    let left = source.as_ref().map_or(1, |s| (s.chars().count() + 1).saturating_sub(column).max(1));
    Frame { cell: name.to_owned(), line: code.before + 1 + line, column, width: width.min(left), source, note }
}
