//! One name with all its signatures, as people read it.

use crate::display::Bundle;
use crate::display::measure::width_of;
use crate::script::names::{Documentation, Function, OptionDoc, Role};
use std::fmt::Write;

/// Columns of a line of text.
const WIDTH: usize = 78;

/// A function, method or property with all its signatures.
#[derive(Debug, Clone)]
pub struct Entry<'n> {
    /// Its signatures; never empty.
    pub overloads: Vec<&'n Function>,
    /// Whether it is called on a value: `m.generate(…)`.
    pub method: bool,
}

impl<'n> Entry<'n> {
    /// Its name.
    pub fn name(&self) -> &'n str {
        self.overloads.first().map_or("", |f| f.name.as_str())
    }

    /// How it is called.
    pub fn role(&self) -> Role {
        self.overloads.first().map_or(Role::Other, |f| f.role)
    }

    /// What tells it from others of its name: `Model.generate`, `display`.
    pub fn key(&self) -> String {
        let first = self.overloads.first().and_then(|f| f.params.first()).filter(|_| self.method);
        first.map_or_else(|| self.name().to_owned(), |p| format!("{}.{}", p.kind, self.name()))
    }

    /// Each way to call it, as a person writes it: `m.generate(prompt: string|array) -> Generation`.
    pub fn signatures(&self) -> Vec<String> {
        let mut all: Vec<String> = self.overloads.iter().map(|f| f.call(self.method)).collect();
        all.dedup();
        all
    }

    /// What is said of each signature; what is said twice stands once.
    pub fn documentation(&self) -> Documentation {
        let mut all = Documentation::default();
        for function in &self.overloads {
            let doc = Documentation::parse(&function.doc);
            if !all.text.contains(&doc.text) {
                all.text = if all.text.is_empty() { doc.text } else { format!("{}\n\n{}", all.text, doc.text) };
            }
            for option in doc.options {
                if !all.options.iter().any(|o| o.name == option.name) {
                    all.options.push(option);
                }
            }
            for example in doc.examples {
                if !all.examples.contains(&example) {
                    all.examples.push(example);
                }
            }
        }
        all
    }

    /// Signatures, documentation, options and examples for a terminal.
    pub fn text(&self) -> String {
        let doc = self.documentation();
        let mut out = self.signatures().join("\n");
        if !doc.text.is_empty() {
            let _ = write!(out, "\n\n{}", wrapped(&doc.text, "    "));
        }
        if !doc.options.is_empty() {
            out.push_str("\n\n    Options:");
            for option in &doc.options {
                let _ = write!(out, "\n      {}", option.signature());
                if !option.doc.is_empty() {
                    let _ = write!(out, "\n{}", wrapped(&option.doc, "          "));
                }
            }
        }
        for (n, example) in doc.examples.iter().enumerate() {
            let head = if n == 0 { "\n\n    Example:" } else { "\n" };
            let _ = write!(out, "{head}\n      {}", example.code.replace('\n', "\n      "));
        }
        out
    }

    /// The same as Markdown, without a heading.
    pub fn markdown(&self) -> String {
        let doc = self.documentation();
        let mut out = format!("```rhai\n{}\n```", self.signatures().join("\n"));
        if !doc.text.is_empty() {
            let _ = write!(out, "\n\n{}", doc.text);
        }
        if !doc.options.is_empty() {
            let _ = write!(out, "\n\n{}", options_table(&doc.options));
        }
        for example in &doc.examples {
            let _ = write!(out, "\n\n```rhai\n{}\n```", example.code);
        }
        out
    }

    /// Both, for a front end to choose from.
    pub fn bundle(&self) -> Bundle {
        Bundle::markdown(self.markdown()).with("text/plain", self.text())
    }
}

fn options_table(options: &[OptionDoc]) -> String {
    if options.iter().all(|o| o.kind.is_empty() && o.doc.is_empty()) {
        let names: Vec<String> = options.iter().map(|o| format!("`{}`", o.name)).collect();
        return format!("Options: {}", names.join(", "));
    }
    let mut out = String::from("| option | type | default | |\n|---|---|---|---|");
    let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{}`", text.replace('|', " \\| ")) };
    for o in options {
        let default = match o.default.chars().next() {
            Some(c) if (c.is_ascii_digit() || "\"-#[tf".contains(c)) && !o.default.contains(' ') => code(&o.default),
            _ => o.default.clone(),
        };
        let _ = write!(out, "\n| `{}` | {} | {default} | {} |", o.name, code(&o.kind), o.doc.replace('|', "\\|"));
    }
    out
}

/// Prose in lines of readable length, each after `indent`.
pub fn wrapped(text: &str, indent: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let length = indent.len() + width_of(&line) + 1 + width_of(word);
            if !line.is_empty() && length > WIDTH {
                out.push(format!("{indent}{line}"));
                line.clear();
            }
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
        out.push(if line.is_empty() { String::new() } else { format!("{indent}{line}") });
    }
    out.join("\n")
}
