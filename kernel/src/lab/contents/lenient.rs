//! Notebooks that Python wrote with numbers that JSON does not have.

/// The text with null in the place of `NaN`, `Infinity` and `-Infinity`, which Python's `json` writes; nothing where there
/// are none. What stands in strings is left alone.
pub fn without_nan(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut found) = (text, false);
    while let Some(at) = rest.find(['"', 'N', 'I', '-']) {
        let (before, here) = rest.split_at_checked(at)?;
        out.push_str(before);
        let name = ["NaN", "Infinity", "-Infinity"].into_iter().find(|name| here.starts_with(name));
        let length = match name {
            Some(name) => name.len(),
            None if here.starts_with('"') => end_of_string(here),
            None => 1,
        };
        let (token, after) = here.split_at_checked(length)?;
        out.push_str(if name.is_some() { "null" } else { token });
        found |= name.is_some();
        rest = after;
    }
    out.push_str(rest);
    found.then_some(out)
}

/// How long a string is, with both quotes; of one that does not end, all of it.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn numbers_that_json_does_not_have_become_null() {
        assert_eq!(
            without_nan(r#"{"NaN": [NaN, -Infinity, Infinity, -1], "a\"NaN\\": "Infinity"}"#).unwrap(),
            r#"{"NaN": [null, null, null, -1], "a\"NaN\\": "Infinity"}"#
        );
        for text in ["", r#"{"NaN": -1}"#, r#"["é", "\\", "\"NaN"]"#, r#"["NaN"#, r#"["\"#] {
            assert_eq!(without_nan(text), None, "{text}");
        }
    }
}
