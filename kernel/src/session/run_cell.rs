//! Running one cell, statement by statement.

use super::variables::Variables;
use rhai::{AST, Caches, Dynamic, Engine, EvalAltResult, ImmutableString, Scope, Stmt};

/// A value no script makes: the statement that yields it after another one tells that the first did not return.
const WENT_ON: &str = "\u{1}went on";

/// Runs the statements of a cell and returns the value of the last one.
///
/// After each statement what it defined becomes a notebook variable, so that the functions of the same cell see it and
/// an error in a later statement loses nothing.
///
/// # Errors
/// Whatever a statement raised.
pub fn run(engine: &Engine, ast: &AST, variables: &Variables) -> Result<Dynamic, Box<EvalAltResult>> {
    variables.begin();
    let mut scope = Scope::new();
    let mut global = engine.new_global_runtime_state();
    global.source = ast.source().map(Into::into);
    let mut caches = Caches::new();
    let marker = marker(engine)?;
    let mut value = Dynamic::UNIT;
    let statements = ast.statements();
    for (n, statement) in statements.iter().enumerate() {
        let defined = scope.len();
        let last = n + 1 == statements.len();
        let pair = [statement.clone(), marker.clone()];
        let run = if last { &pair[..1] } else { &pair[..] };
        #[allow(deprecated)] // the public way to evaluate statements in a given state
        let result = engine.eval_statements_raw(&mut global, &mut caches, &mut scope, run);
        variables.adopt(&mut scope, defined, defined_again(statement));
        value = result?;
        // `return` in a nested statement ends the cell with its value, and is not told otherwise.
        if !last && value.read_lock::<ImmutableString>().is_none_or(|s| *s != WENT_ON) {
            break;
        }
    }
    Ok(value.flatten())
}

/// The name that this `let` or `const` defines for the second time in its cell.
fn defined_again(statement: &Stmt) -> Option<&str> {
    match statement {
        Stmt::Var(definition, ..) if definition.2.is_some() => Some(definition.0.as_ref()),
        _ => None,
    }
}

fn marker(engine: &Engine) -> Result<Stmt, Box<EvalAltResult>> {
    let ast = engine.compile(format!("\"{}\"", WENT_ON.replace('\u{1}', "\\x01")))?;
    ast.statements().first().cloned().ok_or_else(|| "a literal is a statement".into())
}
