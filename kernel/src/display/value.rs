//! The language's own values as text: numbers, strings, arrays, maps, functions.

use super::measure::width_of;
use super::width::width as columns;
use rhai::{Array, Dynamic, FnPtr, Map};

/// Longer arrays and maps show their beginning and end.
const MOST_ITEMS: usize = 100;
/// Items shown before and after the gap of a long array.
const EDGE_ITEMS: usize = 10;
/// Deeper nesting is cut off: nobody reads it, and a stack has an end.
const DEEPEST: usize = 16;

/// Renders a value that stands inside another one.
pub(super) type Render<'a> = dyn Fn(&Dynamic) -> String + 'a;

/// A value as text. `inner` renders values of registered types inside arrays and maps.
///
/// A string stands in quotes, as in the script that made it, unless it has several lines, which are shown as they are.
pub fn text(value: &Dynamic, inner: &Render<'_>) -> String {
    match value.read_lock::<rhai::ImmutableString>() {
        Some(s) if s.contains('\n') => s.to_string(),
        _ => nested(value, inner, 0),
    }
}

fn nested(value: &Dynamic, inner: &Render<'_>, depth: usize) -> String {
    if depth > DEEPEST {
        return "…".into();
    }
    if let Some(array) = value.read_lock::<Array>() {
        return array_text(&array, inner, depth);
    }
    if let Some(map) = value.read_lock::<Map>() {
        return map_text(&map, inner, depth);
    }
    scalar(value).unwrap_or_else(|| inner(value))
}

/// The text of a value that contains no others; `None` for arrays, maps and registered types.
fn scalar(value: &Dynamic) -> Option<String> {
    if let Some(s) = value.read_lock::<rhai::ImmutableString>() {
        return Some(quoted(&s));
    }
    if let Some(f) = value.read_lock::<f64>() {
        return Some(float(*f));
    }
    if let Some(f) = value.read_lock::<FnPtr>() {
        let name = if f.is_anonymous() { "|…| {…}".to_owned() } else { format!("fn {}", f.fn_name()) };
        return Some(name);
    }
    if let Some(blob) = value.read_lock::<rhai::Blob>() {
        let shown: Vec<String> = blob.iter().take(EDGE_ITEMS).map(|b| format!("{b:02x}")).collect();
        let gap = if blob.len() > EDGE_ITEMS { " …" } else { "" };
        return Some(format!("blob[{}] {}{gap}", blob.len(), shown.join(" ")));
    }
    if value.is_unit() {
        return Some("()".into());
    }
    if value.is_int() || value.is_bool() {
        return Some(value.to_string());
    }
    if let Some(c) = value.read_lock::<char>() {
        return Some(format!("{:?}", *c));
    }
    None
}

/// A value of a type that nobody registered: its own Display, or where that is the type's name, the name as scripts say it.
pub(super) fn unknown(value: &Dynamic) -> String {
    Some(value.to_string()).filter(|s| !s.contains("::")).unwrap_or_else(|| format!("<{}>", type_name(value)))
}

/// A number in the shortest form that reads back as the same number, always with a point or an exponent.
pub(super) fn float(f: f64) -> String {
    let size = f.abs();
    if f.is_finite() && f != 0.0 && !(1e-5..1e16).contains(&size) { format!("{f:e}") } else { format!("{f:?}") }
}

fn quoted(s: &str) -> String {
    let mut out = String::with_capacity(s.len() + 2);
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn array_text(array: &Array, inner: &Render<'_>, depth: usize) -> String {
    let show = |v: &Dynamic| nested(v, inner, depth + 1);
    let long = array.len() > MOST_ITEMS;
    let mut items: Vec<String> = Vec::with_capacity(array.len().min(MOST_ITEMS));
    if long {
        items.extend(array.iter().take(EDGE_ITEMS).map(show));
        items.push("…".into());
        items.extend(array.iter().skip(array.len() - EDGE_ITEMS).map(show));
    } else {
        items.extend(array.iter().map(show));
    }
    let count = if long { format!(" ({} items)", array.len()) } else { String::new() };
    format!("{}{count}", layout("[", items, "]"))
}

fn map_text(map: &Map, inner: &Render<'_>, depth: usize) -> String {
    let items = map.iter().take(MOST_ITEMS).map(|(k, v)| format!("{}: {}", key(k), nested(v, inner, depth + 1)));
    let mut items: Vec<String> = items.collect();
    if map.len() > MOST_ITEMS {
        items.push(format!("… ({} entries)", map.len()));
    }
    layout("#{", items, "}")
}

/// A map's key as a script would write it: quoted unless it is a name.
fn key(k: &str) -> String {
    if rhai::is_valid_identifier(k) { k.to_owned() } else { quoted(k) }
}

/// On one line where it fits, else numbers and words filled into lines, and longer things one per line.
fn layout(open: &str, items: Vec<String>, close: &str) -> String {
    let width: usize = items.iter().map(|i| width_of(i) + 2).sum();
    let one_line = items.iter().all(|i| !i.contains('\n'));
    if one_line && width + open.len() + close.len() <= columns() + 2 {
        return format!("{open}{}{close}", items.join(", "));
    }
    let fill = open == "[" && one_line && items.iter().all(|i| width_of(i) <= 16);
    let mut out = format!("{open}\n ");
    let mut column = 1;
    for (n, item) in items.iter().enumerate() {
        let length = width_of(item) + 2;
        if n > 0 && (!fill || column + length > columns()) {
            out.push_str("\n ");
            column = 1;
        }
        out.push(' ');
        out.push_str(&item.replace('\n', "\n  "));
        if n + 1 < items.len() {
            out.push(',');
        }
        column += length;
    }
    out.push('\n');
    out.push_str(close);
    out
}

/// The type of a value as a script says it: `int`, `float`, `string`, `array`, `map`, `Tensor`.
pub fn type_name(value: &Dynamic) -> String {
    plain_type_name(value.type_name()).to_owned()
}

/// A type's name as a script says it, from the name the language or Rust has for it.
pub fn plain_type_name(name: &str) -> &str {
    let name = name.trim();
    match name {
        "i64" | "INT" => "int",
        "f64" | "FLOAT" => "float",
        "&str" | "&str | ImmutableString | String" | "ImmutableString" | "String" => "string",
        "Fn" | "FnPtr" => "function",
        "Dynamic" | "?" => "any",
        "Array" => "array",
        "Map" => "map",
        "Blob" => "blob",
        _ => match name.split('<').next().and_then(|n| n.rsplit("::").next()) {
            Some("ImmutableString") => "string",
            Some("FnPtr") => "function",
            Some("Range") => "range",
            Some("RangeInclusive") => "range=",
            // What Rust calls the handle of a model is a model to a script.
            Some(last) if !last.is_empty() => last.strip_suffix("Handle").filter(|n| !n.is_empty()).unwrap_or(last),
            _ => name,
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::display::width::WIDTH;

    fn show(script: &str) -> String {
        let value: Dynamic = rhai::Engine::new().eval(script).unwrap();
        text(&value, &|_| "?".into())
    }

    #[test]
    fn values_read_as_scripts_write_them() {
        assert_eq!(show("[1, 2.0, \"a\\\"b\", 'c', true, ()]"), r#"[1, 2.0, "a\"b", 'c', true, ()]"#);
        assert_eq!(show("#{b: 1, \"two words\": [1.5]}"), r#"#{b: 1, "two words": [1.5]}"#);
        assert_eq!(show("0.1 + 0.2"), "0.30000000000000004");
        assert_eq!(show("1e-9"), "1e-9");
        assert_eq!(show("|x| x + 1"), "|…| {…}");
        assert_eq!(show("\"one line\""), "\"one line\"");
        assert_eq!(show("\"two\\nlines\""), "two\nlines");
    }

    #[test]
    fn long_values_are_cut_and_wrapped() {
        let long = show("let a = []; for i in 0..1000 { a.push(i); } a");
        assert!(long.contains("…") && long.ends_with("(1000 items)"), "{long}");
        let wrapped = show("let a = []; for i in 0..60 { a.push(i * 1000); } a");
        assert!(wrapped.lines().count() > 3 && wrapped.lines().all(|l| l.len() <= WIDTH), "{wrapped}");
        let mut nested = Dynamic::from(1_i64);
        for _ in 0..100 {
            nested = Dynamic::from_array(vec![nested]);
        }
        assert!(text(&nested, &|_| "?".into()).contains('…'));
    }
}
