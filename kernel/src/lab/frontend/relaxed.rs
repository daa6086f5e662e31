//! JSON as people write it: JSON5, with comments and trailing commas.

use serde_json::{Map, Value};

/// More levels than any settings have, and few enough for the parser's stack.
const MAX_DEPTH: usize = 100;

/// The object that this text stands for.
pub fn object(text: &str) -> Result<Map<String, Value>, String> {
    if depth(text) > MAX_DEPTH {
        return Err(format!("expected at most {MAX_DEPTH} levels of brackets, found more"));
    }
    match json5::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(format!("expected an object in {{braces}}, found {}", kind(&other))),
        Err(e) => Err(format!("expected JSON, comments allowed, found something else: {e}")),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// How deep brackets are nested, outside strings and comments. The parser calls itself for each level.
fn depth(text: &str) -> usize {
    let (mut now, mut deepest) = (0_usize, 0);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\'' => skip_string(&mut chars, c),
            '/' if chars.peek() == Some(&'/') => {
                chars.by_ref().find(|c| matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}'));
            }
            '/' if chars.peek() == Some(&'*') => skip_comment(&mut chars),
            '[' | '{' => {
                now += 1;
                deepest = deepest.max(now);
            }
            ']' | '}' => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn skip_string(chars: &mut impl Iterator<Item = char>, quote: char) {
    while let Some(c) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return;
        }
    }
}

fn skip_comment(chars: &mut impl Iterator<Item = char>) {
    chars.next();
    let mut last = ' ';
    for c in chars {
        if last == '*' && c == '/' {
            return;
        }
        last = c;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn comments_and_trailing_commas_are_understood() {
        let parsed = object("{\n  // my theme\n  theme: 'JupyterLab Dark', /* } */\n  \"n\": 1,\n}").unwrap();
        assert_eq!(Value::Object(parsed), serde_json::json!({ "theme": "JupyterLab Dark", "n": 1 }));
        assert!(object("{}").unwrap().is_empty());
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "{", "[]", "3", "null", "{\"a\": }", "{} {}", "// only a comment"] {
            assert!(object(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_tower_of_brackets_does_not_reach_the_parser() {
        assert!(object(&format!("{{\"a\": {}", "[".repeat(1_000_000))).is_err());
        assert!(object(&"{a:".repeat(1_000_000)).is_err());
        assert!(object(&format!("{{\"a\": \"{}\"}}", "[".repeat(10_000))).is_ok());
        assert_eq!(depth("{'a': ['\\'[[[', \"]\"], // [[[[\n b: {}}"), 2);
        assert_eq!(depth("/* [[[ */ [/**/]"), 1);
        assert_eq!(depth("[/*/ [[[ */]"), 1);
    }
}
