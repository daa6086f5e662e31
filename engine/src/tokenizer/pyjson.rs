//! JSON, `repr` and title case as Python has them: chat templates were written for Python, and models were trained on its output.

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use std::io::{self, Write};

/// `json.dumps(value, ensure_ascii=False, indent=indent)`.
pub(super) fn dumps(value: &Value, indent: Option<usize>, separators: Option<(String, String)>) -> String {
    let mut out = Vec::new();
    let written = match indent {
        Some(width) => {
            let spaces = " ".repeat(width);
            let mut serializer = Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(spaces.as_bytes()));
            value.serialize(&mut serializer)
        }
        None => {
            let (item, key) = separators.unwrap_or_else(|| (", ".to_owned(), ": ".to_owned()));
            value.serialize(&mut Serializer::with_formatter(&mut out, Separated { item, key }))
        }
    };
    // Writing a JSON value to memory cannot fail.
    written.map(|()| String::from_utf8_lossy(&out).into_owned()).unwrap_or_default()
}

/// The value with the keys of every object in order.
pub(super) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// `repr(value)`.
pub(super) fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => quoted(s),
        Value::Array(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(k, v)| format!("{}: {}", quoted(k), repr(v))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// `text.title()`.
pub(super) fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_word = false;
    for c in text.chars() {
        if in_word {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        in_word = c.is_alphabetic();
    }
    out
}

/// A string literal: single quotes unless only they occur in it.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// Python's separators, with their spaces.
struct Separated {
    item: String,
    key: String,
}

impl Formatter for Separated {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(self.item.as_bytes()) }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(self.item.as_bytes()) }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(self.key.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_as_python_dumps_it() {
        let value = json!({"name": "f", "list": [1, 2.5, null, true], "text": "é\n\"", "empty": {}});
        assert_eq!(
            dumps(&value, None, None),
            r#"{"name": "f", "list": [1, 2.5, null, true], "text": "é\n\"", "empty": {}}"#
        );
        assert_eq!(dumps(&json!({"a": [1]}), Some(4), None), "{\n    \"a\": [\n        1\n    ]\n}");
        assert_eq!(dumps(&json!([1, {"a": 2}]), None, Some((",".into(), ":".into()))), r#"[1,{"a":2}]"#);
        assert_eq!(sorted(json!({"b": {"d": 1, "c": 2}, "a": 3})).to_string(), r#"{"a":3,"b":{"c":2,"d":1}}"#);
    }

    #[test]
    fn title_case_starts_after_whatever_is_no_letter() {
        assert_eq!(title("hi <b>THERE</b> o'neill 2nd"), "Hi <B>There</B> O'Neill 2Nd");
    }

    #[test]
    fn repr_as_python_has_it() {
        assert_eq!(
            repr(&json!({"a": [true, null, "it's", "\"'\n"], "b": 1})),
            r#"{'a': [True, None, "it's", '"\'\n'], 'b': 1}"#
        );
    }
}
