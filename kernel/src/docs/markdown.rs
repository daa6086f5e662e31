//! The reference as one Markdown text.

use super::{BEFORE, INTRODUCTION};
use crate::script::names::Names;
use crate::script::reference::{Reference, Section};
use crate::session::magics::table;
use std::fmt::Write;

/// Everything, topic by topic.
pub fn markdown(names: &Names) -> String {
    let mut out = format!("# Minerva: the script API\n\n{INTRODUCTION}\n\n```rhai\n{BEFORE}\n```\n");
    for section in &Reference::of(names).sections {
        let _ = write!(out, "\n## {}\n", section.title);
        if let Some(about) = about(section) {
            let _ = write!(out, "\n{about}\n");
        }
        if let Some(table) = properties(section) {
            let _ = write!(out, "\n{table}\n");
        }
        for entry in section.entries.iter().filter(|e| !is_property(e)) {
            let _ = write!(out, "\n### {}\n\n{}\n", entry.key(), entry.markdown());
        }
    }
    let _ = write!(out, "\n## Magics\n\n{}\n", magics());
    out
}

/// What a type is, with its example.
pub fn about(section: &Section<'_>) -> Option<String> {
    let doc = section.about?.documentation();
    let examples: Vec<String> = doc.examples.iter().map(|e| format!("```rhai\n{}\n```", e.code)).collect();
    Some(format!("{}\n\n{}", doc.text, examples.join("\n\n")).trim_end().to_owned())
}

/// The properties of a type as a table.
pub fn properties(section: &Section<'_>) -> Option<String> {
    let rows: Vec<String> = section
        .entries
        .iter()
        .filter(|e| is_property(e))
        .filter_map(|e| {
            let kind = e.overloads.first().map(|f| f.returns.clone()).filter(|r| !r.is_empty());
            let kind = kind.map(|k| format!("`{k}`")).unwrap_or_default();
            Some(format!(
                "| `{}` | {kind} | {} |",
                e.signatures().first()?.split(" -> ").next()?,
                e.documentation().text
            ))
        })
        .collect();
    (!rows.is_empty()).then(|| format!("| property | type | |\n|---|---|---|\n{}", rows.join("\n")))
}

/// Whether it is a property and has no section of its own.
pub fn is_property(entry: &crate::script::reference::Entry<'_>) -> bool {
    entry.role() == crate::script::names::Role::Getter
}

/// The magics as a table.
pub fn magics() -> String {
    let rows: Vec<String> = table::all().map(|m| format!("| `{}` | {} |", m.usage, m.doc)).collect();
    let about = "Lines that a cell of a notebook or of `minerva repl` can begin with; scripts have none. `name?` and `?name` tell what is known of a name, `name??` more.";
    format!("{about}\n\n| magic | what it does |\n|---|---|\n{}", rows.join("\n"))
}
