//! Running the cells of a notebook, one after the other.

use super::file::{Notebook, insert, joined};
use super::outputs::Outputs;
use super::text::{self, Style};
use crate::session::{Asking, CellError, Execute, NoAnswer, Session, SessionEvent};
use crate::terminal::Printer;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What to run and where to write it.
pub struct NotebookOptions {
    /// The notebook.
    pub input: PathBuf,
    /// Where the executed notebook goes; `None`: over the input.
    pub output: Option<PathBuf>,
    /// How to print cells and results to a terminal where a person watches; `None`: print nothing.
    pub watch: Option<Watch>,
}

/// A person watches.
pub struct Watch {
    /// Shows what running cells report, as it comes: text, displays, progress.
    pub printer: Printer,
    /// With colour or without.
    pub style: Style,
}

/// Executes a notebook in `session` and writes it, outputs and all. At the first cell that fails, what has run so far
/// is written and the error is returned; later cells keep what they showed before.
///
/// Cells tagged `raises-exception` may fail and those tagged `skip-execution` are not run, as in `nbclient`.
///
/// # Errors
/// What could not be read or written, or the error of the failing cell, as a person should see it.
pub fn run(session: &mut Session, options: &NotebookOptions) -> Result<Notebook, String> {
    let mut notebook = Notebook::read(&options.input)?;
    if let Some(language) = notebook.language().filter(|l| !l.eq_ignore_ascii_case("rhai")) {
        return Err(format!(
            "{}: this notebook is written in {language}; Minerva runs Rhai\n\
             help: if its cells are Rhai, set metadata.kernelspec.language to \"rhai\" in the file",
            options.input.display()
        ));
    }
    let outputs = Arc::new(Mutex::new(Outputs::default()));
    let mut executed = Vec::new();
    let mut count = 0;
    let mut failure = None;
    for index in 0..notebook.cells().len() {
        let Some(cell) = notebook.cells().get(index) else { break };
        if let Some(watch) = &options.watch {
            text::cell_source(&mut std::io::stdout(), cell, Some(count + 1), watch.style);
        }
        if cell.get("cell_type").and_then(Value::as_str) != Some("code") || tagged(cell, "skip-execution") {
            continue;
        }
        let code = cell.get("source").map(joined).unwrap_or_default();
        if code.trim().is_empty() {
            executed.push((index, None));
            continue;
        }
        count += 1;
        let number = lock(&outputs).begin();
        executed.push((index, Some((number, count))));
        let sink = {
            let outputs = Arc::clone(&outputs);
            let watching = options.watch.as_ref().map(|watch| watch.printer.events());
            Arc::new(move |event: SessionEvent| {
                if let Some(watching) = &watching {
                    watching(event.clone());
                }
                lock(&outputs).take(event);
            })
        };
        let outcome = session.execute(&Execute::cell(code, format!("In[{count}]")), sink);
        if let Some(watch) = &options.watch {
            watch.printer.finish();
        }
        let mut outputs = lock(&outputs);
        match outcome.result {
            Ok(Some(bundle)) => {
                if let Some(watch) = &options.watch {
                    text::result(&mut std::io::stdout(), bundle.plain(), count, watch.style);
                }
                outputs.result(bundle, count);
            }
            Ok(None) => {}
            Err(error) => {
                outputs.error(&error);
                if !tagged(cell, "raises-exception") {
                    failure = Some(error);
                } else if let Some(watch) = &options.watch {
                    text::traceback(&mut std::io::stdout(), &error.traceback, watch.style);
                }
            }
        }
        if failure.is_some() || outcome.exit.is_some() {
            break;
        }
    }
    for (index, ran) in executed {
        let Some(cell) = notebook.cells_mut().get_mut(index).and_then(Value::as_object_mut) else { continue };
        let (shown, count) = match ran {
            Some((number, count)) => (lock(&outputs).to_json(number), json!(count)),
            None => (json!([]), Value::Null),
        };
        insert(cell, "execution_count", count);
        insert(cell, "outputs", shown);
    }
    notebook.sign();
    notebook.write(options.output.as_deref().unwrap_or(&options.input))?;
    match failure {
        None => Ok(notebook),
        Some(error) => Err(described(&error, options.watch.as_ref().map(|w| w.style))),
    }
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

fn lock(outputs: &Mutex<Outputs>) -> MutexGuard<'_, Outputs> {
    outputs.lock().unwrap_or_else(PoisonError::into_inner)
}
