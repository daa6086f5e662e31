//! `/api/config/{section}`: small settings of front ends, a file for each section.

use super::error::{ApiError, ApiResult};
use super::paths::make_private;
use minerva_engine::format::atomic::write_small;
use serde_json::{Map, Value};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// An object of JSON.
pub type Object = Map<String, Value>;

/// The sections, in one folder. Cloning it shares it.
#[derive(Debug, Clone)]
pub struct Config {
    folder: Arc<Path>,
    /// Held from reading to writing: two changes at once are both kept.
    changing: Arc<Mutex<()>>,
}

impl Config {
    /// The sections in this folder, which need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder: folder.into(), changing: Arc::default() }
    }

    /// A section; empty where nothing was ever written.
    pub fn get(&self, section: &str) -> ApiResult<Object> {
        let path = self.path(section)?;
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Object::new()),
            Err(e) => return Err(ApiError::file(&path.display().to_string(), &e)),
        };
        let found: Object = serde_json::from_slice(&text).map_err(|e| {
            let help = "help: repair the file or remove it";
            ApiError::internal(format!("{}: expected a JSON object: {e}\n{help}", path.display()))
        })?;
        let mut section = Object::new();
        merge(&mut section, found);
        Ok(section)
    }

    /// Puts a section in place of what was there.
    pub fn set(&self, section: &str, new: &Object) -> ApiResult<()> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(section, new)
    }

    /// Changes what `change` names, and returns the whole section.
    pub fn update(&self, section: &str, change: Object) -> ApiResult<Object> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut whole = self.get(section)?;
        merge(&mut whole, change);
        self.write(section, &whole)?;
        Ok(whole)
    }

    fn write(&self, section: &str, new: &Object) -> ApiResult<()> {
        let path = self.path(section)?;
        let text = serde_json::to_vec_pretty(new).map_err(|e| ApiError::internal(e.to_string()))?;
        make_private(&self.folder).map_err(|e| ApiError::file(&self.folder.display().to_string(), &e))?;
        write_small(&path, &text).map_err(|e| ApiError::internal(e.to_string()))
    }

    /// A section's name is a word: no text leads out of the folder.
    fn path(&self, section: &str) -> ApiResult<PathBuf> {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if section.is_empty() || section.len() > 100 || !section.chars().all(word) {
            return Err(ApiError::not_found("expected the name of a section: letters, digits, - and _"));
        }
        Ok(self.folder.join(format!("{section}.json")))
    }
}

/// Changes `target` as `change` says, maps within maps as well. Null takes a key away, and a map in which nothing is left
/// goes, too.
fn merge(target: &mut Object, change: Object) {
    for (key, value) in change {
        match value {
            Value::Null => {
                target.shift_remove(&key);
            }
            Value::Object(change) => {
                let mut inner = match target.get_mut(&key).map(Value::take) {
                    Some(Value::Object(inner)) => inner,
                    _ => Object::new(),
                };
                merge(&mut inner, change);
                if inner.is_empty() {
                    target.shift_remove(&key);
                } else {
                    target.insert(key, Value::Object(inner));
                }
            }
            value => {
                target.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Object {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn changes_go_into_maps_within_maps() {
        let mut target = object(json!({"a": 1, "b": {"c": 2, "d": {"e": 3}}, "f": [1]}));
        merge(
            &mut target,
            object(json!({"a": {"x": 1}, "b": {"c": null, "d": {"e": null}, "g": 4}, "f": [2], "h": {}})),
        );
        assert_eq!(Value::Object(target), json!({"a": {"x": 1}, "b": {"g": 4}, "f": [2]}));
    }

    #[test]
    fn sections_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::new(folder.path().join("config"));
        assert!(config.get("notebook").unwrap().is_empty());
        config.set("notebook", &object(json!({"a": 1, "b": {"c": null}}))).unwrap();
        assert_eq!(Value::Object(config.get("notebook").unwrap()), json!({"a": 1}));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(folder.path().join("config")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "for its owner only");
        }
        let whole = config.update("notebook", object(json!({"a": null, "d": {"e": 5}}))).unwrap();
        assert_eq!(Value::Object(whole.clone()), json!({"d": {"e": 5}}));
        let again = Config::new(folder.path().join("config"));
        assert_eq!(again.get("notebook").unwrap(), whole);
        std::fs::write(folder.path().join("config/broken.json"), "[").unwrap();
        assert!(config.get("broken").unwrap_err().message.contains("help:"));
        assert!(config.update("broken", Object::new()).is_err());
    }

    #[test]
    fn a_section_is_a_word() {
        let config = Config::new("nowhere".into());
        for section in ["", "..", "../x", "a/b", "a.b", "a\\b", "ü", &"x".repeat(101)] {
            assert_eq!(config.get(section).unwrap_err().status.as_u16(), 404, "{section}");
        }
    }
}
