//! A notebook between the file and the front end: lines joined or cut, ids for cells, nothing that is not its own.

use crate::run::notebook::{insert, joined, lines};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// The fields of a notebook, a cell or an output.
pub type Fields = Map<String, Value>;

/// A notebook without cells.
pub fn empty() -> Value {
    json!({ "cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5 })
}

/// The cells, as far as they are objects.
pub fn cells(fields: &Fields) -> impl Iterator<Item = &Fields> {
    fields.get("cells").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// The cells, as far as they are objects, to change.
pub fn cells_mut(fields: &mut Fields) -> impl Iterator<Item = &mut Fields> {
    fields.get_mut("cells").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Whether a cell holds code.
pub fn is_code(cell: &Fields) -> bool {
    cell.get("cell_type").and_then(Value::as_str) == Some("code")
}

/// The form that is signed and that front ends get: every text one string, every cell with an id of its own, no field that
/// belongs to a program's memory and not to a file. What is normal stays as it is.
pub fn normalize(fields: &mut Fields) {
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        for transient in ["orig_nbformat", "orig_nbformat_minor", "signature", "trusted"] {
            metadata.shift_remove(transient);
        }
    }
    for cell in cells_mut(fields) {
        if let Some(metadata) = cell.get_mut("metadata").and_then(Value::as_object_mut) {
            // The page's own word for the run of a cell. From a file it would pass for the page's.
            metadata.shift_remove("minervaRun");
        }
    }
    each_text(fields, |mime| !is_json(mime), join);
    fill_ids(fields);
}

/// The form that is written: texts as lists of lines, fields in the order of the alphabet.
pub fn denormalize(fields: &mut Fields) {
    let in_lines = |mime: &str| mime.starts_with("text/") || matches!(mime, "application/javascript" | "image/svg+xml");
    each_text(fields, in_lines, cut);
    fields.sort_keys();
    fields.values_mut().for_each(Value::sort_all_objects);
}

/// Changes every text that a file may hold as lines. `texts` picks them out of MIME bundles.
fn each_text(fields: &mut Fields, texts: fn(&str) -> bool, change: fn(&mut Value)) {
    for cell in cells_mut(fields) {
        if let Some(source) = cell.get_mut("source") {
            change(source);
        }
        let attachments = cell.get_mut("attachments").and_then(Value::as_object_mut);
        attachments.into_iter().flat_map(Map::values_mut).for_each(|bundle| in_bundle(bundle, texts, change));
        if !is_code(cell) {
            continue;
        }
        for output in cell.get_mut("outputs").and_then(Value::as_array_mut).into_iter().flatten() {
            let kind = output.get("output_type").and_then(Value::as_str);
            let (stream, data) = (kind == Some("stream"), matches!(kind, Some("execute_result" | "display_data")));
            if stream && let Some(text) = output.get_mut("text") {
                change(text);
            } else if data && let Some(bundle) = output.get_mut("data") {
                in_bundle(bundle, texts, change);
            }
        }
    }
}

fn in_bundle(bundle: &mut Value, texts: fn(&str) -> bool, change: fn(&mut Value)) {
    for (mime, value) in bundle.as_object_mut().into_iter().flatten() {
        if texts(mime) {
            change(value);
        }
    }
}

fn is_json(mime: &str) -> bool {
    mime == "application/json" || (mime.starts_with("application/") && mime.ends_with("+json"))
}

fn join(value: &mut Value) {
    if value.as_array().is_some_and(|lines| lines.iter().all(Value::is_string)) {
        *value = Value::String(joined(value));
    }
}

fn cut(value: &mut Value) {
    if let Some(text) = value.as_str() {
        *value = lines(text);
    }
}

/// From format 4.5 on each cell has an id, unlike all others. A missing one follows from what the cell says, so that
/// two readers of a file, and two signatures of it, agree.
fn fill_ids(fields: &mut Fields) {
    if fields.get("nbformat_minor").and_then(Value::as_i64).unwrap_or_default() < 5 {
        return;
    }
    let mut seen: HashSet<String> = HashSet::new();
    for (index, cell) in cells_mut(fields).enumerate() {
        match cell.get("id") {
            Some(Value::String(id)) if seen.insert(id.clone()) => {}
            _ => {
                let id = new_id(index, cell, &seen);
                insert(cell, "id", Value::String(id.clone()));
                seen.insert(id);
            }
        }
    }
}

fn new_id(index: usize, cell: &Fields, seen: &HashSet<String>) -> String {
    let source = cell.get("source").and_then(Value::as_str).unwrap_or_default();
    let mut attempt = 0_u64;
    loop {
        let mut id = hex::encode(Sha256::digest(format!("{index}:{attempt}:{source}")));
        id.truncate(8);
        if !seen.contains(&id) {
            return id;
        }
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::run::notebook::Notebook;

    const WRITTEN_BY_NBFORMAT: &str = include_str!("../../run/notebook/fixtures/by_nbformat.ipynb");

    fn fields(value: Value) -> Fields {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_nbformat_wrote_comes_back_byte_for_byte() {
        let mut notebook = Notebook::parse(WRITTEN_BY_NBFORMAT).unwrap();
        normalize(notebook.fields_mut());
        assert!(notebook.cells().iter().all(|cell| cell["source"].is_string()));
        denormalize(notebook.fields_mut());
        assert_eq!(notebook.to_json(), WRITTEN_BY_NBFORMAT);
    }

    #[test]
    fn texts_are_joined_and_json_is_left_alone() {
        let mut notebook = fields(
            json!({ "nbformat": 4, "nbformat_minor": 4, "unknown": {"z": 1, "a": ["x", "y"]}, "cells": [
            {"cell_type": "code", "source": ["a\n", "b"], "metadata": {}, "outputs": [
                {"output_type": "display_data", "metadata": {}, "data": {"text/html": ["<b>\n", "</b>"], "application/x+json": ["1", "2"]}},
                {"output_type": "stream", "name": "stdout", "text": ["1\n", "2\n"]},
                {"output_type": "error", "traceback": ["l1", "l2"]}]},
            {"cell_type": "markdown", "source": [], "attachments": {"i.png": {"image/png": ["AA", "BB"]}}}] }),
        );
        normalize(&mut notebook);
        let cells = &notebook["cells"];
        assert_eq!(cells[0]["source"], "a\nb");
        assert_eq!(cells[0]["outputs"][0]["data"], json!({"text/html": "<b>\n</b>", "application/x+json": ["1", "2"]}));
        assert_eq!(cells[0]["outputs"][1]["text"], "1\n2\n");
        assert_eq!(cells[0]["outputs"][2]["traceback"], json!(["l1", "l2"]));
        assert_eq!((&cells[1]["source"], &cells[1]["attachments"]["i.png"]["image/png"]), (&json!(""), &json!("AABB")));
        assert_eq!(notebook["unknown"], json!({"z": 1, "a": ["x", "y"]}));
        let normal = notebook.clone();
        denormalize(&mut notebook);
        assert_eq!(notebook["cells"][0]["outputs"][0]["data"]["text/html"], json!(["<b>\n", "</b>"]));
        assert_eq!(notebook["cells"][1]["attachments"]["i.png"]["image/png"], "AABB");
        assert_eq!(
            notebook.keys().map(String::as_str).collect::<Vec<_>>(),
            ["cells", "nbformat", "nbformat_minor", "unknown"]
        );
        normalize(&mut notebook);
        assert_eq!(notebook, normal);
    }

    #[test]
    fn ids_are_filled_in_and_the_same_each_time() {
        let cell = |id: Value| json!({"cell_type": "raw", "id": id, "source": "x", "metadata": {}});
        let mut notebook = fields(json!({ "nbformat": 4, "nbformat_minor": 5, "cells":
            [cell(json!("a")), cell(json!("a")), {"cell_type": "raw", "source": "y"}] }));
        let mut again = notebook.clone();
        normalize(&mut notebook);
        normalize(&mut again);
        let ids: Vec<&str> = cells(&notebook).map(|cell| cell["id"].as_str().unwrap()).collect();
        assert_eq!(ids[0], "a");
        assert!(ids[1] != "a" && ids[2].len() == 8 && ids[1] != ids[2]);
        assert_eq!(notebook, again);
        let mut old =
            fields(json!({ "nbformat": 4, "nbformat_minor": 4, "cells": [{"cell_type": "raw", "source": "y"}] }));
        normalize(&mut old);
        assert!(old["cells"][0].get("id").is_none());
    }
}
