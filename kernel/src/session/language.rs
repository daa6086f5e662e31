//! The language as a session speaks it: limits, the variable resolver, the interrupt.

use super::variables::Variables;
use crate::script::{self, Host};
use rhai::{Dynamic, Engine, EvalAltResult, FnPtr, Position};
use std::sync::{Arc, PoisonError, RwLock};

/// Nested calls of script functions. The session's thread has the stack for them.
const CALL_LEVELS: usize = 1000;
/// Nesting of expressions, outside and inside functions: what a parser's stack can take.
const EXPRESSION_DEPTH: usize = 256;

/// Names of the script functions defined so far, which can be used as values.
pub type FunctionNames = Arc<RwLock<std::collections::BTreeSet<String>>>;

/// The engine of one session.
pub fn engine(host: &Host, variables: &Variables, functions: &FunctionNames) -> Engine {
    let mut engine = Engine::new();
    engine.set_max_call_levels(CALL_LEVELS);
    engine.set_max_expr_depths(EXPRESSION_DEPTH, EXPRESSION_DEPTH);
    script::register(&mut engine, host);
    resolve_variables(&mut engine, variables.clone(), Arc::clone(functions));
    let interrupt = host.interrupt().clone();
    engine.on_progress(move |_| interrupt.is_raised().then(|| script::error::INTERRUPTED.into()));
    let out = host.clone();
    engine.on_print(move |text| out.emit(super::SessionEvent::Stdout(format!("{text}\n"))));
    let out = host.clone();
    engine.on_debug(move |text, source, position| {
        let place = source.map_or(String::new(), |s| format!("[{s}:{position}] "));
        out.emit(super::SessionEvent::Stderr(format!("{place}{text}\n")));
    });
    engine
}

/// Variables that are not local are the notebook's, wherever they are named: in a later cell, inside a function or in
/// a closure. Then come the names of functions.
fn resolve_variables(engine: &mut Engine, variables: Variables, functions: FunctionNames) {
    #[allow(deprecated)] // rhai marks it as volatile, not as deprecated
    engine.on_var(move |name, index, context| {
        // The offset counts from the innermost variable outwards: within the scope it is a local.
        let local = if index > 0 { index <= context.scope().len() } else { context.scope().contains(name) };
        if local {
            return Ok(None);
        }
        if let Some(value) = variables.get(name) {
            if value.is_locked() {
                return Err(Box::new(EvalAltResult::ErrorDataRace(name.to_owned(), Position::NONE)));
            }
            return Ok(Some(value));
        }
        if functions.read().unwrap_or_else(PoisonError::into_inner).contains(name) {
            return FnPtr::new(name).map(|f| Some(Dynamic::from(f)));
        }
        Ok(None)
    });
}
