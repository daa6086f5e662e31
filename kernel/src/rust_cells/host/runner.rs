//! evcxr, and what it knows of the cells so far.

use super::report;
use super::source::{DONE, Source};
use super::stop::Stop;
use super::streams::Streams;
use super::syntax;
use crate::rust_cells::completions::Completions;
use crate::rust_cells::protocol::{Call, Cell, Event, Failure, Function, Ran, Request};
use evcxr::{CommandContext, Error, EvalCallbacks, EvalContext, EvalOutputs};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::Receiver;

/// Runs cells and calls.
pub struct Runner {
    context: CommandContext,
    streams: Streams,
    stop: Stop,
    prelude: String,
    functions: BTreeMap<String, Function>,
    /// The names of the prelude are in scope.
    named: bool,
    /// evcxr's child was ended behind its back.
    dead: bool,
}

impl Runner {
    /// Starts evcxr, which compiles a first line to see whether all is there.
    ///
    /// # Errors
    /// What is missing, in words of evcxr.
    pub fn start(folder: &Path, stop: &Stop) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|e| e.to_string())?;
        let (context, outputs) =
            EvalContext::with_subprocess_command(Command::new(program)).map_err(|e| e.to_string())?;
        let streams = Streams::start(outputs.stdout, outputs.stderr, stop.clone());
        let place = std::env::var_os("EVCXR_TMPDIR").map_or_else(|| folder.to_owned(), Into::into);
        streams.state().library = Some(place.join("src").join("lib.rs"));
        stop.watch(context.process_handle(), place.join("target"));
        let prelude = folder.join("minerva").display().to_string();
        let context = CommandContext::with_eval_context(context);
        let (stop, functions) = (stop.clone(), BTreeMap::new());
        Ok(Self { context, streams, stop, prelude, functions, named: false, dead: false })
    }

    /// Runs a cell.
    ///
    /// # Errors
    /// Why it failed.
    pub fn run(&mut self, cell: &Cell) -> Result<Ran, Failure> {
        if std::mem::take(&mut self.dead) {
            // evcxr starts its child again when it finds it gone.
            let _ = self.context.execute("();");
        }
        let source = Source::new(cell, &self.prelude, !self.named);
        let outputs = self.execute(&source, cell)?;
        self.named = !cell.body.lines().any(|line| line.trim_start().starts_with(":clear"));
        if source.outputs_left {
            self.execute(&Source::of_outputs(cell), cell)?;
        }
        let mut shown: BTreeMap<String, String> = outputs.content_by_mime_type.into_iter().collect();
        if shown.len() == 1 && shown.get("text/plain").is_some_and(|t| t == "()") {
            shown.clear();
        }
        for text in shown.values_mut() {
            *text = text.replace(&format!("{DONE}: ()\n"), "");
            *text = text.replace(&format!("<tr><td>{DONE}</td><td>()</td><tr>"), "");
        }
        Ok(Ran { shown, functions: self.define(&cell.body) })
    }

    fn define(&mut self, body: &str) -> Vec<Function> {
        let mut found = syntax::functions(body);
        for function in &found {
            match function.problem {
                None => self.functions.insert(function.name.clone(), function.clone()),
                Some(_) => self.functions.remove(&function.name),
            };
        }
        found.retain(|f| f.problem.as_deref() != Some(syntax::PRIVATE));
        found
    }

    fn execute(&mut self, source: &Source, cell: &Cell) -> Result<EvalOutputs, Failure> {
        if let Some(variables_lost) = self.stop.stopped() {
            return Err(Failure::Interrupted { variables_lost });
        }
        self.streams.state().forget();
        let outcome = self.context.execute(&source.text);
        self.streams.settle();
        self.stop.runs(false);
        self.stopped(&outcome)?;
        let outputs = outcome.map_err(|e| self.ended(report::failure(e, source, cell)))?;
        if self.context.variables_and_types().any(|(name, _)| name == DONE) {
            return Ok(outputs);
        }
        let panicked = self.streams.state().panicked.take();
        Err(match panicked {
            Some(panic) => panic.tell(self.lost(&cell.body)),
            None => Failure::Error(self.streams.state().last_stderr.clone()),
        })
    }

    /// Adds what the process said last to the news of its end.
    fn ended(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Died(text) => {
                let last = self.streams.state().last_stderr.clone();
                Failure::Died(if last.is_empty() { text } else { format!("{last}\n{text}") })
            }
            other => other,
        }
    }

    fn stopped(&mut self, outcome: &Result<EvalOutputs, Error>) -> Result<(), Failure> {
        let Some(variables_lost) = self.stop.stopped() else { return Ok(()) };
        if outcome.is_ok() && !variables_lost {
            // It came too late: all has run.
            return Ok(());
        }
        self.dead = variables_lost && !matches!(outcome, Err(Error::SubprocessTerminated(_)));
        Err(Failure::Interrupted { variables_lost })
    }

    /// The variables of a cell that are not there afterwards.
    fn lost(&self, body: &str) -> Vec<String> {
        let there: BTreeSet<&str> = self.context.variables_and_types().map(|(name, _)| name).collect();
        let mut names = syntax::variables(body);
        names.retain(|name| !there.contains(name.as_str()));
        names
    }

    /// Answers a call and those that follow it; returns the request that is something else.
    pub fn call(&mut self, call: Call, requests: &Receiver<Request>) -> Option<Request> {
        if !self.functions.contains_key(&call.name) {
            let text = format!("`{}` is no longer a `pub fn` of a Rust cell", call.name);
            self.stop.answer(&Event::Returned(Err(Failure::Other(text))));
            return None;
        }
        let all: Vec<Function> = self.functions.values().cloned().collect();
        let one: Vec<Function> = all.iter().filter(|f| f.name == call.name).cloned().collect();
        // One function that does not compile as it is called would keep the others from being called.
        let (call, failure) = match self.answer(&all, call, requests) {
            Answered::Until(next) => return next,
            Answered::Not(call, Failure::Compile(_)) if all.len() > 1 => match self.answer(&one, *call, requests) {
                Answered::Until(next) => return next,
                Answered::Not(call, failure) => (call, failure),
            },
            Answered::Not(call, failure) => (call, failure),
        };
        self.stop.answer(&Event::Returned(Err(match failure {
            Failure::Compile(errors) => {
                let why = errors.first().map_or("", |e| e.message.as_str());
                Failure::Other(format!("`{}` cannot be called from a script: {why}", call.name))
            }
            other => other,
        })));
        None
    }

    fn answer(&mut self, functions: &[Function], call: Call, requests: &Receiver<Request>) -> Answered {
        let (first, next) = (RefCell::new(Some(call)), RefCell::new(None));
        let (streams, stop) = (self.streams.clone(), self.stop.clone());
        let known = |name: &str| functions.iter().any(|f| f.name == name);
        let reader = |_: &str| -> String {
            let waiting = first.borrow_mut().take();
            let call = match waiting.map(Request::Call).or_else(|| requests.recv().ok()) {
                Some(Request::Call(call)) if known(&call.name) => call,
                other => {
                    *next.borrow_mut() = other;
                    return "done".to_owned();
                }
            };
            let mut state = streams.state();
            state.forget();
            state.calling = true;
            stop.runs(true);
            serde_json::to_string(&call).unwrap_or_default()
        };
        let mut callbacks = EvalCallbacks {
            // What `evcxr_input` asks for has no answer here.
            input_reader: &|request| if request.prompt == "minerva" { reader(&request.prompt) } else { String::new() },
        };
        let outcome = self.context.execute_with_callbacks(&dispatcher(functions), &mut callbacks);
        self.streams.settle();
        self.stop.runs(false);
        let failure = match (self.stopped(&outcome), outcome) {
            (Err(failure), _) => Some(failure),
            (Ok(()), Err(e)) => {
                Some(self.ended(report::failure(e, &Source::of_outputs(&Cell::default()), &Cell::default())))
            }
            (Ok(()), Ok(_)) => None,
        };
        if let Some(call) = first.into_inner() {
            let why = failure.unwrap_or_else(|| Failure::Other("evcxr did not run it".into()));
            return Answered::Not(Box::new(call), why);
        }
        if std::mem::take(&mut self.streams.state().calling) {
            let why = failure.unwrap_or_else(|| Failure::Died("it ended without an answer".into()));
            self.stop.answer(&Event::Returned(Err(why)));
        }
        Answered::Until(next.into_inner())
    }

    /// The names that can stand at a byte of a cell.
    pub fn complete(&mut self, code: &str, at: usize) -> Completions {
        let Ok(found) = self.context.completions(code, at) else { return Completions::default() };
        let matches = found.completions.into_iter().filter(|c| !c.code.contains(DONE));
        Completions {
            start: found.start_offset,
            end: found.end_offset,
            // A function comes with its parameters, which are told in the label.
            matches: matches.map(|c| (name(&c.code), c.kind.to_owned(), c.label)).collect(),
        }
    }
}

fn name(code: &str) -> String {
    code.split('(').next().unwrap_or_default().to_owned()
}

/// How calls were answered.
enum Answered {
    /// Until another request came, or the process ended.
    Until(Option<Request>),
    /// Not at all.
    Not(Box<Call>, Failure),
}

/// The text that answers calls of these functions.
fn dispatcher(functions: &[Function]) -> String {
    let mut text = String::from("{ minerva::start(); minerva::serve(&[");
    for function in functions {
        let arguments = function.params.iter().map(|(name, kind)| {
            let (kind, by_reference) = syntax::taken(kind);
            let reference = if by_reference { "&" } else { "" };
            format!("{reference}a.take::<{kind}>({name:?})?")
        });
        let arguments: Vec<String> = arguments.collect();
        let name = &function.name;
        text.push_str(&format!("({name:?}, |a| minerva::ToScript::to_script(&{name}({}))), ", arguments.join(", ")));
    }
    text.push_str("]); };");
    text
}
