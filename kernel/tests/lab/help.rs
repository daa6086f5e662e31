//! What the tests share.

use minerva_tests::lab::{Server, Start};
use serde_json::{Value, json};

/// The program.
pub const MINERVA: &str = env!("CARGO_BIN_EXE_minerva");

/// A server that has not been started yet.
pub fn lab() -> Start {
    Start::new(MINERVA)
}

/// A server of an empty folder.
#[track_caller]
pub fn server() -> Server {
    lab().go()
}

/// A notebook with one code cell that was run.
pub fn notebook(source: &str, outputs: &Value) -> Value {
    json!({
        "cells": [{
            "cell_type": "code", "execution_count": 1, "id": "first-cell", "metadata": {}, "outputs": outputs,
            "source": source,
        }],
        "metadata": { "kernelspec": { "display_name": "Minerva", "language": "rhai", "name": "minerva" } },
        "nbformat": 4,
        "nbformat_minor": 5,
    })
}

/// A notebook without what may differ between a file and its model: texts are whole instead of lists of lines, and
/// nothing is said of trust.
pub fn plain(mut notebook: Value) -> Value {
    for cell in notebook["cells"].as_array_mut().unwrap() {
        if let Some(metadata) = cell["metadata"].as_object_mut() {
            metadata.shift_remove("trusted");
        }
        // A text without lines is an empty list.
        if cell["source"] == json!([]) {
            cell["source"] = json!("");
        }
        whole(cell);
    }
    notebook
}

fn whole(value: &mut Value) {
    match value {
        Value::Array(lines) if !lines.is_empty() && lines.iter().all(Value::is_string) => {
            *value = lines.iter().filter_map(Value::as_str).collect::<String>().into();
        }
        Value::Array(values) => values.iter_mut().for_each(whole),
        Value::Object(fields) => fields.values_mut().for_each(whole),
        _ => {}
    }
}

/// All names in a folder and below, without the folder's own.
pub fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                open.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found
}
