//! `==`, `!=`, `<`, `<=`, `>`, `>=`: numbers are compared as IEEE 754 says.
//!
//! The language itself takes floats for equal whose relative difference is below 2e-16: 1e-17 is not above 0 there, and
//! infinity is not itself. Its operators for its own types cannot be replaced while they are its fast ones, and without
//! those every addition would be slower too. So these six alone are taken out of the language and come back as operators
//! of the same name and precedence, whose functions are looked up as those of tensors are. A comparison of integers then
//! costs one look-up in the cache of functions more, arithmetic costs nothing.

use crate::script::error::ScriptResult;
use rhai::{Blob, Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext, Position, Variant};
use std::cmp::Ordering;
use std::ops::{Range, RangeInclusive};

/// An operator, its precedence in the language, and of which order it is true; `None` is that of values that have none.
type Operator = (&'static str, u8, fn(Option<Ordering>) -> bool);

const OPERATORS: [Operator; 6] = [
    ("==", 90, |order| order == Some(Ordering::Equal)),
    ("!=", 90, |order| order != Some(Ordering::Equal)),
    ("<", 130, |order| order == Some(Ordering::Less)),
    ("<=", 130, |order| matches!(order, Some(Ordering::Less | Ordering::Equal))),
    (">", 130, |order| order == Some(Ordering::Greater)),
    (">=", 130, |order| matches!(order, Some(Ordering::Greater | Ordering::Equal))),
];

/// Replaces the comparisons of the language.
pub fn register(engine: &mut Engine) {
    for (name, precedence, holds) in OPERATORS {
        engine.disable_symbol(name);
        // Refused is only a name that is still the language's own.
        let replaced = engine.register_custom_operator(name, precedence).is_ok();
        debug_assert!(replaced, "{name}");
        engine.register_fn(name, move |a: i64, b: i64| holds(Some(a.cmp(&b))));
        engine.register_fn(name, move |a: f64, b: f64| holds(a.partial_cmp(&b)));
        engine.register_fn(name, move |a: i64, b: f64| holds((a as f64).partial_cmp(&b)));
        engine.register_fn(name, move |a: f64, b: i64| holds(a.partial_cmp(&(b as f64))));
        engine.register_fn(name, move |a: ImmutableString, b: ImmutableString| holds(Some(a.as_str().cmp(b.as_str()))));
        let others = move |context: NativeCallContext<'_>, a: Dynamic, b: Dynamic| -> ScriptResult<bool> {
            order(&a, &b, matches!(name, "==" | "!=")).map(holds).ok_or_else(|| undefined(&context, name, &a, &b))
        };
        engine.register_fn(name, others);
    }
}

/// How two values of other types compare, as the language has it: different types are neither equal nor in any order.
/// `None` where the comparison is not defined.
fn order(a: &Dynamic, b: &Dynamic, equality: bool) -> Option<Option<Ordering>> {
    if let (Ok(a), Ok(b)) = (a.as_bool(), b.as_bool()) {
        return Some(Some(a.cmp(&b)));
    }
    if let (Some(a), Some(b)) = (characters(a), characters(b)) {
        return Some(Some(a.as_str().cmp(b.as_str())));
    }
    if a.is_unit() && b.is_unit() {
        return Some(Some(Ordering::Equal));
    }
    if a.type_id() != b.type_id() {
        return (!is_number(a) || !is_number(b)).then_some(None);
    }
    let equal =
        || same::<Blob>(a, b).or_else(|| same::<Range<i64>>(a, b)).or_else(|| same::<RangeInclusive<i64>>(a, b));
    equality.then(equal).flatten()
}

/// The text of a string or of a character.
fn characters(value: &Dynamic) -> Option<ImmutableString> {
    match value.as_char() {
        Ok(c) => Some(c.to_string().into()),
        Err(_) => value.read_lock::<ImmutableString>().map(|s| (*s).clone()),
    }
}

fn same<T: Variant + Clone + PartialEq>(a: &Dynamic, b: &Dynamic) -> Option<Option<Ordering>> {
    let (a, b) = (a.read_lock::<T>()?, b.read_lock::<T>()?);
    Some((*a == *b).then_some(Ordering::Equal))
}

/// Numbers of two types that no function compares are an error, not unequal.
fn is_number(value: &Dynamic) -> bool {
    let numbers = ["i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128", "f32", "f64"];
    numbers.contains(&value.type_name())
}

/// The error as the language raises it, which the session explains.
fn undefined(context: &NativeCallContext<'_>, name: &str, a: &Dynamic, b: &Dynamic) -> Box<EvalAltResult> {
    let kind = |value: &Dynamic| context.engine().map_type_name(value.type_name()).to_owned();
    let signature = format!("{name} ({}, {})", kind(a), kind(b));
    Box::new(EvalAltResult::ErrorFunctionNotFound(signature, Position::NONE))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn engine() -> Engine {
        let mut engine = Engine::new();
        register(&mut engine);
        engine
    }

    fn all_true(code: &[&str]) {
        let engine = engine();
        for line in code {
            assert!(engine.eval::<bool>(line).unwrap_or_else(|e| panic!("{line}: {e}")), "{line}");
        }
    }

    #[test]
    fn floats_compare_as_ieee_754_says() {
        all_true(&[
            "1.0 / 0.0 > 1.0",
            "1.0 / 0.0 == 1.0 / 0.0",
            "-1.0 / 0.0 < -1e308 && -1.0 / 0.0 <= 0",
            "let nan = 0.0 / 0.0; nan != nan && !(nan == nan) && !(nan < 1) && !(nan >= 1)",
            "1e-17 > 0.0 && 1e-17 > 0 && 0 < 1e-17 && 1e-17 != 0",
            "1e-200 > 1e-250",
            "0.1 + 0.2 != 0.3 && 0.1 + 0.2 > 0.3",
            "0.0 == -0.0 && 2 == 2.0 && 2.0 >= 2 && 3 > 2.5",
            "[0.1 + 0.2] != [0.3] && [1.0 / 0.0] == [1.0 / 0.0] && #{a: 1e-17} != #{a: 0.0}",
            "1e-17 in [1e-17] && !(1e-17 in [0.0])",
            "let small = |x| x < 1e-300; !small.call(1e-299)",
        ]);
    }

    #[test]
    fn everything_else_compares_as_before() {
        all_true(&[
            "1 < 2 && 2 <= 2 && 3 > 2 && 2 >= 2 && 1 != 2 && 7 == 7",
            "1 + 1 == 2 == true && 1 < 2 == true && !(1 in [2] == true)",
            "1 < -1 == false && 2 * 3 > 5 && 1..3 == 1..3 && 1..3 != 1..=3",
            "\"a\" < \"b\" && \"a\" == 'a' && 'b' > \"a\" && \"ab\" > 'a' && \"ab\" != 'a'",
            "true > false && () == () && !(() != ())",
            "\"1\" != 1 && !(\"1\" == 1) && !(\"1\" < 1) && 1 != () && !(() == [])",
            "[1, 2] == [1, 2] && [1, \"a\"] != [1, 2] && #{a: [1]} == #{a: [1]}",
            "let n = 0; while n < 10 { n += 1; } n == 10",
            "blob(2, 1) == blob(2, 1) && blob(2, 1) != blob(2, 3)",
        ]);
        for code in ["Fn(\"a\") == Fn(\"a\")", "let m = #{}; m < m", "(1..2) < (1..3)"] {
            let e = engine().eval::<bool>(code).unwrap_err();
            assert!(matches!(*e, EvalAltResult::ErrorFunctionNotFound(..)), "{code}: {e}");
        }
        assert!(engine().compile("1 <").is_err() && engine().compile("< 1").is_err());
    }
}
