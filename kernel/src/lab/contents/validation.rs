//! Whether a notebook is what its format says: what goes wrong in practice, not the whole schema.

use super::notebook::Fields;
use serde_json::Value;

/// The newest minor format that is known. In later ones there may be cells and outputs that nobody here knows.
const KNOWN_MINOR: i64 = 5;

/// The first thing that is wrong, in words for the front end.
pub fn problem(fields: &Fields) -> Option<String> {
    check(fields).err().map(|problem| format!("Notebook validation failed: {problem}"))
}

fn check(fields: &Fields) -> Result<(), String> {
    let minor = field(fields, "nbformat_minor", Value::is_u64, "a number")?.as_i64().unwrap_or_default();
    field(fields, "metadata", Value::is_object, "an object")?;
    let cells = field(fields, "cells", Value::is_array, "a list")?;
    for (index, cell) in cells.as_array().into_iter().flatten().enumerate() {
        let cell =
            cell.as_object().ok_or_else(|| format!("cell {index}: expected an object, found {}", kind_of(cell)))?;
        check_cell(cell, minor).map_err(|problem| format!("cell {index}: {problem}"))?;
    }
    Ok(())
}

fn check_cell(cell: &Fields, minor: i64) -> Result<(), String> {
    let kind = field(cell, "cell_type", Value::is_string, "a string")?.as_str().unwrap_or_default();
    field(cell, "metadata", Value::is_object, "an object")?;
    if !matches!(kind, "code" | "markdown" | "raw") {
        if minor > KNOWN_MINOR {
            return Ok(());
        }
        return Err(format!("cell_type: expected \"code\", \"markdown\" or \"raw\", found {kind:?}"));
    }
    field(cell, "source", is_text, "a string or a list of strings")?;
    if minor >= 5 {
        let id = field(cell, "id", Value::is_string, "a string")?.as_str().unwrap_or_default();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if id.is_empty() || id.len() > 64 || !id.chars().all(fits) {
            return Err(format!("id: expected 1 to 64 letters, digits, '-' and '_', found {id:?}"));
        }
    }
    if kind == "code" { check_code(cell, minor) } else { Ok(()) }
}

fn check_code(cell: &Fields, minor: i64) -> Result<(), String> {
    field(cell, "execution_count", |value| value.is_null() || value.is_u64(), "a number or null")?;
    let outputs = field(cell, "outputs", Value::is_array, "a list")?;
    for (index, output) in outputs.as_array().into_iter().flatten().enumerate() {
        check_output(output, minor).map_err(|problem| format!("output {index}: {problem}"))?;
    }
    Ok(())
}

fn check_output(output: &Value, minor: i64) -> Result<(), String> {
    let output = output.as_object().ok_or_else(|| format!("expected an object, found {}", kind_of(output)))?;
    match field(output, "output_type", Value::is_string, "a string")?.as_str().unwrap_or_default() {
        "execute_result" | "display_data" => {
            field(output, "data", Value::is_object, "an object")?;
            field(output, "metadata", Value::is_object, "an object")?;
        }
        "stream" => {
            field(output, "name", Value::is_string, "a string")?;
            field(output, "text", is_text, "a string or a list of strings")?;
        }
        "error" => {
            field(output, "ename", Value::is_string, "a string")?;
            field(output, "evalue", Value::is_string, "a string")?;
            field(output, "traceback", Value::is_array, "a list of strings")?;
        }
        _ if minor > KNOWN_MINOR => {}
        other => {
            let expected = "expected \"execute_result\", \"display_data\", \"stream\" or \"error\"";
            return Err(format!("output_type: {expected}, found {other:?}"));
        }
    }
    Ok(())
}

fn field<'a>(of: &'a Fields, name: &str, fits: fn(&Value) -> bool, expected: &str) -> Result<&'a Value, String> {
    match of.get(name) {
        Some(value) if fits(value) => Ok(value),
        Some(value) => Err(format!("{name}: expected {expected}, found {}", kind_of(value))),
        None => Err(format!("'{name}' is a required property")),
    }
}

fn is_text(value: &Value) -> bool {
    value.is_string() || value.as_array().is_some_and(|lines| lines.iter().all(Value::is_string))
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn found(minor: i64, cells: Value) -> Option<String> {
        let notebook = json!({ "nbformat": 4, "nbformat_minor": minor, "metadata": {}, "cells": cells });
        problem(notebook.as_object().unwrap())
    }

    #[test]
    fn what_is_right_passes() {
        assert_eq!(problem(super::super::notebook::empty().as_object().unwrap()), None);
        let code = json!({"cell_type": "code", "id": "a-1", "metadata": {}, "source": "x", "execution_count": null, "outputs": [
            {"output_type": "stream", "name": "stdout", "text": ["a\n", "b"]},
            {"output_type": "display_data", "data": {}, "metadata": {}},
            {"output_type": "error", "ename": "E", "evalue": "e", "traceback": []}], "unknown": 1});
        assert_eq!(found(5, json!([code])), None);
        assert_eq!(found(6, json!([{"cell_type": "new", "metadata": {}}])), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let says = |cells: Value, words: &str| {
            let problem = found(5, cells).unwrap();
            assert!(problem.starts_with("Notebook validation failed: ") && problem.contains(words), "{problem}");
        };
        says(json!([1]), "cell 0: expected an object");
        says(json!([{"cell_type": "wrong", "metadata": {}}]), "found \"wrong\"");
        says(json!([{"cell_type": "raw", "metadata": {}}]), "'source' is a required property");
        says(json!([{"cell_type": "raw", "metadata": {}, "source": "", "id": "a b"}]), "found \"a b\"");
        let code = json!({"cell_type": "code", "id": "a", "metadata": {}, "source": "", "execution_count": 1});
        says(json!([code]), "'outputs' is a required property");
        let no_minor = json!({ "nbformat": 4, "metadata": {}, "cells": [] });
        assert!(problem(no_minor.as_object().unwrap()).unwrap().contains("nbformat_minor"));
    }
}
