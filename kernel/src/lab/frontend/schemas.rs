//! Which settings there are, and their defaults.

use super::embedded;
use crate::lab::error::{ApiError, ApiResult};
use serde_json::{Map, Value};
use std::sync::LazyLock;

/// Minerva's own defaults, by the id of the settings.
static OVERRIDES: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/lab/overrides.json"))).unwrap_or_default()
});

/// The settings of one plugin, as its author described them.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The description, with Minerva's defaults in it.
    pub schema: Value,
    /// The version of the package.
    pub version: String,
}

/// The ids of all settings, last first, as Jupyter's own server lists them.
pub fn ids() -> Vec<String> {
    let id_of = |name: &str| {
        let (package, plugin) = name.strip_prefix("schemas/")?.strip_suffix(".json")?.rsplit_once('/')?;
        Some(format!("{package}:{plugin}"))
    };
    let mut ids: Vec<String> = embedded::names().filter_map(id_of).collect();
    ids.sort_by(|a, b| b.cmp(a));
    ids
}

/// The package and the plugin of an id like `@jupyterlab/notebook-extension:tracker`, if there are such settings.
///
/// The answer is made of names that are part of this program, so it may be used as a path.
pub fn split(id: &str) -> ApiResult<(&str, &str)> {
    let parts = id.split_once(':').filter(|(package, plugin)| {
        let clean = !plugin.contains([':', '/', '\\']) && !package.contains('\\');
        clean && embedded::file(&format!("schemas/{package}/{plugin}.json")).is_some()
    });
    parts.ok_or_else(|| {
        ApiError::not_found(format!(
            "expected the id of settings, as @jupyterlab/notebook-extension:tracker, found {id:?}: no plugin has these"
        ))
    })
}

/// The description of the settings of this id.
pub fn read(id: &str) -> ApiResult<Schema> {
    let (package, plugin) = split(id)?;
    let mut schema = json(&format!("schemas/{package}/{plugin}.json"))?;
    if let Some(wanted) = OVERRIDES.get(id).and_then(Value::as_object) {
        set_defaults(&mut schema, wanted);
    }
    let package = json(&format!("schemas/{package}/package.json.orig")).unwrap_or_default();
    let version = package.get("version").and_then(Value::as_str).unwrap_or("N/A").to_string();
    Ok(Schema { schema, version })
}

fn json(name: &str) -> ApiResult<Value> {
    let damaged = |e: String| ApiError::internal(format!("{name}: the packed file is damaged: {e}"));
    let file = embedded::file(name).ok_or_else(|| damaged("there is none".to_string()))?;
    let content = file.content().map_err(|e| damaged(e.to_string()))?;
    serde_json::from_slice(&content).map_err(|e| damaged(e.to_string()))
}

/// Puts other defaults into a description. A default that is an object is not replaced but changed.
fn set_defaults(schema: &mut Value, wanted: &Map<String, Value>) {
    let Some(schema) = schema.as_object_mut() else { return };
    let properties = schema.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    let Some(properties) = properties.as_object_mut() else { return };
    for (key, value) in wanted {
        let property = properties.entry(key.as_str()).or_insert_with(|| Value::Object(Map::new()));
        let Some(property) = property.as_object_mut() else { continue };
        match (property.get_mut("default").and_then(Value::as_object_mut), value.as_object()) {
            (Some(old), Some(new)) => merge(old, new),
            _ => {
                property.insert("default".to_string(), value.clone());
            }
        }
    }
}

/// Changes `old` as `new` says; null takes a key away.
fn merge(old: &mut Map<String, Value>, new: &Map<String, Value>) {
    for (key, value) in new {
        match (old.get_mut(key), value) {
            (_, Value::Null) => {
                old.shift_remove(key);
            }
            (Some(Value::Object(inner)), Value::Object(value)) => merge(inner, value),
            _ => {
                old.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    #[test]
    fn every_id_leads_to_its_description() {
        let ids = ids();
        assert!(ids.len() > 60, "{}", ids.len());
        assert!(ids.iter().any(|id| id == "@jupyterlab/notebook-extension:tracker"));
        assert!(ids.windows(2).all(|pair| pair[0] > pair[1]));
        for id in &ids {
            let found = read(id).unwrap();
            assert!(found.schema.is_object(), "{id}");
            assert_ne!(found.version, "N/A", "{id}");
        }
    }

    #[test]
    fn an_id_is_no_path() {
        for id in [
            "",
            ":",
            "tracker",
            "@jupyterlab/notebook-extension",
            "@jupyterlab/notebook-extension:nothing",
            "@jupyterlab:notebook-extension/tracker",
            "@jupyterlab/notebook-extension:../notebook-extension/tracker",
            "@jupyterlab/../@jupyterlab/notebook-extension:tracker",
            "@jupyterlab\\notebook-extension:tracker",
            "@jupyterlab/Notebook-extension:tracker",
            "@jupyterlab/notebook-extension:tracker:x",
            "../../../etc:passwd",
        ] {
            assert!(split(id).is_err(), "{id}");
        }
        let known = split("@jupyterlab/notebook-extension:tracker").unwrap();
        assert_eq!(known, ("@jupyterlab/notebook-extension", "tracker"));
    }

    #[test]
    fn our_defaults_take_the_place_of_theirs() {
        let notification = read("@jupyterlab/apputils-extension:notification").unwrap().schema;
        assert_eq!(notification["properties"]["fetchNews"]["default"], "false");
        for id in OVERRIDES.as_object().unwrap().keys() {
            assert!(split(id).is_ok(), "{id}");
        }
        let mut schema =
            json!({ "properties": { "a": { "default": { "x": 1, "y": { "z": 2 } } }, "b": { "default": 1 } } });
        let wanted = json!({ "a": { "x": null, "y": { "w": 3 } }, "b": 2, "c": [] });
        set_defaults(&mut schema, wanted.as_object().unwrap());
        let expected = json!({ "properties": {
            "a": { "default": { "y": { "z": 2, "w": 3 } } }, "b": { "default": 2 }, "c": { "default": [] },
        } });
        assert_eq!(schema, expected);
    }
}
