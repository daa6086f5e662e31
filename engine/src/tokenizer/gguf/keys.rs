//! Typed reading of the `tokenizer.*` keys of a GGUF file.

use crate::error::{Error, Result};
use crate::format::Metadata;
use serde_json::Value;
use std::path::Path;

/// A file's metadata and the name to blame in errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys<'a> {
    pub metadata: &'a Metadata,
    pub path: &'a Path,
}

impl<'a> Keys<'a> {
    /// A string; absent is `None`, another type an error.
    pub fn string(&self, key: &str) -> Result<Option<&'a str>> {
        self.typed(key, "a string", Value::as_str)
    }

    /// A boolean.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "a boolean", Value::as_bool)
    }

    /// An integer that is not negative.
    pub fn unsigned(&self, key: &str) -> Result<Option<u64>> {
        self.typed(key, "an integer that is not negative", Value::as_u64)
    }

    /// An array.
    pub fn array(&self, key: &str) -> Result<Option<&'a [Value]>> {
        self.typed(key, "an array", |v| v.as_array().map(Vec::as_slice))
    }

    /// An array with one entry per token; llama.cpp tolerates a longer one, and so do we.
    pub fn per_token(&self, key: &str, tokens: usize) -> Result<Option<&'a [Value]>> {
        let Some(values) = self.array(key)? else { return Ok(None) };
        if values.len() < tokens {
            return Err(self.bad(format!("{key} has {} entries for {tokens} tokens", values.len())));
        }
        Ok(values.get(..tokens))
    }

    /// An error about this file's vocabulary.
    pub fn bad(&self, problem: impl Into<String>) -> Error {
        Error::format(self.path, problem)
            .with_help("the vocabulary of this file is damaged or was written by a faulty converter: fetch it again")
    }

    fn typed<T>(&self, key: &str, expected: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(value) => read(value)
                .map(Some)
                .ok_or_else(|| self.bad(format!("{key}: expected {expected}, found {}", kind(value)))),
        }
    }
}

/// What a value is, for an error.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "a number that is not finite".to_owned(),
        Value::Bool(b) => format!("the boolean {b}"),
        Value::Number(n) => format!("the number {n}"),
        Value::String(s) => format!("the string {:?}", s.chars().take(40).collect::<String>()),
        Value::Array(a) => format!("an array of {}", a.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}
