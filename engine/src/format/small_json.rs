//! Reads the JSON files that stand beside weights.

use crate::error::{Error, Result, bytes as size};
use serde_json::{Map, Value};
use std::path::Path;

/// The largest such file known (a tokenizer of 260,000 entries) has 35 MB; an index or a config is far smaller.
const MAX_BYTES: u64 = 64 << 20;

/// A JSON file that holds an object.
pub(crate) fn object(path: &Path) -> Result<Map<String, Value>> {
    let about = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if !about.is_file() {
        return Err(Error::format(path, "expected a JSON file, found a folder, a pipe or a device"));
    }
    if about.len() > MAX_BYTES {
        let problem = format!("expected a JSON file of at most {}, found {}", size(MAX_BYTES), size(about.len()));
        return Err(Error::format(path, problem));
    }
    let text = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    match serde_json::from_slice(&text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(Error::format(path, "expected a JSON object, found another JSON value")),
        Err(e) => Err(Error::format(path, format!("expected JSON: {e}"))),
    }
}
