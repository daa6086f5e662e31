//! `pub fn` of Rust cells as functions of the language.

use super::RustCells;
use super::protocol::Function;
use crate::script::names::{self, Names};
use crate::script::{Host, define};
use rhai::{Dynamic, EvalAltResult, Module, NativeCallContext, RhaiFunc};
use std::any::TypeId;
use std::sync::Arc;

/// The functions as a module whose calls go over to the cells.
pub fn module(functions: &[&Function], cells: &RustCells, host: &Host) -> Module {
    let mut module = Module::new();
    for function in functions {
        let mut params: Vec<String> =
            function.params.iter().map(|(n, kind)| format!("{n}: {}", script_type(kind))).collect();
        params.push(script_type(&function.returns));
        let params: Vec<&str> = params.iter().map(String::as_str).collect();
        let signature = function.params.iter().map(|(n, kind)| format!("{n}: {kind}")).collect::<Vec<_>>().join(", ");
        let returns = if function.returns.is_empty() { String::new() } else { format!(" -> {}", function.returns) };
        let own = format!("`fn {}({signature}){returns}` of a Rust cell.", function.name);
        let doc = if function.doc.is_empty() { own } else { format!("{}\n\n{own}", function.doc) };
        let types = vec![TypeId::of::<Dynamic>(); function.params.len()];
        let (name, cells, host) = (function.name.clone(), cells.clone(), host.clone());
        let call = move |_: Option<NativeCallContext<'_>>,
                         arguments: &mut [&mut Dynamic]|
              -> Result<Dynamic, Box<EvalAltResult>> {
            // Called as a method or not, the first argument stays as it is.
            let arguments: Vec<Dynamic> = arguments.iter().map(|a| a.flatten_clone()).collect();
            cells.call(&name, &arguments, &host)
        };
        let func = RhaiFunc::Method { func: Arc::new(call), has_context: true, is_pure: true, is_volatile: true };
        define(&function.name, &params, &doc).set_into_module_raw(&mut module, types, func);
    }
    module.build_index();
    module
}

/// What to tell about functions that scripts do not reach: the language's own, and functions of other cells, come first where
/// they take the same values.
pub fn hidden(functions: &[&Function], names: &Names) -> Vec<String> {
    let note = |function: &&Function| {
        let name = &function.name;
        let takes: Vec<String> = function.params.iter().map(|(_, kind)| script_type(kind)).collect();
        let other = names.calls(name).into_iter().find(|other| is_before(other, &takes))?;
        let whose = if other.script { "a cell" } else { "the language" };
        let signature = other.signature(false);
        Some(format!(
            "note: scripts that call `{name}` get `{signature}` of {whose}, not this one: give it another name\n"
        ))
    };
    functions.iter().filter_map(note).collect()
}

/// Whether a function is found before one of a Rust cell that takes these types.
fn is_before(other: &names::Function, takes: &[String]) -> bool {
    let of_rust_cell = other.from.ends_with("rust_cells/functions");
    let same = |(param, kind): (&names::Param, &String)| {
        let whole = param.kind == "int" && kind == "float";
        other.script || whole || param.kind == *kind || param.kind == "any" || kind == "any"
    };
    !of_rust_cell && other.params.len() == takes.len() && other.params.iter().zip(takes).all(same)
}

/// What a script calls the type of a parameter or a result.
fn script_type(kind: &str) -> String {
    let bare = kind.trim().trim_start_matches('&').trim_start_matches("'static ").trim();
    let name = bare.split('<').next().unwrap_or_default().rsplit("::").next().unwrap_or_default().trim();
    let inner = || bare.split_once('<').map_or("", |(_, rest)| rest.trim_end_matches('>'));
    match name {
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => {
            "int".into()
        }
        "f32" | "f64" => "float".into(),
        "String" | "str" | "char" => "string".into(),
        "bool" => "bool".into(),
        "Tensor" => "Tensor".into(),
        "HashMap" | "BTreeMap" => "map".into(),
        "Vec" => "array".into(),
        "Result" => script_type(inner().split(',').next().unwrap_or_default()),
        _ if bare.starts_with('[') || bare.starts_with('(') && bare != "()" => "array".into(),
        "" | "()" => "()".into(),
        _ => "any".into(),
    }
}
