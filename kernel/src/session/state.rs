//! The session itself.

use super::SessionEvent;
use super::cell_error::CellError;
use super::explain::Context;
use super::memory::LowMemory;
use super::sources::Sources;
use super::types::{Completeness, Completion, Execute, Outcome, SessionOptions};
use super::variables::Variables;
use super::{complete, completeness, language, run_cell};
use crate::display::Bundle;
use crate::panics;
use crate::rust_cells::{self, RustCells};
use crate::script::core::ExitCode;
use crate::script::names::Names;
use crate::script::{Events, Host};
use minerva_engine::Interrupt;
use rhai::{Dynamic, Engine, EvalAltResult};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};

/// Stack of the thread a cell runs on: what 1,000 nested script calls need, several times over. Pages are taken from
/// the system only when they are touched.
const STACK_BYTES: usize = 512 << 20;

/// One language session; a kernel, a REPL and a script runner each have one.
pub struct Session {
    engine: Engine,
    host: Host,
    variables: Variables,
    functions: language::FunctionNames,
    sources: Sources,
    names: OnceLock<Names>,
    low_memory: LowMemory,
    rust: RustCells,
}

impl Session {
    /// A fresh session.
    pub fn new(options: SessionOptions) -> Self {
        let host = Host::new(Interrupt::default(), options.stream);
        let variables = Variables::default();
        let functions = language::FunctionNames::default();
        let low_memory = LowMemory::default();
        let engine = language::engine(&host, &variables, &functions, &low_memory);
        let args = options.args.into_iter().map(Dynamic::from).collect();
        variables.set_constant("args", Dynamic::from_array(args));
        let (sources, names, rust) = (Sources::default(), OnceLock::new(), RustCells::default());
        Self { engine, host, variables, functions, sources, names, low_memory, rust }
    }

    /// The flag that stops the running cell; raise it from any thread. The next cell starts with it cleared.
    pub fn interrupt(&self) -> Interrupt {
        self.host.interrupt().clone()
    }

    /// Runs a cell and blocks until it has ended. Events arrive in order, on threads of the session.
    ///
    /// Variables and functions of earlier cells are there, and stay as they are when the cell fails or is interrupted.
    pub fn execute(&mut self, request: &Execute, events: Events) -> Outcome {
        self.host.interrupt().clear();
        self.host.attach(events);
        let done = AtomicBool::new(false);
        let low_memory = self.low_memory.clone();
        let ended = std::thread::scope(|scope| {
            let watcher = std::thread::Builder::new().spawn_scoped(scope, || low_memory.watch(&done));
            let session = &mut *self;
            let work = move || panics::catch(|| session.run(request));
            let thread = std::thread::Builder::new().name("minerva-cell".into()).stack_size(STACK_BYTES);
            let ended = match thread.spawn_scoped(scope, work) {
                Ok(thread) => thread.join().unwrap_or_else(|_| Ok(Err(broken("its thread died")))),
                Err(e) => Ok(Err(broken(&format!("no thread for it: {e}")))),
            };
            done.store(true, Ordering::Relaxed);
            if let Ok(watcher) = watcher {
                watcher.thread().unpark();
            }
            ended
        });
        let result = ended.unwrap_or_else(|panic| Err(self.after_panic(&panic)));
        self.host.attach(Arc::new(|_| {}));
        match result {
            Ok(ended) => ended,
            Err(error) => Outcome { result: Err(error), exit: None },
        }
    }

    /// The program that runs Rust cells, where that is not the running one: see [`rust_cells::hook`].
    pub fn set_rust_program(&self, program: std::path::PathBuf) {
        self.rust.set_program(program);
    }

    /// What can stand at the cursor, which is counted in characters.
    pub fn complete(&self, code: &str, cursor: usize) -> Completion {
        if let Some(completion) = rust_cells::complete(code, cursor, &self.variables, &self.rust) {
            return completion;
        }
        complete::complete(code, cursor, &self.variables, self.names())
    }

    /// What is known about the name at the cursor, which is counted in characters.
    pub fn inspect(&self, code: &str, cursor: usize) -> Option<Bundle> {
        if let Some(bundle) = rust_cells::inspect(code, cursor) {
            return Some(bundle);
        }
        complete::inspect(code, cursor, &self.variables, self.names(), &self.host)
    }

    /// Whether `code` can be run as it stands, or needs more lines.
    pub fn is_complete(&self, code: &str) -> Completeness {
        rust_cells::is_complete(code).unwrap_or_else(|| completeness::of(&self.engine, code))
    }

    fn run(&mut self, request: &Execute) -> Result<Outcome, CellError> {
        self.sources.add(&request.cell_name, &request.code);
        if let Some(cell) = rust_cells::split(&request.code) {
            return self.run_rust(request, &cell);
        }
        if let Some(name) = question(&request.code) {
            let known = self.inspect(name, name.chars().count());
            let said = known.unwrap_or_else(|| Bundle::text(format!("nothing is known of `{name}`")));
            return Ok(Outcome { result: Ok(Some(said)), exit: None });
        }
        let mut ast = match self.engine.compile(&request.code) {
            Ok(ast) => ast,
            Err(e) => return Err(self.explain(EvalAltResult::from(e), &request.cell_name)),
        };
        ast.set_source(request.cell_name.as_str());
        self.define_functions(&ast);
        match run_cell::run(&self.engine, &ast, &self.variables) {
            Ok(value) => {
                let show = !request.silent
                    && !value.is_unit()
                    && !completeness::ends_in_semicolon(&self.engine, &request.code);
                Ok(Outcome { result: Ok(show.then(|| self.host.bundle(&value))), exit: None })
            }
            Err(error) => match &*error {
                EvalAltResult::ErrorTerminated(token, _) if token.read_lock::<ExitCode>().is_some() => {
                    let code = token.read_lock::<ExitCode>().map(|c| c.0);
                    Ok(Outcome { result: Ok(None), exit: code })
                }
                _ => Err(self.explain(*error, &request.cell_name)),
            },
        }
    }

    fn run_rust(&mut self, request: &Execute, cell: &rust_cells::Split<'_>) -> Result<Outcome, CellError> {
        let given = self.rust.run(&request.cell_name, cell, &self.variables, &self.host)?;
        if let Some(functions) = given.functions {
            self.engine.register_global_module(functions.into());
            self.names = OnceLock::new();
        }
        Ok(Outcome { result: Ok(given.shown.filter(|_| !request.silent)), exit: None })
    }

    /// Functions are defined before the first statement runs, as everywhere in Rhai, and replace those of earlier cells.
    fn define_functions(&mut self, ast: &rhai::AST) {
        if !ast.has_functions() {
            return;
        }
        let mut names = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        names.extend(ast.iter_fn_def().map(|f| f.name.to_string()).filter(|n| rhai::is_valid_identifier(n)));
        drop(names);
        self.engine.register_global_module(ast.shared_lib().clone());
        self.names = OnceLock::new();
    }

    fn explain(&self, error: EvalAltResult, cell: &str) -> CellError {
        let (sources, variables, host) = (&self.sources, &self.variables, &self.host);
        Context { sources, names: self.names(), variables, host }.explain(error, cell)
    }

    fn after_panic(&self, panic: &panics::Panic) -> CellError {
        let mut text = panic.to_string();
        let lost = self.variables.drop_broken();
        if !lost.is_empty() {
            text.push_str(&format!("\nhelp: in use when it happened, and lost: {}", lost.join(", ")));
        }
        CellError::plain("InternalError", text)
    }

    fn names(&self) -> &Names {
        self.names.get_or_init(|| Names::of(&self.engine))
    }

    /// Sends an event as a running cell would; front ends use it for their own notices.
    pub fn emit(&self, event: SessionEvent) {
        self.host.emit(event);
    }
}

fn broken(what: &str) -> CellError {
    CellError::plain("InternalError", format!("the cell could not be run: {what}"))
}

/// The name in `name?` or `?name`, which is no Rhai but what notebooks know.
fn question(code: &str) -> Option<&str> {
    let code = code.trim();
    let name = code.strip_suffix('?').or_else(|| code.strip_prefix('?'))?.trim();
    let path = name.split('.').all(rhai::is_valid_identifier);
    path.then_some(name)
}

#[cfg(test)]
impl Session {
    /// A native method that only a test wants.
    pub fn define_method_for_tests(&mut self, name: &str, f: impl Fn(&mut i64) -> i64 + Send + Sync + 'static) {
        self.engine.register_fn(name, f);
    }

    /// A native function that only a test wants.
    pub fn define_for_tests(&mut self, name: &str, f: impl Fn(i64) -> i64 + Send + Sync + 'static) {
        self.engine.register_fn(name, f);
    }
}
