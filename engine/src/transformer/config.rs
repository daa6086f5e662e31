//! Reading a model's configuration: typed access that says which key of which file is wrong.

use crate::error::{Error, Result};
use serde_json::{Map, Value};
use std::path::Path;

/// A hub `config.json`, or the part of GGUF metadata under an architecture's prefix.
#[derive(Debug, Clone, Copy)]
pub struct Config<'a> {
    map: &'a Map<String, Value>,
    path: &'a Path,
    prefix: &'a str,
}

impl<'a> Config<'a> {
    /// A configuration in the hub's layout; `path` is named in errors.
    pub fn hub(map: &'a Map<String, Value>, path: &'a Path) -> Self {
        Self { map, path, prefix: "" }
    }

    /// GGUF metadata; keys are looked up as `{architecture}.{key}`.
    pub fn gguf(map: &'a Map<String, Value>, path: &'a Path, architecture: &'a str) -> Self {
        Self { map, path, prefix: architecture }
    }

    /// The file named in errors.
    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// A nested object such as `rope_scaling`; absent and `null` are the same.
    pub fn object(&self, key: &str) -> Result<Option<Config<'a>>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Config { map, path: self.path, prefix: "" })),
            Some(other) => Err(self.wrong(key, "an object", other)),
        }
    }

    /// The value of a key; absent and `null` are the same.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(&self.full(key)).filter(|v| !v.is_null())
    }

    /// Whether the key is there, be it `null`.
    pub fn has(&self, key: &str) -> bool {
        self.map.contains_key(&self.full(key))
    }

    /// Whether any value is itself an object.
    pub fn has_objects(&self) -> bool {
        self.map.values().any(Value::is_object)
    }

    /// A size. Whole floats are taken: some writers store `4096.0`.
    pub fn size(&self, key: &str) -> Result<Option<usize>> {
        self.get(key)
            .map(|v| {
                let whole = v.as_f64().filter(|f| f.fract() == 0.0 && (0.0..=9e15).contains(f)).map(|f| f as u64);
                v.as_u64()
                    .or(whole)
                    .and_then(|n| usize::try_from(n).ok())
                    .ok_or_else(|| self.wrong(key, "a whole number from 0", v))
            })
            .transpose()
    }

    /// A size that must be there.
    pub fn need_size(&self, key: &str) -> Result<usize> {
        self.size(key)?.ok_or_else(|| self.missing(key))
    }

    /// A number.
    pub fn number(&self, key: &str) -> Result<Option<f64>> {
        self.get(key).map(|v| v.as_f64().ok_or_else(|| self.wrong(key, "a number", v))).transpose()
    }

    /// A number that must be there.
    pub fn need_number(&self, key: &str) -> Result<f64> {
        self.number(key)?.ok_or_else(|| self.missing(key))
    }

    /// A truth value.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.get(key).map(|v| v.as_bool().ok_or_else(|| self.wrong(key, "true or false", v))).transpose()
    }

    /// A string.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>> {
        self.get(key).map(|v| v.as_str().ok_or_else(|| self.wrong(key, "a string", v))).transpose()
    }

    /// A list of strings.
    pub fn texts(&self, key: &str) -> Result<Option<Vec<&'a str>>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let list = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        list.map(Some).ok_or_else(|| self.wrong(key, "a list of strings", value))
    }

    /// A list of numbers.
    pub fn numbers(&self, key: &str) -> Result<Option<Vec<f32>>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let list = value.as_array().and_then(|list| list.iter().map(|v| v.as_f64().map(|n| n as f32)).collect());
        let list: Option<Vec<f32>> = list;
        list.map(Some).ok_or_else(|| self.wrong(key, "a list of numbers", value))
    }

    /// A list of whole numbers from 0.
    pub fn sizes(&self, key: &str) -> Result<Option<Vec<usize>>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let size = |v: &Value| v.as_u64().and_then(|n| usize::try_from(n).ok());
        let list = value.as_array().and_then(|list| list.iter().map(size).collect::<Option<Vec<_>>>());
        list.map(Some).ok_or_else(|| self.wrong(key, "a list of whole numbers", value))
    }

    /// A truth value for each of `count` things.
    pub fn flags(&self, key: &str, count: usize) -> Result<Option<Vec<bool>>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        // Some writers store numbers.
        let flag = |v: &Value| v.as_bool().or_else(|| v.as_u64().map(|n| n != 0));
        let list = value.as_array().and_then(|list| list.iter().map(flag).collect::<Option<Vec<_>>>());
        let list = list.filter(|list| list.len() >= count);
        let list = list.ok_or_else(|| self.wrong(key, &format!("{count} truth values"), value))?;
        Ok(Some(list.into_iter().take(count).collect()))
    }

    /// A key that must be there and is not.
    pub fn missing(&self, key: &str) -> Error {
        Error::format(self.path, format!("the model configuration has no {:?}", self.full(key)))
    }

    /// A key whose value is wrong.
    pub fn wrong(&self, key: &str, expected: &str, found: &Value) -> Error {
        let mut found = found.to_string();
        if let Some((cut, _)) = found.char_indices().nth(60) {
            found.truncate(cut);
            found.push('…');
        }
        Error::format(
            self.path,
            format!("{:?} in the model configuration: expected {expected}, found {found}", self.full(key)),
        )
    }

    fn full(&self, key: &str) -> String {
        if self.prefix.is_empty() { key.to_owned() } else { format!("{}.{key}", self.prefix) }
    }
}
