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
    /// Files that have been named, so that no two share one.
    files: usize,
    /// Texts of the cells that ran, for errors that point into them.
    sources: errors::Sources,
    /// Parameters of each function as it was defined last.
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

    /// Runs a cell, called `name` in errors, on the session's variables.
    ///
    /// # Errors
    /// What is wrong with the cell, with its places; an interrupt; no Rust on this machine.
    pub fn run(&self, name: &str, code: &Split<'_>, variables: &Variables, host: &Host) -> Result<Given, CellError> {
        let mut inner = self.lock();
        inner.sources.add(name, code);
        let options = options::parse(code.line).map_err(|wrong| errors::option(name, code, &wrong))?;
        inner.start()?;
        let mut cell = Cell { body: code.body.to_owned(), ..Cell::default() };
        inner.inputs(&options, &mut cell, variables, host).map_err(|(n, text)| {
            let wanted = options.inputs.get(n);
            errors::wanted(name, code, wanted, "ArgumentError", &text)
        })?;
        for wanted in &options.outputs {
            let (json, tensors) = inner.files();
            cell.outputs.push(Output { name: wanted.name.clone(), json, tensors });
        }
        let ran = match inner.ask(&Request::Run(cell.clone()), host) {
            Ok(Event::Ran(ran)) => *ran,
            Ok(_) => Err(Failure::Other("the process that runs Rust cells answered something else".into())),
            Err(failure) => Err(failure),
        };
        for input in &cell.inputs {
            remove(&[&input.json, &input.tensors]);
        }
        let ran = ran.map_err(|failure| errors::of_cell(&failure, name, code, &options, &inner.sources))?;
        for output in &cell.outputs {
            let value = output_value(output, host).map_err(|e| CellError::plain("RustError", e.to_string()))?;
            variables.set(&output.name, value);
        }
        drop(inner);
        Ok(self.given(ran, host))
    }

    fn given(&self, ran: Ran, host: &Host) -> Given {
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
        if let Some(n) = inner.arity.get(name).filter(|n| **n != arguments.len()) {
            let (n, given) = (*n, arguments.len());
            let text = format!("`{name}` was defined again and takes {n} arguments, not {given}");
            return Err(raise_text("FunctionNotFound", format!("{text}\nhelp: help(\"{name}\") shows it")));
        }
        let folder = inner.process.as_ref().map(|p| p.folder().to_owned()).ok_or_else(gone)?;
        let mut tensors = Vec::new();
        let pack = |(n, value): (usize, &Dynamic)| {
            values::pack(&format!("{name}, argument {}", n + 1), value, &mut tensors).map(|(json, _)| json)
        };
        let json: Result<Vec<_>, Error> = arguments.iter().enumerate().map(pack).collect();
        let json = json.map_err(raise)?;
        let file = |what: &str| folder.join(format!("call-{what}.safetensors"));
        let (taken, answer) = (file("arguments"), file("result"));
        values::write_tensors(&taken, &tensors, &host.control()).map_err(raise)?;
        let path = |p: &Path, there: bool| if there { p.display().to_string() } else { String::new() };
        let call = Call {
            name: name.to_owned(),
            arguments: serde_json::Value::Array(json).to_string(),
            tensors: path(&taken, !tensors.is_empty()),
            answer: path(&answer, true),
        };
        // A call that was ended may have left half a file.
        let _ = std::fs::remove_file(&answer);
        let returned = match inner.ask(&Request::Call(call), host) {
            Ok(Event::Returned(returned)) => returned,
            Ok(_) => Err(Failure::Other("the process that runs Rust cells answered something else".into())),
            Err(failure) => Err(failure),
        };
        let result = match returned {
            Ok(json) => values::unpack(&json, &answer, &host.control()).map_err(raise),
            Err(failure) => Err(errors::of_call(&failure, name, &inner.sources)),
        };
        for file in [&taken, &answer] {
            let _ = std::fs::remove_file(file);
        }
        result
    }

    /// Ends the process with all that its cells hold; the next one starts another.
    pub fn end(&self) {
        self.lock().process = None;
    }

    /// The names that can stand at a byte of a cell, if its process is there and idle.
    pub fn complete(&self, body: &str, at: usize) -> Option<Completions> {
        let mut inner = self.0.try_lock().ok()?;
        let request = Request::Complete { code: body.to_owned(), at };
        match inner.process.as_mut()?.complete(&request, PATIENCE) {
            Ok(Event::Completions(found)) => Some(found),
            Ok(_) | Err(Gone::Late) => None,
            Err(_) => {
                inner.process = None;
                None
            }
        }
    }
}

impl Inner {
    fn start(&mut self) -> Result<(), CellError> {
        if self.process.is_none() {
            let own = || std::env::current_exe().map_err(|e| CellError::plain("RustError", e.to_string()));
            let program = self.program.clone().map_or_else(own, Ok)?;
            self.process = Some(Process::start(&program)?);
        }
        Ok(())
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
            self.process = None;
            match gone {
                Gone::Stopped | Gone::Late => Failure::Stopped,
                Gone::Ended(words) => Failure::Ended(words),
            }
        })
    }

    /// Paths for a value: its JSON and its tensors.
    fn files(&mut self) -> (String, String) {
        self.files += 1;
        let folder = self.process.as_ref().map(|p| p.folder().to_owned()).unwrap_or_default();
        let path = |ending: &str| folder.join(format!("value-{}.{ending}", self.files)).display().to_string();
        (path("json"), path("safetensors"))
    }

    /// Writes the values that go in; on error, which of them and why.
    fn inputs(
        &mut self,
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
            let (path, tensors) = self.files();
            std::fs::write(&path, json.to_string()).map_err(|e| (n, format!("{path}: {e}")))?;
            values::write_tensors(Path::new(&tensors), &found, &host.control()).map_err(failed)?;
            let kind = wanted.kind.clone().unwrap_or_else(|| kind.name());
            let tensors = if found.is_empty() { String::new() } else { tensors };
            cell.inputs.push(Input { name: name.clone(), kind, json: path, tensors });
        }
        Ok(())
    }
}

fn output_value(output: &Output, host: &Host) -> Result<Dynamic, Error> {
    let json = std::fs::read_to_string(&output.json);
    let json = json.map_err(|e| Error::argument(format!("--out {}", output.name), "a value", e.to_string()))?;
    let value = values::unpack(&json, Path::new(&output.tensors), &host.control());
    remove(&[&output.json, &output.tensors]);
    value
}

fn remove(files: &[&str]) {
    for file in files.iter().filter(|f| !f.is_empty()) {
        let _ = std::fs::remove_file(file);
    }
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
