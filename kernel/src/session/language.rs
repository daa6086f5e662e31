//! The language as a session speaks it: limits, the variable resolver, the interrupt.

use super::comparison;
use super::memory::LowMemory;
use super::variables::Variables;
use crate::script::{self, Host};
use rhai::{Dynamic, Engine, EvalAltResult, FnPtr, Position};
use std::sync::{Arc, PoisonError, RwLock};

/// Nested calls of script functions. The session's thread has the stack for them.
const CALL_LEVELS: usize = 1000;
/// Nesting of expressions outside and inside of functions. 1,000 calls of a function as deep as this take about
/// 100 MB of stack.
const EXPRESSION_DEPTH: usize = 256;
const FUNCTION_DEPTH: usize = 128;

/// Names of the script functions defined so far, which can be used as values.
pub type FunctionNames = Arc<RwLock<std::collections::BTreeSet<String>>>;

/// The engine of one session.
pub fn engine(host: &Host, variables: &Variables, functions: &FunctionNames, low: &LowMemory) -> Engine {
    let mut engine = Engine::new();
    engine.set_max_call_levels(CALL_LEVELS);
    engine.set_max_expr_depths(EXPRESSION_DEPTH, FUNCTION_DEPTH);
    comparison::register(&mut engine);
    script::register(&mut engine, host);
    resolve_variables(&mut engine, variables.clone(), Arc::clone(functions));
    let interrupt = host.interrupt().clone();
    let low = low.clone();
    engine.on_progress(move |_| match interrupt.is_raised() {
        true => Some(script::error::INTERRUPTED.into()),
        false => low.left().map(Dynamic::from),
    });
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
        // The offset counts from the innermost variable outwards: within the scope it is a local, unless it is one that
        // the cell's own top level defined. Those are handed out like all the notebook's, not locked in place, so that
        // what runs on one may read it.
        let length = context.scope().len();
        let local = if index > 0 { index <= length } else { context.scope().contains(name) };
        let adopted = context.call_level() == 0 && index > 0 && index <= length && length - index < variables.adopted();
        if local && !adopted {
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
