//! `help()` and `help("name")`: what there is, from the same documentation that completion shows.

use super::core::Shown;
use super::define;
use super::error::{ScriptResult, raise};
use super::names::{Function, Names, Role};
use crate::display::Bundle;
use minerva_engine::Error;
use rhai::{Engine, NativeCallContext};
use std::collections::BTreeMap;

/// Registers the functions of this file.
pub fn register(engine: &mut Engine) {
    define("help", &["Shown"], "What this session offers beside the language itself.")
        .register_into_engine(engine, |context: NativeCallContext<'_>| {
            Shown(Bundle::text(overview(&Names::of_ours(context.engine()))))
        });
    define("help", &["name: string", "Shown"], "What is known about a function.").register_into_engine(
        engine,
        |context: NativeCallContext<'_>, name: &str| -> ScriptResult<Shown> {
            let names = Names::of(context.engine());
            let text = names.about(name).ok_or_else(|| {
                let known = names.all().filter(|f| f.role != Role::Other).map(|f| f.name.as_str());
                raise(Error::not_found("function", name, known).with_help("help() lists what there is"))
            })?;
            Ok(Shown(Bundle::text(text)))
        },
    );
}

/// Documented functions by the type they are methods of; those of no type of ours first.
fn overview(names: &Names) -> String {
    const PLAIN: [&str; 11] =
        ["any", "int", "float", "string", "bool", "array", "map", "function", "char", "blob", "()"];
    let mut groups: BTreeMap<String, Vec<&Function>> = BTreeMap::new();
    for f in names.all().filter(|f| f.role != Role::Other && (!f.doc.is_empty() || f.script)) {
        let of = f.params.first().map_or("any", |p| p.kind.as_str());
        let group = if PLAIN.contains(&of) { "" } else { of };
        groups.entry(group.to_owned()).or_default().push(f);
    }
    let mut out = String::new();
    for (kind, mut functions) in groups {
        out.push_str(&if kind.is_empty() { "Functions\n".to_owned() } else { format!("\n{kind}\n") });
        functions.dedup_by(|later, first| later.name == first.name && later.doc == first.doc);
        for f in functions {
            let call = f.signature(!kind.is_empty() && !f.script);
            let call = if kind.is_empty() { call } else { format!(".{call}") };
            let doc = f.doc.lines().next().unwrap_or_default();
            out.push_str(&format!("  {call}\n"));
            if !doc.is_empty() {
                out.push_str(&format!("      {doc}\n"));
            }
        }
    }
    out.push_str("\nhelp(\"name\") or name? tells more about one of them.");
    out
}
