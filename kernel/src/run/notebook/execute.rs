//! Running the cells of a notebook, one after the other.

use super::file::{Notebook, joined};
use super::running::{Running, Shared, lock};
use super::text::{self, Style};
use crate::session::{Asking, CellError, Execute, NoAnswer, Outcome, Session, SessionEvent};
use crate::terminal::{Printer, Stop, complain};
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// What to run and where to write it.
pub struct NotebookOptions {
    /// The notebook.
    pub input: PathBuf,
    /// Where the executed notebook goes; `None`: over the input.
    pub output: Option<PathBuf>,
    /// How to print cells and results while they come; `None`: print nothing.
    pub watch: Option<Watch>,
    /// Signals: no cell begins after one, and what is there is written also where a cell does not let go.
    pub stop: Stop,
}

/// Somebody reads along.
pub struct Watch {
    /// Shows what running cells report, as it comes: text, displays, progress.
    pub printer: Printer,
    /// With colour or without.
    pub style: Style,
}

/// Executes a notebook in `session` and writes it, outputs and all. At the first cell that fails, or when a signal comes,
/// what has run so far is written and the error is returned; later cells keep what they showed before. Returns the exit
/// code: 0, or what `exit(code)` in a cell says, after which no other runs.
///
/// Cells tagged `raises-exception` may fail and those tagged `skip-execution` are not run, as in `nbclient`.
///
/// # Errors
/// What could not be read or written, or the error of the failing cell, as a person should see it.
pub fn run(session: &mut Session, options: &NotebookOptions) -> Result<i32, String> {
    let notebook = Notebook::read(&options.input)?;
    if let Some(language) = notebook.language().filter(|l| !l.eq_ignore_ascii_case("rhai")) {
        return Err(format!(
            "{}: this notebook is written in {language}; Minerva runs Rhai\n\
             help: if its cells are Rhai, set metadata.kernelspec.language to \"rhai\" in the file",
            options.input.display()
        ));
    }
    let target = options.output.clone().unwrap_or_else(|| options.input.clone());
    let running: Shared = Arc::new(Mutex::new(Running::new(notebook, target)));
    options.stop.last_words({
        let running = Arc::clone(&running);
        move || {
            let mut running = lock(&running);
            if let Err(problem) = running.abandon() {
                complain(&problem);
            }
            // The program ends now; nobody may begin to write again.
            std::mem::forget(running);
        }
    });
    let ran = cells(session, options, &running);
    let written = lock(&running).write();
    match ran {
        Ok(code) => written.map(|_| code),
        Err(failure) => {
            let failure = described(&failure, options.watch.as_ref().map(|w| w.style));
            Err(written.err().map_or(failure.clone(), |problem| format!("{failure}\n{problem}")))
        }
    }
}

/// Runs the cells one after the other; the exit code, or the error that ended it early.
fn cells(session: &mut Session, options: &NotebookOptions, running: &Shared) -> Result<i32, CellError> {
    let watch = options.watch.as_ref();
    let mut count = 0;
    for index in 0.. {
        let Some(cell) = lock(running).cell(index) else { break };
        let is_code = cell.get("cell_type").and_then(Value::as_str) == Some("code");
        if !is_code || tagged(&cell, "skip-execution") {
            show(watch, |to, style| text::cell(to, &cell, style));
            continue;
        }
        let code = cell.get("source").map(joined).unwrap_or_default();
        if code.trim().is_empty() {
            lock(running).skip(index);
            continue;
        }
        // In this order a signal is either seen here or interrupts the cell.
        session.begin();
        if options.stop.stopped().is_some() {
            return Err(CellError::plain("Interrupted", format!("stopped on request before In[{}] ran", count + 1)));
        }
        count += 1;
        show(watch, |to, style| text::cell_source(to, &cell, Some(count), style));
        lock(running).begin(index, count);
        let outcome = session.execute(&Execute::cell(code, format!("In[{count}]")), events(running, watch));
        if let Some(watch) = watch {
            watch.printer.finish();
        }
        let Outcome { result, exit, .. } = outcome;
        lock(running).end();
        match result {
            Ok(Some(bundle)) => {
                show(watch, |to, style| text::result(to, bundle.plain(), count, style));
                lock(running).outputs.result(bundle, count);
            }
            Ok(None) => {}
            Err(error) => {
                lock(running).outputs.error(&error);
                if !tagged(&cell, "raises-exception") || options.stop.stopped().is_some() {
                    return Err(error);
                }
                show(watch, |to, style| text::traceback(to, &error.traceback, style));
            }
        }
        if let Some(code) = exit {
            return Ok(code);
        }
    }
    Ok(0)
}

/// Writes text to whoever reads along.
fn show(watch: Option<&Watch>, what: impl FnOnce(&mut dyn Write, Style)) {
    let Some(watch) = watch else { return };
    let mut text = Vec::new();
    what(&mut text, watch.style);
    watch.printer.text(&String::from_utf8_lossy(&text));
}

/// Where the events of the next cell go: into the notebook, and to whoever reads along.
fn events(running: &Shared, watch: Option<&Watch>) -> Arc<dyn Fn(SessionEvent) + Send + Sync> {
    let running = Arc::clone(running);
    let watching = watch.map(|watch| watch.printer.events());
    Arc::new(move |event| {
        if let Some(watching) = &watching {
            watching(event.clone());
        }
        lock(&running).outputs.take(event);
    })
}

/// A notebook that runs by itself must give the same outputs whoever starts it: it asks nobody.
pub fn nobody() -> Asking {
    Arc::new(|_, _| Err(NoAnswer::Nobody("a notebook that runs without a browser has no input".into())))
}

/// The error for a terminal, with its colours where the style has them.
fn described(error: &CellError, style: Option<Style>) -> String {
    let mut out = Vec::new();
    text::traceback(&mut out, &error.traceback, style.unwrap_or(Style { colour: false }));
    String::from_utf8_lossy(&out).trim_end().to_owned()
}

fn tagged(cell: &Value, tag: &str) -> bool {
    let tags = cell.get("metadata").and_then(|m| m.get("tags")).and_then(Value::as_array);
    tags.is_some_and(|tags| tags.iter().any(|t| t.as_str() == Some(tag)))
}
