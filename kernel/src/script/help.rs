//! `help()`, `help("name")`, `help(value)`: what there is, from the same documentation that completion shows.

use super::core::Shown;
use super::define;
use super::error::{ScriptResult, raise};
use super::names::{Names, OptionDoc, Role};
use super::reference::{Reference, Section, wrapped};
use crate::display::Bundle;
use minerva_engine::Error;
use rhai::{Dynamic, Engine, ImmutableString, NativeCallContext};
use std::fmt::Write;

/// Registers the functions of this file.
pub fn register(engine: &mut Engine) {
    define("help", &["Shown"], "What this session offers beside the language itself, by topic.")
        .example("help()")
        .register_into_engine(engine, |context: NativeCallContext<'_>| {
            Shown(overview(&Names::of_ours(context.engine())))
        });
    let doc = "What is known of a function, a property, an option, a type or a topic by its name; of any other value, what its type can do.";
    define("help", &["of: string|any", "Shown"], doc)
        .example("help(\"generate\")")
        .example("help(\"Tensor\")")
        .example("help(m)")
        .register_into_engine(engine, |context: NativeCallContext<'_>, of: Dynamic| -> ScriptResult<Shown> {
            let names = Names::of(context.engine());
            match of.read_lock::<ImmutableString>() {
                Some(name) => {
                    let known = about(&names, &name).or_else(|| about_option(&names, &name));
                    known.ok_or_else(|| unknown(&names, &name))
                }
                None => {
                    let kind = names.type_of(&of);
                    about(&names, &kind).ok_or_else(|| unknown(&names, &kind))
                }
            }
            .map(Shown)
        });
}

/// What is known of a name: a type or topic with what belongs to it, or every function and property of that name.
pub fn about(names: &Names, name: &str) -> Option<Bundle> {
    let reference = Reference::of(names);
    if let Some(section) = reference.section(name) {
        return Some(page(section));
    }
    let (kind, plain) = name.split_once('.').map_or((None, name), |(kind, plain)| (Some(kind), plain));
    let entries: Vec<_> = reference
        .entries()
        .filter(|e| e.name() == plain && kind.is_none_or(|k| e.key() == format!("{k}.{plain}")))
        .collect();
    let known: Vec<Bundle> = match entries.is_empty() {
        false => entries.iter().map(|e| e.bundle()).collect(),
        true => names.entry(plain).map(|e| e.bundle()).into_iter().collect(),
    };
    joined(&known)
}

/// What is known of an option, under any of its spellings: which functions have it, and what each says of it.
pub fn about_option(names: &Names, name: &str) -> Option<Bundle> {
    let mut said: Vec<(OptionDoc, Vec<String>)> = Vec::new();
    for entry in Reference::of(names).entries() {
        let Some(option) = entry.documentation().options.into_iter().find(|o| o.is_called(name)) else { continue };
        match said.iter_mut().find(|(known, _)| *known == option) {
            Some((_, functions)) => functions.push(entry.key()),
            None => said.push((option, vec![entry.key()])),
        }
    }
    let (mut text, mut markdown) = (Vec::new(), Vec::new());
    for (option, functions) in &said {
        let signature = option.signature();
        let head = wrapped(&format!("An option of {}:", functions.join(", ")), "");
        text.push(format!("{head}\n  {signature}\n{}", wrapped(&option.doc, "      ")).trim_end().to_owned());
        let functions: Vec<String> = functions.iter().map(|f| format!("`{f}`")).collect();
        markdown.push(format!("An option of {}:\n\n- `{signature}` {}", functions.join(", "), option.doc));
    }
    let (text, markdown) = (text.join("\n\n"), markdown.join("\n\n"));
    (!said.is_empty()).then(|| Bundle::markdown(markdown).with("text/plain", text))
}

fn unknown(names: &Names, name: &str) -> Box<rhai::EvalAltResult> {
    let known = names.all().filter(|f| f.role != Role::Other).map(|f| f.name.as_str());
    raise(Error::not_found("function", name, known).with_help("help() lists what there is"))
}

/// One text after the other.
fn joined(bundles: &[Bundle]) -> Option<Bundle> {
    let all = |mime: &str, between: &str| {
        let texts = bundles.iter().filter_map(|b| b.data.get(mime).and_then(|v| v.as_str()));
        texts.collect::<Vec<_>>().join(between)
    };
    let markdown = all("text/markdown", "\n\n---\n\n");
    (!bundles.is_empty()).then(|| Bundle::markdown(markdown).with("text/plain", all("text/plain", "\n\n")))
}

/// Every topic: its functions with a line each, its types with the names of what they can do.
fn overview(names: &Names) -> Bundle {
    let mut text = String::new();
    let mut markdown = String::new();
    for section in &Reference::of(names).sections {
        let (head, lines) = (heading(section), brief(section));
        let _ = write!(text, "{head}\n{}\n\n", lines.0);
        let _ = write!(markdown, "**{head}**\n\n{}\n\n", lines.1);
    }
    let end =
        "help(\"name\") or name? tells more of one of them, %help of the magics; minerva docs writes it all as a page.";
    Bundle::markdown(markdown + end).with("text/plain", text + end)
}

fn heading(section: &Section<'_>) -> String {
    match section.about {
        Some(about) => format!("{}: {}", section.title, about.documentation().summary().trim_end_matches('.')),
        None => section.title.clone(),
    }
}

/// A section as text and as Markdown: of a type the names alone, which can be many.
fn brief(section: &Section<'_>) -> (String, String) {
    if section.about.is_some() {
        let names = section.names();
        let code: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
        return (wrapped(&names.join(", "), "  "), code.join(", "));
    }
    listed(section)
}

/// A section with a line or two for each name.
fn listed(section: &Section<'_>) -> (String, String) {
    let (mut text, mut markdown) = (Vec::new(), Vec::new());
    for entry in &section.entries {
        let calls = entry.signatures();
        let doc = entry.documentation();
        let longest = calls.iter().max_by_key(|c| c.len()).cloned().unwrap_or_default();
        text.push(format!("  {longest}\n{}", wrapped(doc.summary(), "      ")).trim_end().to_owned());
        markdown.push(format!("- `{longest}` {}", doc.summary()).trim_end().to_owned());
    }
    (text.join("\n"), markdown.join("\n"))
}

/// A type or a topic as a page of its own.
fn page(section: &Section<'_>) -> Bundle {
    let (text, markdown) = listed(section);
    let about = section.about.map(|f| super::reference::Entry { overloads: vec![f], method: false }.documentation());
    let (mut head, mut rich) = (section.title.clone(), format!("### {}", section.title));
    if let Some(doc) = about {
        let _ = write!(head, "\n{}", wrapped(&doc.text, "    "));
        let _ = write!(rich, "\n\n{}", doc.text);
        for example in &doc.examples {
            let _ = write!(head, "\n\n      {}", example.code.replace('\n', "\n      "));
            let _ = write!(rich, "\n\n```rhai\n{}\n```", example.code);
        }
    }
    Bundle::markdown(format!("{rich}\n\n{markdown}")).with("text/plain", format!("{head}\n\n{text}"))
}
