//! The functions a session knows: names, parameters, documentation.

use super::documentation::{Documentation, OptionDoc};
use super::function::{Function, Role};
use super::metadata::Metadata;
use crate::display::type_name;
use crate::script::reference::Entry;
use rhai::{Dynamic, Engine};
use std::collections::HashMap;

/// Every function of an engine, native and script.
#[derive(Debug, Clone, Default)]
pub struct Names {
    functions: Vec<Function>,
    /// What scripts call a registered type, by the name Rust has for it.
    types: HashMap<String, String>,
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
        functions.dedup_by(|later, first| {
            let same = later.role == first.role && later.signature(false) == first.signature(false);
            // A property of one type is not that of another.
            same && (later.role == Role::Call || later.params == first.params)
        });
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

    /// The options that a function's documentation lists, those of functions it refers to (`the options of generate`)
    /// included.
    pub fn options_of(&self, name: &str) -> Vec<OptionDoc> {
        let mut out: Vec<OptionDoc> = Vec::new();
        for function in self.calls(name) {
            let doc = Documentation::parse(&function.doc);
            let named = doc.text.split_once("options of ").map_or("", |(_, rest)| rest);
            let words = named.split_whitespace().take(4).map(|w| w.trim_matches(|c: char| !c.is_alphanumeric()));
            let others = words.filter(|w| *w != name).flat_map(|w| self.calls(w));
            out.extend(others.flat_map(|f| Documentation::parse(&f.doc).options));
            out.extend(doc.options);
        }
        out.sort_by(|a, b| (&a.name, a.doc.is_empty()).cmp(&(&b.name, b.doc.is_empty())));
        out.dedup_by(|later, first| later.name == first.name);
        out
    }

    /// Every signature of a name, the language's own included.
    pub fn entry(&self, name: &str) -> Option<Entry<'_>> {
        let overloads: Vec<&Function> =
            self.all().filter(|f| f.name == name && matches!(f.role, Role::Call | Role::Getter)).collect();
        (!overloads.is_empty()).then_some(Entry { overloads, method: false })
    }

    /// What can follow `value.` for a value of this type: methods and properties.
    pub fn members<'a>(&'a self, receiver: &'a str) -> impl Iterator<Item = &'a Function> {
        self.all().filter(move |f| matches!(f.role, Role::Call | Role::Getter) && f.takes(receiver))
    }
}
