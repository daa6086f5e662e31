//! The functions a session knows: names, parameters, documentation.

use crate::display::{plain_type_name, type_name};
use rhai::{Dynamic, Engine};
use serde::Deserialize;
use std::collections::HashMap;

/// Every function of an engine, native and script.
#[derive(Debug, Clone, Default)]
pub struct Names {
    functions: Vec<Function>,
    /// What scripts call a registered type, by the name Rust has for it.
    types: HashMap<String, String>,
}

/// One function, one overload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name; for a property, the property's.
    pub name: String,
    /// Its parameters; for a method written in the script, the receiver is not among them.
    pub params: Vec<Param>,
    /// What it returns; empty when that is not known or nothing.
    pub returns: String,
    /// Its documentation, comment marks removed.
    pub doc: String,
    /// How it is called.
    pub role: Role,
    /// Defined in a cell.
    pub script: bool,
}

/// One parameter: name and type, either of which may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its type as a script says it.
    pub kind: String,
}

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `name(…)` or `first.name(…)`.
    Call,
    /// `first.name`.
    Getter,
    /// An operator, an indexer, a setter: not called by name.
    Other,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    functions: Vec<RawFunction>,
    #[serde(default)]
    custom_types: Vec<RawType>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawType {
    type_name: String,
    display_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFunction {
    name: String,
    #[serde(default)]
    is_anonymous: bool,
    #[serde(rename = "type")]
    kind: String,
    num_params: usize,
    #[serde(default)]
    params: Vec<RawParam>,
    #[serde(default)]
    return_type: String,
    #[serde(default)]
    doc_comments: Vec<String>,
}

#[derive(Deserialize)]
struct RawParam {
    #[serde(default)]
    name: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

impl Names {
    /// The functions of `engine`, those of its standard packages included.
    pub fn of(engine: &Engine) -> Self {
        Self::from_json(&engine.gen_fn_metadata_to_json(true).unwrap_or_default())
    }

    /// The functions that Minerva and the cells add to the language.
    pub fn of_ours(engine: &Engine) -> Self {
        Self::from_json(&engine.gen_fn_metadata_to_json(false).unwrap_or_default())
    }

    fn from_json(json: &str) -> Self {
        let Metadata { functions: raw, custom_types } = serde_json::from_str(json).unwrap_or_default();
        let types = custom_types.into_iter().map(|t| (t.type_name, t.display_name)).collect();
        let mut functions: Vec<Function> =
            raw.into_iter().filter(|f| !f.is_anonymous && !f.name.starts_with("anon$")).map(Function::from).collect();
        functions.sort_by(|a, b| (&a.name, a.params.len(), b.script).cmp(&(&b.name, b.params.len(), a.script)));
        functions.dedup_by(|later, first| later.signature(false) == first.signature(false) && later.role == first.role);
        Self { functions, types }
    }

    /// Every function.
    pub fn all(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter()
    }

    /// The overloads of a name that is called.
    pub fn calls(&self, name: &str) -> Vec<&Function> {
        self.all().filter(|f| f.role == Role::Call && f.name == name).collect()
    }

    /// The type of a value as scripts and signatures call it.
    pub fn type_of(&self, value: &Dynamic) -> String {
        self.types.get(value.type_name()).cloned().unwrap_or_else(|| type_name(value))
    }

    /// The names of the options that a function's documentation lists (`options: a, b.`), those of functions it refers
    /// to (`the options of generate`) included.
    pub fn options_of(&self, name: &str) -> Vec<&str> {
        let mut out = Vec::new();
        for line in self.calls(name).iter().flat_map(|f| f.doc.lines()) {
            out.extend(listed_options(line));
            let named = line.split_once("options of ").map_or("", |(_, rest)| rest);
            for word in named.split_whitespace().take(4).map(|w| w.trim_matches(|c: char| !c.is_alphanumeric())) {
                if word != name {
                    out.extend(self.calls(word).iter().flat_map(|f| f.doc.lines()).flat_map(listed_options));
                }
            }
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Signatures and documentation of a name.
    pub fn about(&self, name: &str) -> Option<String> {
        let mut text = String::new();
        let mut last = "";
        for function in self.all().filter(|f| f.name == name && f.role != Role::Other) {
            if !text.is_empty() && function.doc != last {
                text.push('\n');
            }
            text.push_str(&format!("{}\n", function.signature(false)));
            if !function.doc.is_empty() && function.doc != last {
                text.push_str(&format!("    {}\n", function.doc.replace('\n', "\n    ")));
            }
            last = &function.doc;
        }
        (!text.is_empty()).then(|| text.trim_end().to_owned())
    }

    /// What can follow `value.` for a value of this type: methods and properties.
    pub fn members<'a>(&'a self, receiver: &'a str) -> impl Iterator<Item = &'a Function> {
        self.all().filter(move |f| f.role != Role::Other && f.takes(receiver))
    }
}

impl Function {
    /// Whether a value of type `receiver` can stand before the point.
    pub fn takes(&self, receiver: &str) -> bool {
        match self.params.first() {
            Some(first) => first.kind == receiver || (first.kind == "any" && self.script),
            None => false,
        }
    }

    /// `name(prompt: string, options: map) -> Generation`; as a method without its first parameter.
    pub fn signature(&self, method: bool) -> String {
        let params: Vec<String> = self.params.iter().skip(usize::from(method)).map(Param::text).collect();
        let returns = if self.returns.is_empty() { String::new() } else { format!(" -> {}", self.returns) };
        match self.role {
            Role::Getter => format!("{}{returns}", self.name),
            _ => format!("{}({}){returns}", self.name, params.join(", ")),
        }
    }
}

impl Param {
    fn text(&self) -> String {
        match (self.name.as_str(), self.kind.as_str()) {
            ("", kind) => kind.to_owned(),
            (name, "" | "any") => name.to_owned(),
            (name, kind) => format!("{name}: {kind}"),
        }
    }
}

impl From<RawFunction> for Function {
    fn from(raw: RawFunction) -> Self {
        let (name, role) = match raw.name.strip_prefix("get$") {
            Some(property) => (property.to_owned(), Role::Getter),
            None if rhai::is_valid_identifier(&raw.name) => (raw.name, Role::Call),
            None => (raw.name, Role::Other),
        };
        let mut params: Vec<Param> = raw
            .params
            .into_iter()
            .map(|p| Param {
                name: p.name.unwrap_or_default(),
                kind: plain_type_name(p.kind.as_deref().unwrap_or("any").trim_start_matches("&mut ")).to_owned(),
            })
            .collect();
        params.resize(raw.num_params, Param { name: String::new(), kind: "any".into() });
        let returns = match plain_type_name(result_type(&raw.return_type)) {
            "()" | "any" | "Dynamic" => String::new(),
            name => name.to_owned(),
        };
        Self { name, params, returns, doc: doc_text(&raw.doc_comments), role, script: raw.kind == "script" }
    }
}

/// The names in `options: a, b, c.`
fn listed_options(line: &str) -> impl Iterator<Item = &str> {
    let list = line.split_once("ptions:").map_or("", |(_, list)| list);
    let list = list.split_once(". ").map_or(list, |(list, _)| list);
    list.split(',').map(|o| o.trim().trim_end_matches('.')).filter(|o| rhai::is_valid_identifier(o))
}

/// The type inside `Result<…>` where that is what the signature says.
fn result_type(returns: &str) -> &str {
    let inner = returns.split_once("Result<").or_else(|| returns.split_once("RhaiResultOf<"));
    inner.and_then(|(_, t)| t.split([',', '>']).next()).unwrap_or(returns)
}

/// Documentation without its comment marks; code fences that say nothing are kept out.
fn doc_text(comments: &[String]) -> String {
    let mut out = String::new();
    for line in comments.iter().flat_map(|c| c.lines()) {
        let line = line.trim_start();
        let line = line.strip_prefix("///").or_else(|| line.strip_prefix("/**")).unwrap_or(line);
        let line = line.strip_suffix("*/").unwrap_or(line);
        out.push_str(line.strip_prefix(' ').unwrap_or(line).trim_end());
        out.push('\n');
    }
    out.trim().to_owned()
}
