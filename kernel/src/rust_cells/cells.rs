//! The Rust cells of one session.

use super::Split;
use super::completions::Completions;
use super::errors;
use super::functions;
use super::options::{self, Options};
use super::process::{Gone, Process};
use super::protocol::{Call, Cell, Event, Failure, Function, Input, Output, Ran, Request};
use super::values;
use crate::display::Bundle;
use crate::script::error::{ScriptResult, raise, raise_text};
use crate::script::names::Names;
use crate::script::{Host, SessionEvent};
use crate::session::{CellError, Variables};
use minerva_engine::Error;
use rhai::{Dynamic, Module};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long completion waits for the process.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// The Rust cells of a session: nothing but a few words of memory until the first one runs. Cloning it shares it.
#[derive(Clone, Default)]
pub struct RustCells(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    program: Option<PathBuf>,
    process: Option<Process>,
    /// Texts of the cells that ran, for errors that point into them.
    sources: errors::Sources,
    /// Parameters of each function that is there, as it was defined last.
    arity: std::collections::HashMap<String, usize>,
}

/// What a Rust cell gave.
pub struct Given {
    /// The value of its last expression.
    pub shown: Option<Bundle>,
    /// The functions it defined, for the language.
    pub functions: Option<Module>,
}

impl RustCells {
    /// The program that runs the cells, where that is not the running one: it must call [`super::hook`] first in `main`.
    pub fn set_program(&self, program: PathBuf) {
        self.lock().program = Some(program);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a cell, called `name` in errors, on the session's variables; `names` are the functions of the language.
    ///
    /// # Errors
    /// What is wrong with the cell, with its places; an interrupt; no Rust on this machine.
    pub fn run<'a>(
        &self,
        name: &str,
        code: &Split<'_>,
        variables: &Variables,
        host: &Host,
        names: &dyn Fn() -> &'a Names,
    ) -> Result<Given, CellError> {
        let mut inner = self.lock();
        inner.sources.add(name, code);
        let options = options::parse(code.line).map_err(|wrong| errors::option(name, code, &wrong))?;
        // The files of its values, which go with this folder however the cell ends.
        let folder = inner.start()?.folder_of_values()?;
        let mut cell = Cell { body: code.body.to_owned(), ..Cell::default() };
        inputs(folder.path(), &options, &mut cell, variables, host).map_err(|(n, text)| {
            if host.interrupt().is_raised() {
                return on_the_way();
            }
            let wanted = options.inputs.get(n);
            errors::wanted(name, code, wanted, "ArgumentError", &text)
        })?;
        for (n, wanted) in options.outputs.iter().enumerate() {
            let (json, tensors) = files(folder.path(), "out", n);
            cell.outputs.push(Output { name: wanted.name.clone(), json, tensors });
        }
        let ran = match inner.ask(&Request::Run(cell.clone()), host) {
            Ok(Event::Ran(ran)) => *ran,
            Ok(_) => Err(Failure::Other("the process that runs Rust cells answered something else".into())),
            Err(failure) => Err(failure),
        };
        let ran = ran.map_err(|failure| errors::of_cell(&failure, name, code, &options, &inner.sources))?;
        for output in &cell.outputs {
            let value = output_value(output, host).map_err(|e| match e {
                Error::Interrupted => on_the_way(),
                e => CellError::plain("RustError", e.to_string()),
            })?;
            variables.set(&output.name, value);
        }
        drop(inner);
        Ok(self.given(ran, host, names))
    }

    fn given<'a>(&self, ran: Ran, host: &Host, names: &dyn Fn() -> &'a Names) -> Given {
        for function in &ran.functions {
            if let Some(problem) = &function.problem {
                let text = format!("note: scripts cannot call `{}`: {problem}\n", function.name);
                host.emit(SessionEvent::Stderr(text));
            }
        }
        let mut inner = self.lock();
        inner.arity.extend(ran.functions.iter().map(|f| (f.name.clone(), f.params.len())));
        drop(inner);
        let fit: Vec<&Function> = ran.functions.iter().filter(|f| f.problem.is_none()).collect();
        if !fit.is_empty() {
            functions::hidden(&fit, names()).into_iter().for_each(|note| host.emit(SessionEvent::Stderr(note)));
        }
        let functions = (!fit.is_empty()).then(|| functions::module(&fit, self, host));
        let shown = (!ran.shown.is_empty()).then(|| bundle(ran.shown));
        Given { shown, functions }
    }

    /// Calls a function that a cell defined.
    ///
    /// # Errors
    /// What the function returned as its error, its panic, or that it cannot be called.
    pub fn call(&self, name: &str, arguments: &[Dynamic], host: &Host) -> ScriptResult {
        let mut inner = self.lock();
        let gone = || {
            raise_text(
                "RustError",
                format!("`{name}` is gone with the Rust cells\nhelp: run the cell that defines it again"),
            )
        };
        let (n, given) = (*inner.arity.get(name).ok_or_else(gone)?, arguments.len());
        if n != given {
            let text = format!("`{name}` was defined again and takes {n} arguments, not {given}");
            return Err(raise_text("FunctionNotFound", format!("{text}\nhelp: help(\"{name}\") shows it")));
        }
        let folder = inner.process.as_ref().map(|p| p.folder().to_owned()).ok_or_else(gone)?;
        let file = |what: &str| folder.join(format!("call-{what}.safetensors"));
        let (taken, answer) = (file("arguments"), file("result"));
        // A call that was ended may have left half a file.
        let _ = std::fs::remove_file(&answer);
        let result = inner.pass(name, arguments, host, &taken, &answer);
        for file in [&taken, &answer] {
            let _ = std::fs::remove_file(file);
        }
        result
    }

    /// Ends the process with all that its cells hold; the next one starts another.
    pub fn end(&self) {
        self.lock().lose();
    }

    /// The names that can stand at a byte of a cell, if its process is there and idle.
    pub fn complete(&self, body: &str, at: usize) -> Option<Completions> {
        let mut inner = self.0.try_lock().ok()?;
        let request = Request::Complete { code: body.to_owned(), at };
        match inner.process.as_mut()?.complete(&request, PATIENCE) {
            Ok(Event::Completions(found)) => Some(found),
            Ok(_) | Err(Gone::Late) => None,
            Err(_) => {
                inner.lose();
                None
            }
        }
    }
}

impl Inner {
    /// The process, started where there is none.
    fn start(&mut self) -> Result<&Process, CellError> {
        let process = match self.process.take() {
            Some(process) => process,
            None => {
                let own = || std::env::current_exe().map_err(|e| CellError::plain("RustError", e.to_string()));
                let program = self.program.clone().map_or_else(own, Ok)?;
                Process::start(&program)?
            }
        };
        Ok(self.process.insert(process))
    }

    /// Ends the process, and with it what cells defined.
    fn lose(&mut self) {
        self.process = None;
        self.arity.clear();
    }

    /// Passes a call on and its result back; tensors go through the files `taken` and `answer`.
    fn pass(&mut self, name: &str, arguments: &[Dynamic], host: &Host, taken: &Path, answer: &Path) -> ScriptResult {
        let mut tensors = Vec::new();
        let pack = |(n, value): (usize, &Dynamic)| {
            values::pack(&format!("{name}, argument {}", n + 1), value, &mut tensors).map(|(json, _)| json)
        };
        let json: Result<Vec<_>, Error> = arguments.iter().enumerate().map(pack).collect();
        let json = json.map_err(raise)?;
        values::write_tensors(taken, &tensors, &host.control()).map_err(raise)?;
        let path = |p: &Path, there: bool| if there { p.display().to_string() } else { String::new() };
        let call = Call {
            name: name.to_owned(),
            arguments: serde_json::Value::Array(json).to_string(),
            tensors: path(taken, !tensors.is_empty()),
            answer: path(answer, true),
        };
        let returned = match self.ask(&Request::Call(call), host) {
            Ok(Event::Returned(returned)) => returned,
            Ok(_) => Err(Failure::Other("the process that runs Rust cells answered something else".into())),
            Err(failure) => Err(failure),
        };
        match returned {
            Ok(json) => values::unpack(&json, answer, &host.control()).map_err(raise),
            Err(failure) => Err(errors::of_call(&failure, name, &self.sources)),
        }
    }

    /// Asks the process; one that does not answer is ended, and the next cell starts another.
    fn ask(&mut self, request: &Request, host: &Host) -> Result<Event, Failure> {
        let shows = |event| match event {
            Event::Stdout(text) => host.emit(SessionEvent::Stdout(text)),
            Event::Stderr(text) => host.emit(SessionEvent::Stderr(text)),
            _ => {}
        };
        let Some(process) = self.process.as_mut() else { return Err(Failure::Other("it is not there".into())) };
        let answer = process.ask(request, host.interrupt(), &shows);
        answer.map_err(|gone| {
            self.lose();
            match gone {
                Gone::Stopped | Gone::Late => {
                    // The next cell finds another that has started meanwhile; what keeps it from starting is told then.
                    let _ = self.start();
                    Failure::Stopped
                }
                Gone::Ended(words) => Failure::Ended(words),
            }
        })
    }
}

/// Paths for a value: its JSON and its tensors.
fn files(folder: &Path, way: &str, n: usize) -> (String, String) {
    let path = |ending: &str| folder.join(format!("{way}-{n}.{ending}")).display().to_string();
    (path("json"), path("safetensors"))
}

/// Writes the values that go in; on error, which of them and why.
fn inputs(
    folder: &Path,
    options: &Options,
    cell: &mut Cell,
    variables: &Variables,
    host: &Host,
) -> Result<(), (usize, String)> {
    for (n, wanted) in options.inputs.iter().enumerate() {
        let name = &wanted.name;
        let Some(value) = variables.get(name).filter(|v| !v.is_locked()) else {
            let known = variables.names();
            let near = minerva_engine::error::nearest(name, known.iter().map(String::as_str));
            let help = near.map_or(String::new(), |near| format!("\nhelp: did you mean `{near}`?"));
            return Err((n, format!("variable `{name}` not found{help}")));
        };
        let failed = |e: Error| (n, e.to_string());
        let mut found = Vec::new();
        let (json, kind) = values::pack(&format!("--in {name}"), &value.flatten(), &mut found).map_err(failed)?;
        let (path, tensors) = files(folder, "in", n);
        std::fs::write(&path, json.to_string()).map_err(|e| (n, format!("{path}: {e}")))?;
        values::write_tensors(Path::new(&tensors), &found, &host.control()).map_err(failed)?;
        let kind = wanted.kind.clone().unwrap_or_else(|| kind.name());
        let tensors = if found.is_empty() { String::new() } else { tensors };
        cell.inputs.push(Input { name: name.clone(), kind, json: path, tensors });
    }
    Ok(())
}

fn output_value(output: &Output, host: &Host) -> Result<Dynamic, Error> {
    let json = std::fs::read_to_string(&output.json);
    let json = json.map_err(|e| Error::argument(format!("--out {}", output.name), "a value", e.to_string()))?;
    values::unpack(&json, Path::new(&output.tensors), &host.control())
}

/// An interrupt of the values of a cell, and not of the cell.
fn on_the_way() -> CellError {
    CellError::plain("Interrupted", "stopped on request while values were handed over")
}

/// What a cell shows, by MIME type, as notebooks have it.
fn bundle(shown: std::collections::BTreeMap<String, String>) -> Bundle {
    let mut bundle = Bundle::default();
    for (mime, text) in shown {
        let is_json = mime == "application/json" || mime.ends_with("+json");
        let value = is_json.then(|| serde_json::from_str(&text).ok()).flatten();
        bundle = bundle.with(&mime, value.unwrap_or(serde_json::Value::String(text)));
    }
    if bundle.plain().is_empty() {
        let kinds: Vec<String> = bundle.data.keys().cloned().collect();
        bundle = bundle.with("text/plain", format!("<{}>", kinds.join(", ")));
    }
    bundle
}
