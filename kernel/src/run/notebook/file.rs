//! A notebook file: read whole, written whole.
//!
//! The JSON is kept as it is, so that fields nobody here knows survive, and is written as Python's `nbformat` writes
//! it: an indent of one space, a final newline, characters unescaped.

use crate::session::language_info;
use minerva_engine::format::atomic::write_small;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

/// A notebook of format 4.
#[derive(Debug, Clone, PartialEq)]
pub struct Notebook {
    root: Map<String, Value>,
}

impl Notebook {
    /// Reads a notebook. One of format 3 is upgraded.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Self::parse(&text).map_err(|problem| format!("{}: {problem}", path.display()))
    }

    /// A notebook from its JSON. One of format 3 is upgraded.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|e| format!("not a notebook: {e}"))?;
        match value.get("nbformat").and_then(Value::as_i64) {
            Some(3) => Self::from_value(Value::Object(upgrade(text)?)),
            _ => Self::from_value(value),
        }
    }

    /// A notebook of format 4 from its JSON.
    pub fn from_value(value: Value) -> Result<Self, String> {
        let root = match (value.get("nbformat").and_then(Value::as_i64), value) {
            (Some(4), Value::Object(root)) => root,
            (Some(n), _) => return Err(format!("notebook format {n}: expected 4")),
            _ => return Err("not a notebook: the field \"nbformat\" is missing".to_owned()),
        };
        let notebook = Self { root };
        if !notebook.root.get("cells").is_some_and(Value::is_array) {
            return Err("not a notebook: the list \"cells\" is missing".to_owned());
        }
        Ok(notebook)
    }

    /// All its fields, to change. The list of cells must stay one.
    pub fn fields_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.root
    }

    /// All its fields.
    pub fn into_fields(self) -> Map<String, Value> {
        self.root
    }

    /// The language that the notebook says it is written in, where it says so.
    pub fn language(&self) -> Option<&str> {
        let metadata = self.root.get("metadata")?;
        let language = metadata.get("kernelspec").and_then(|k| k.get("language"));
        language.or_else(|| metadata.get("language_info").and_then(|l| l.get("name")))?.as_str()
    }

    /// Its cells.
    pub fn cells(&self) -> &[Value] {
        self.root.get("cells").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// Its cells, to change.
    pub fn cells_mut(&mut self) -> &mut [Value] {
        self.root.get_mut("cells").and_then(Value::as_array_mut).map(Vec::as_mut_slice).unwrap_or_default()
    }

    /// Writes down who executed the notebook: the language, and the kernel where none was named.
    pub fn sign(&mut self) {
        let metadata = self.root.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            if !metadata.contains_key("kernelspec") {
                let spec = json!({ "display_name": "Minerva", "language": "rhai", "name": "minerva" });
                insert(metadata, "kernelspec", spec);
            }
            insert(metadata, "language_info", sorted(language_info::value()));
        }
    }

    /// The JSON, as `nbformat` writes it.
    pub fn to_json(&self) -> String {
        let mut out = Vec::new();
        let format = serde_json::ser::PrettyFormatter::with_indent(b" ");
        // Writing a value with text keys to memory cannot fail.
        let _ = self.root.serialize(&mut serde_json::Serializer::with_formatter(&mut out, format));
        out.push(b'\n');
        String::from_utf8(out).unwrap_or_default()
    }

    /// Writes the file: whoever reads it sees the old notebook or the new one.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        write_small(path, self.to_json().as_bytes()).map_err(|e| format!("cannot write {e}"))
    }
}

fn upgrade(text: &str) -> Result<Map<String, Value>, String> {
    let upgraded = match nbformat::parse_notebook(text) {
        Ok(nbformat::Notebook::V3(old)) => nbformat::upgrade_v3_notebook(old).map_err(|e| e.to_string())?,
        Ok(_) => return Err("a notebook of format 3 was expected".to_owned()),
        Err(e) => return Err(format!("notebook of format 3: {e}")),
    };
    let text =
        nbformat::serialize_notebook(&nbformat::Notebook::V4(upgraded)).map_err(|e| format!("cannot upgrade: {e}"))?;
    serde_json::from_str(&text).map_err(|e| format!("cannot upgrade: {e}"))
}

/// Sets a field. A new one goes where it belongs in the order of the alphabet, which is the order `nbformat` writes.
pub fn insert(map: &mut Map<String, Value>, key: &str, value: Value) {
    match map.get_mut(key) {
        Some(old) => *old = value,
        None => {
            let at = map.keys().position(|k| k.as_str() > key).unwrap_or(map.len());
            map.shift_insert(at, key.to_owned(), value);
        }
    }
}

/// The same value with the keys of every object in the order of the alphabet.
pub fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// A text field, which a file holds as one string or as a list of lines.
pub fn joined(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

/// A text as the list of lines that a file holds, cut where Python's `splitlines` cuts.
pub fn lines(text: &str) -> Value {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        line.push(c);
        let inside = c == '\r' && chars.peek() == Some(&'\n');
        if !inside && matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
        {
            lines.push(Value::String(std::mem::take(&mut line)));
        }
    }
    if !line.is_empty() {
        lines.push(Value::String(line));
    }
    Value::Array(lines)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Written by Python's `nbformat.write`.
    const WRITTEN_BY_NBFORMAT: &str = include_str!("fixtures/by_nbformat.ipynb");

    #[test]
    fn a_file_of_nbformat_is_written_back_byte_for_byte() {
        let notebook = Notebook::parse(WRITTEN_BY_NBFORMAT).unwrap();
        assert_eq!(notebook.to_json(), WRITTEN_BY_NBFORMAT);
        assert_eq!(notebook.language(), Some("rhai"));
    }

    #[test]
    fn lines_are_those_of_python() {
        // Python: "a\r\nb\rc\n\u2028d".splitlines(True)
        assert_eq!(lines("a\r\nb\rc\n\u{2028}d"), json!(["a\r\n", "b\r", "c\n", "\u{2028}", "d"]));
        assert_eq!(lines(""), json!([]));
        assert_eq!(joined(&lines("x\n\ny")), "x\n\ny");
    }

    #[test]
    fn what_is_not_a_notebook_is_told_apart() {
        let problem = |text: &str| Notebook::parse(text).unwrap_err();
        assert!(problem("<html>").starts_with("not a notebook"));
        assert!(problem("{}").contains("nbformat"));
        assert!(problem(r#"{"nbformat": 4}"#).contains("cells"));
        assert!(problem(r#"{"nbformat": 5, "cells": []}"#).contains("expected 4"));
    }

    #[test]
    fn format_3_is_upgraded() {
        let old = r#"{"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": "x"}, "worksheets": [{"metadata": {}, "cells": [
            {"cell_type": "code", "collapsed": false, "input": ["print(1)\n", "2"], "language": "rhai", "metadata": {}, "outputs": []}]}]}"#;
        let notebook = Notebook::parse(old).unwrap();
        assert_eq!(joined(&notebook.cells()[0]["source"]), "print(1)\n2");
    }

    #[test]
    fn writing_replaces_the_file_behind_a_link_and_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.ipynb"), folder.path().join("link.ipynb"));
        fs::write(&real, "old").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
            std::os::unix::fs::symlink(&real, &link).unwrap();
            Notebook::parse(WRITTEN_BY_NBFORMAT).unwrap().write(&link).unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
            assert_eq!(fs::read_to_string(&real).unwrap(), WRITTEN_BY_NBFORMAT);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
        }
    }
}
