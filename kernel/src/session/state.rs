//! The session itself.

use super::SessionEvent;
use super::cell_error::CellError;
use super::explain::Context;
use super::memory::LowMemory;
use super::open_line::OpenLine;
use super::sources::Sources;
use super::types::{Completeness, Completion, Detail, Execute, Outcome, SessionOptions};
use super::variables::Variables;
use super::{complete, completeness, inspect, language, magics, run_cell, stack};
use crate::display::Bundle;
use crate::panics;
use crate::rust_cells::{self, RustCells};
use crate::script::core::ExitCode;
use crate::script::names::Names;
use crate::script::{Asking, Display, Events, Host};
use minerva_engine::Interrupt;
use rhai::{Dynamic, Engine, EvalAltResult};
use std::sync::{Arc, OnceLock, PoisonError};

/// One language session; a kernel, a REPL and a script runner each have one.
pub struct Session {
    engine: Engine,
    pub(super) host: Host,
    pub(super) variables: Variables,
    functions: language::FunctionNames,
    pub(super) sources: Sources,
    names: OnceLock<Names>,
    low_memory: LowMemory,
    pub(super) open_line: OpenLine,
    /// [`Session::begin`] has withdrawn what was asked before the cell that is about to run.
    begun: bool,
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
        Self {
            engine,
            host,
            variables,
            functions,
            sources: Sources::default(),
            names: OnceLock::new(),
            low_memory,
            open_line: OpenLine::default(),
            begun: false,
            rust: RustCells::default(),
        }
    }

    /// The flag that stops the running cell; raise it from any thread. The next cell starts with it cleared.
    pub fn interrupt(&self) -> Interrupt {
        self.host.interrupt().clone()
    }

    /// Withdraws an interrupt that came before the next cell. A front end that tells others that a cell begins calls
    /// this first: whoever was told may interrupt, and [`Session::execute`] then keeps what was asked since.
    pub fn begin(&mut self) {
        self.host.interrupt().clear();
        self.begun = true;
    }

    /// Asks the person through `asking` when a script calls `input` or `password`. Without it they are errors.
    pub fn ask_through(&mut self, asking: Asking) {
        self.host.ask_through(asking);
    }

    /// Runs a cell and blocks until it has ended. Events arrive in order, on threads of the session.
    ///
    /// Variables and functions of earlier cells are there, and stay as they are when the cell fails or is interrupted.
    pub fn execute(&mut self, request: &Execute, events: Events) -> Outcome {
        if !std::mem::take(&mut self.begun) {
            self.host.interrupt().clear();
        }
        self.host.attach(self.open_line.watch(events));
        let low_memory = self.low_memory.clone();
        let watched = low_memory.watch();
        let session = &mut *self;
        let ended = stack::with_room(move || panics::catch(|| session.run(request)));
        drop(watched);
        let result = match ended {
            Ok(Ok(ended)) => ended,
            Ok(Err(panic)) => Err(self.after_panic(&panic)),
            Err(what) => Err(broken(&what)),
        };
        self.host.attach(Arc::new(|_| {}));
        match result {
            Ok(ended) => ended,
            Err(error) => Outcome { result: Err(error), ..Outcome::of(None) },
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
        complete::complete(code, cursor, self)
    }

    /// What is known about the name at the cursor, which is counted in characters.
    pub fn inspect(&self, code: &str, cursor: usize, detail: Detail) -> Option<Bundle> {
        if let Some(bundle) = rust_cells::inspect(code, cursor) {
            return Some(bundle);
        }
        inspect::inspect(code, cursor, self, detail)
    }

    /// Whether `code` can be run as it stands, or needs more lines.
    pub fn is_complete(&self, code: &str) -> Completeness {
        rust_cells::is_complete(code).unwrap_or_else(|| completeness::of(&self.engine, code))
    }

    fn run(&mut self, request: &Execute) -> Result<Outcome, CellError> {
        self.sources.add(&request.cell_name, &request.code);
        if let Some(parsed) = magics::parse(&request.code) {
            return magics::run(self, request, parsed);
        }
        self.run_code(&request.code, request)
    }

    /// Runs code of the cell `request`: its text, or the text with magics made blank. A last line `name?` is answered
    /// when the code before it has run.
    pub(super) fn run_code(&mut self, code: &str, request: &Execute) -> Result<Outcome, CellError> {
        let Some(asked) = magics::last_question(code) else { return self.run_rhai(code, request) };
        if !asked.before.trim().is_empty() {
            let ended = self.run_rhai(asked.before, request)?;
            if ended.exit.is_some() {
                return Ok(ended);
            }
        }
        let detail = if asked.more { Detail::More } else { Detail::Brief };
        let known = inspect::about(asked.name, self, detail);
        let said = known.unwrap_or_else(|| Bundle::text(format!("nothing is known of `{}`", asked.name)));
        Ok(Outcome::of(Some(said)))
    }

    fn run_rhai(&mut self, code: &str, request: &Execute) -> Result<Outcome, CellError> {
        let mut ast = match self.engine.compile(code) {
            Ok(ast) => ast,
            Err(e) => return Err(self.explain(EvalAltResult::from(e), &request.cell_name)),
        };
        ast.set_source(request.cell_name.as_str());
        self.define_functions(&ast, &request.cell_name);
        match run_cell::run(&self.engine, &ast, &self.variables) {
            Ok(value) => {
                let show = !request.silent
                    && !value.is_unit()
                    && !value.is::<Display>()
                    && !completeness::ends_in_semicolon(&self.engine, code);
                Ok(Outcome::of(show.then(|| self.host.bundle(&value))))
            }
            Err(error) => match &*error {
                EvalAltResult::ErrorTerminated(token, _) if token.read_lock::<ExitCode>().is_some() => {
                    let code = token.read_lock::<ExitCode>().map(|c| c.0);
                    Ok(Outcome { exit: code, ..Outcome::of(None) })
                }
                _ => Err(self.explain(*error, &request.cell_name)),
            },
        }
    }

    pub(super) fn run_rust(&mut self, request: &Execute, cell: &rust_cells::Split<'_>) -> Result<Outcome, CellError> {
        let names = || self.names();
        let given = self.rust.run(&request.cell_name, cell, &self.variables, &self.host, &names)?;
        if let Some(functions) = given.functions {
            self.engine.register_global_module(functions.into());
            self.names = OnceLock::new();
        }
        Ok(Outcome::of(given.shown.filter(|_| !request.silent)))
    }

    /// Functions are defined before the first statement runs, as everywhere in Rhai, and replace those of earlier cells.
    fn define_functions(&mut self, ast: &rhai::AST, cell: &str) {
        if !ast.has_functions() {
            return;
        }
        let mut names = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        names.extend(ast.iter_fn_def().map(|f| f.name.to_string()).filter(|n| rhai::is_valid_identifier(n)));
        drop(names);
        self.sources.add_functions(cell, ast);
        self.engine.register_global_module(ast.shared_lib().clone());
        self.names = OnceLock::new();
    }

    /// Forgets all variables and functions of cells; only `args` stays.
    pub(super) fn reset(&mut self) {
        self.variables.clear_but("args");
        self.functions.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.engine = language::engine(&self.host, &self.variables, &self.functions, &self.low_memory);
        self.sources.forget_functions();
        self.names = OnceLock::new();
        self.rust.end();
        minerva_engine::memory::give_back();
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

    /// The functions that a cell can call, with their documentation.
    pub fn names(&self) -> &Names {
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
