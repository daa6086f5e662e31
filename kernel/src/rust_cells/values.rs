//! Between the script's values and what travels to a Rust cell: JSON, and a safetensors file for tensors.
//!
//! What JSON lacks stands in a map with one odd key, as the prelude's `json.rs` has it.

use crate::display::type_name;
use minerva_engine::format::DType;
use minerva_engine::tensor::{Tensor, save_all};
use minerva_engine::{Control, Error, Result};
use rhai::{Array, Blob, Dynamic, ImmutableString, Map};
use serde_json::{Number, Value, json};
use std::path::Path;

/// Starts the odd keys. One of a map of the person's that starts so has it once more.
const MARK: char = '\u{1}';
const TENSOR: &str = "\u{1}t";
const FLOAT: &str = "\u{1}f";

/// The Rust type that a value becomes where the cell does not say one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Of the items of an empty array: anything.
    Unknown,
    /// A type by its name.
    Plain(&'static str),
    /// An array whose items are alike.
    Vec(Box<Kind>),
    /// A map whose values are alike.
    Map(Box<Kind>),
}

const VALUE: Kind = Kind::Plain("minerva::Value");

impl Kind {
    /// As Rust writes it.
    pub fn name(&self) -> String {
        match self {
            Self::Unknown => VALUE.name(),
            Self::Plain(name) => (*name).to_owned(),
            Self::Vec(item) => format!("Vec<{}>", item.name()),
            Self::Map(item) => format!("std::collections::BTreeMap<String, {}>", item.name()),
        }
    }

    /// The type that holds both.
    fn with(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Unknown, one) | (one, Self::Unknown) => one,
            (Self::Plain("i64"), Self::Plain("f64")) | (Self::Plain("f64"), Self::Plain("i64")) => Self::Plain("f64"),
            (Self::Vec(a), Self::Vec(b)) => Self::Vec(Box::new(a.with(*b))),
            (Self::Map(a), Self::Map(b)) => Self::Map(Box::new(a.with(*b))),
            _ => VALUE,
        }
    }
}

/// A value as JSON, and its type; its tensors are gathered in `tensors`.
///
/// # Errors
/// When the value, or one inside it, is of a kind that Rust cells do not know.
pub fn pack(what: &str, value: &Dynamic, tensors: &mut Vec<Tensor>) -> Result<(Value, Kind)> {
    let plain = |json: Value, name| Ok((json, Kind::Plain(name)));
    if let Some(t) = value.read_lock::<Tensor>() {
        tensors.push(t.clone());
        return plain(json!({ TENSOR: tensors.len() - 1 }), "minerva::Tensor");
    }
    if let Some(items) = value.read_lock::<Array>() {
        let mut kind = Kind::Unknown;
        let mut out = Vec::with_capacity(items.len());
        for (n, item) in items.iter().enumerate() {
            let (json, found) = pack(&format!("{what}[{n}]"), item, tensors)?;
            kind = kind.with(found);
            out.push(json);
        }
        return Ok((Value::Array(out), Kind::Vec(Box::new(kind))));
    }
    if let Some(map) = value.read_lock::<Map>() {
        let mut kind = Kind::Unknown;
        let mut out = serde_json::Map::new();
        for (key, item) in map.iter() {
            let (json, found) = pack(&format!("{what}.{key}"), item, tensors)?;
            kind = kind.with(found);
            let key = if key.starts_with(MARK) { format!("{MARK}{key}") } else { key.to_string() };
            out.insert(key, json);
        }
        return Ok((Value::Object(out), Kind::Map(Box::new(kind))));
    }
    if let Some(bytes) = value.read_lock::<Blob>() {
        return Ok((json!(*bytes), Kind::Vec(Box::new(Kind::Plain("u8")))));
    }
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return plain(json!(text.as_str()), "String");
    }
    if let Some(c) = value.read_lock::<char>() {
        return plain(json!(c.to_string()), "char");
    }
    if let Ok(v) = value.as_int() {
        return plain(json!(v), "i64");
    }
    if let Ok(v) = value.as_float() {
        let number = Number::from_f64(v).map(Value::Number);
        return plain(number.unwrap_or_else(|| json!({ FLOAT: v.to_string() })), "f64");
    }
    if let Ok(v) = value.as_bool() {
        return plain(json!(v), "bool");
    }
    if value.is_unit() {
        return plain(Value::Null, "()");
    }
    let known = "a number, string, bool, array, map or Tensor, which Rust cells know";
    Err(Error::argument(what, known, type_name(value)))
}

/// Writes tensors under the names `0`, `1`, … as F32; nothing where there are none.
///
/// # Errors
/// When a tensor cannot be read or the file not be written.
pub fn write_tensors(path: &Path, tensors: &[Tensor], control: &Control) -> Result<()> {
    if tensors.is_empty() {
        return Ok(());
    }
    let tensors = tensors.iter().map(|t| t.cast(DType::F32)).collect::<Result<Vec<_>>>()?;
    let names: Vec<String> = (0..tensors.len()).map(|n| n.to_string()).collect();
    let named: Vec<(&str, &Tensor)> = names.iter().map(String::as_str).zip(&tensors).collect();
    save_all(path, &named, control)
}

/// The value that a cell wrote as JSON, its tensors beside it.
///
/// # Errors
/// When the files do not hold what they should.
pub fn unpack(json: &str, tensors: &Path, control: &Control) -> Result<Dynamic> {
    let value: Value = serde_json::from_str(json).map_err(|e| Error::argument("a Rust cell", "JSON", e.to_string()))?;
    let file = tensors.is_file().then(|| minerva_engine::format::open(tensors)).transpose()?;
    // Into memory: the file goes away.
    let read = |n: usize| match &file {
        Some(file) => {
            let stored = Tensor::from_file_named(file.clone(), &n.to_string())?.load(control)?;
            Tensor::from_vec(stored.to_vec()?, stored.shape())
        }
        None => Err(Error::argument("a Rust cell", "a file with its tensors", "none")),
    };
    let value = dynamic(value, &read)?;
    if file.is_some() {
        let _ = std::fs::remove_file(tensors);
    }
    Ok(value)
}

fn dynamic(value: Value, tensor: &dyn Fn(usize) -> Result<Tensor>) -> Result<Dynamic> {
    Ok(match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(v) => Dynamic::from_bool(v),
        Value::Number(n) => match n.as_i64() {
            Some(v) => Dynamic::from_int(v),
            None => Dynamic::from_float(n.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(v) => Dynamic::from(v),
        Value::Array(items) => {
            Dynamic::from_array(items.into_iter().map(|v| dynamic(v, tensor)).collect::<Result<_>>()?)
        }
        Value::Object(map) => {
            if let Some(n) = map.get(TENSOR).and_then(Value::as_u64) {
                return tensor(usize::try_from(n).unwrap_or(usize::MAX)).map(Dynamic::from);
            }
            if let Some(name) = map.get(FLOAT).and_then(Value::as_str) {
                return Ok(Dynamic::from_float(name.parse().unwrap_or(f64::NAN)));
            }
            let entries =
                map.into_iter().map(|(k, v)| Ok((k.strip_prefix(MARK).unwrap_or(&k).into(), dynamic(v, tensor)?)));
            Dynamic::from_map(entries.collect::<Result<Map>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_with_the_mark_of_a_special_value_are_keys() {
        for key in ["\u{1}t", "\u{1}f", "\u{1}", "\u{1}\u{1}t", "\n\u{0}\u{7f}", "plain"] {
            for value in [Dynamic::from_int(0), Dynamic::from("inf".to_owned())] {
                let map = Dynamic::from_map(Map::from([(key.into(), value.clone())]));
                let packed = pack("x", &map, &mut Vec::new()).unwrap().0.to_string();
                let back = unpack(&packed, Path::new("none"), &Control::default()).unwrap();
                let shown = |value: &Dynamic| value.read_lock::<Map>().map(|m| format!("{:?}", *m)).unwrap();
                assert_eq!(shown(&back), shown(&map), "{key:?}");
            }
        }
    }
}
