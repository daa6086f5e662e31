//! Script functions as hooks.

use crate::display::type_name;
use crate::script::error::{ScriptResult, guard, raise};
use crate::script::options::FromOption;
use minerva_engine::tensor::Tensor;
use minerva_engine::trace::Hook;
use minerva_engine::{Error, Result};
use rhai::{Array, Dynamic, EvalAltResult, FnPtr, ImmutableString, NativeCallContext};
use std::cell::RefCell;

/// Runs engine work with script functions as hooks. `list` is `[[pattern, function], …]`; a function takes the activation
/// and, if it has a second parameter, the name of the hook point, and returns a tensor of the same shape, or `()` to leave
/// the activation as it is. What a function raises is raised here, with its place.
pub fn run<T>(
    context: &NativeCallContext<'_>,
    function: &'static str,
    list: &Array,
    work: impl FnOnce(Vec<Hook<'_>>) -> Result<T>,
) -> ScriptResult<T> {
    let raised = RefCell::new(None);
    let hooks = pairs(function, list)?.into_iter().map(|(pattern, f)| {
        let raised = &raised;
        Hook::new(pattern, move |name, x| call(context, &f, name, x, raised))
    });
    let hooks = hooks.collect();
    let result = guard(|| work(hooks));
    match raised.into_inner() {
        Some(error) => Err(error),
        None => result,
    }
}

/// Patterns of hook points: a string or an array of strings.
pub fn patterns(function: &str, value: &Dynamic) -> ScriptResult<Vec<String>> {
    Vec::<String>::from_option(value).ok_or_else(|| {
        let expected = "a name or pattern of hook points, or an array of them";
        raise(Error::argument(format!("{function}: patterns"), expected, type_name(value)))
    })
}

fn pairs(function: &str, list: &Array) -> ScriptResult<Vec<(String, FnPtr)>> {
    let wrong = |found: String| {
        let error = Error::argument(format!("{function}: hooks"), "an array of [pattern, function]", found);
        raise(error.with_help("as in [[\"blocks.0.hook_resid_post\", |x| x * 0.0]]"))
    };
    let pair = |value: &Dynamic| {
        let Some(pair) = value.read_lock::<Array>() else { return Err(wrong(type_name(value))) };
        let [pattern, function] = pair.as_slice() else {
            return Err(wrong(format!("an array of {} items", pair.len())));
        };
        match (String::from_option(pattern), FnPtr::from_option(function)) {
            (Some(pattern), Some(function)) => Ok((pattern, function)),
            _ => Err(wrong(format!("[{}, {}]", type_name(pattern), type_name(function)))),
        }
    };
    // One pair alone is understood too.
    if let [first, second] = list.as_slice()
        && let (Some(pattern), Some(function)) = (String::from_option(first), FnPtr::from_option(second))
    {
        return Ok(vec![(pattern, function)]);
    }
    list.iter().map(pair).collect()
}

fn call(
    context: &NativeCallContext<'_>,
    f: &FnPtr,
    name: &str,
    x: &Tensor,
    raised: &RefCell<Option<Box<EvalAltResult>>>,
) -> Result<Option<Tensor>> {
    let at = Dynamic::from(ImmutableString::from(name));
    // Shared, so that a function that changes its parameter is told from one that only looks.
    let seen = Dynamic::from(x.clone()).into_shared();
    match f.call_raw_with_extra_args("hook", context, None, [seen.clone()], [at], None) {
        Ok(value) if value.is_unit() && !seen.read_lock::<Tensor>().is_some_and(|now| now.is_same(x)) => {
            let expected = "the function to return the activation it makes";
            let found = "one that changes its own parameter and returns nothing";
            let error = Error::argument(format!("hook at {name:?}"), expected, found);
            Err(error.with_help("end the function with the new activation: |x| x * 2.0, or |x| { x *= 2.0; x }"))
        }
        Ok(value) if value.is_unit() => Ok(None),
        Ok(value) => {
            let tensor = value.read_lock::<Tensor>().map(|t| t.clone());
            let found = || {
                Error::argument(format!("hook at {name:?}"), "a tensor, or () for no change", type_name(&value))
                    .with_help("a function returns the value of its last statement; end it with () to leave the activation as it is")
            };
            tensor.map(Some).ok_or_else(found)
        }
        Err(error) if is_not_found(&error, f.fn_name()) => {
            let expected = "a function of the activation, or of the activation and the name of the hook point";
            let name = if f.is_anonymous() { "a function".to_owned() } else { format!("fn {}", f.fn_name()) };
            let found = format!("{name} of another number of parameters");
            Err(Error::argument("hook", expected, found).with_help("write |x| … or |x, name| …"))
        }
        Err(error) => {
            *raised.borrow_mut() = Some(error);
            // Ends the pass; what the function raised is what is told.
            Err(Error::Interrupted)
        }
    }
}

/// Whether an error says that no function of this name takes the arguments.
fn is_not_found(error: &EvalAltResult, name: &str) -> bool {
    match error {
        EvalAltResult::ErrorFunctionNotFound(signature, _) => {
            signature.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('('))
        }
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) => is_not_found(inner, name),
        _ => false,
    }
}
