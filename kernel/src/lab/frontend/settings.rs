//! What the user has set, as typed, comments and all.

use super::disk;
use super::{relaxed, schemas};
use crate::lab::blocking::blocking;
use crate::lab::error::{ApiError, ApiResult};
use crate::lab::state::App;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// The settings of one user: a file per plugin.
#[derive(Debug)]
pub struct Settings {
    folder: PathBuf,
}

impl Settings {
    /// The settings below this folder, which need not be there yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, id: &str) -> ApiResult<PathBuf> {
        let (package, plugin) = schemas::split(id)?;
        Ok(self.folder.join(package).join(format!("{plugin}.jupyterlab-settings")))
    }

    /// What JupyterLab is told of the settings of one plugin.
    ///
    /// A file that is no JSON is treated as empty: one slip of the pen must not keep JupyterLab from starting.
    pub fn get(&self, id: &str) -> ApiResult<Value> {
        let described = schemas::read(id)?;
        let path = self.path(id)?;
        let typed = disk::read(&path)?.and_then(|raw| Some((relaxed::object(&raw).ok()?, raw)));
        let (settings, raw) = typed.unwrap_or_else(|| (Map::new(), "{}".to_string()));
        let (created, modified) = disk::times(&path);
        Ok(json!({
            "id": id, "schema": described.schema, "version": described.version,
            "raw": raw, "settings": settings, "created": created, "last_modified": modified,
        }))
    }

    /// The settings of all plugins, or their ids alone.
    pub fn list(&self, ids_only: bool) -> ApiResult<Value> {
        let all: ApiResult<Vec<Value>> =
            schemas::ids().iter().map(|id| if ids_only { Ok(json!({ "id": id })) } else { self.get(id) }).collect();
        Ok(json!({ "settings": all? }))
    }

    /// Keeps what the user typed.
    pub fn put(&self, id: &str, raw: &str) -> ApiResult<()> {
        let path = self.path(id)?;
        relaxed::object(raw).map_err(|e| ApiError::bad_request(format!("the settings of {id}: {e}")))?;
        if disk::read(&path)?.is_some_and(|old| !old.trim().is_empty() && relaxed::object(&old).is_err()) {
            disk::keep_aside(&path)?;
        }
        disk::write(&path, raw)
    }
}

/// `?ids_only=true`
#[derive(Debug, Deserialize)]
pub struct Wanted {
    ids_only: Option<String>,
}

/// `GET /lab/api/settings`
pub async fn list(State(app): State<App>, Query(wanted): Query<Wanted>) -> ApiResult<Json<Value>> {
    let ids_only = wanted.ids_only.as_deref() == Some("true");
    blocking(move || app.frontend.settings.list(ids_only)).await.map(Json)
}

/// `GET /lab/api/settings/{id}`
pub async fn one(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    blocking(move || app.frontend.settings.get(&id)).await.map(Json)
}

/// `PUT /lab/api/settings/{id}`
pub async fn save(State(app): State<App>, Path(id): Path<String>, body: Bytes) -> ApiResult<StatusCode> {
    let raw = raw_of(&body)?;
    blocking(move || app.frontend.settings.put(&id, &raw)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn raw_of(body: &[u8]) -> ApiResult<String> {
    let wrong = |found: String| ApiError::bad_request(format!("expected {{\"raw\": \"…\"}}, found {found}"));
    let body: Value = serde_json::from_slice(body).map_err(|e| wrong(format!("no JSON: {e}")))?;
    match body.get("raw") {
        Some(Value::String(raw)) => Ok(raw.clone()),
        _ => Err(wrong("no text of that name".to_string())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const ID: &str = "@jupyterlab/apputils-extension:themes";

    fn empty() -> (tempfile::TempDir, Settings) {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::new(folder.path().join("settings"));
        (folder, settings)
    }

    #[test]
    fn what_was_typed_is_kept_as_it_was_typed() {
        let (_folder, settings) = empty();
        let before = settings.get(ID).unwrap();
        assert_eq!((&before["raw"], &before["last_modified"]), (&json!("{}"), &Value::Null));
        let raw = "{\n    // dark\n    \"theme\": \"JupyterLab Dark\",\n}";
        settings.put(ID, raw).unwrap();
        let after = settings.get(ID).unwrap();
        assert_eq!(after["raw"], raw);
        assert_eq!(after["settings"], json!({ "theme": "JupyterLab Dark" }));
        assert_eq!(after["id"], ID);
        assert!(after["last_modified"].is_string() && after["created"].is_string());
        assert!(settings.path(ID).unwrap().ends_with("@jupyterlab/apputils-extension/themes.jupyterlab-settings"));
    }

    #[test]
    fn nonsense_is_not_kept() {
        let (_folder, settings) = empty();
        assert_eq!(settings.put(ID, "{ theme: }").unwrap_err().status, StatusCode::BAD_REQUEST);
        assert_eq!(settings.put("@jupyterlab/x:y", "{}").unwrap_err().status, StatusCode::NOT_FOUND);
        assert_eq!(settings.get("../../x:y").unwrap_err().status, StatusCode::NOT_FOUND);
        assert_eq!(raw_of(b"{\"raw\": 3}").unwrap_err().status, StatusCode::BAD_REQUEST);
        assert_eq!(raw_of(b"\xff").unwrap_err().status, StatusCode::BAD_REQUEST);
        assert_eq!(raw_of(b"{\"raw\": \"{}\"}").unwrap(), "{}");
    }

    #[test]
    fn a_broken_file_is_kept_beside_the_new_one() {
        let (_folder, settings) = empty();
        let path = settings.path(ID).unwrap();
        disk::write(&path, "{ theme: 'half").unwrap();
        assert_eq!(settings.get(ID).unwrap()["raw"], "{}");
        settings.put(ID, "{}").unwrap();
        let aside = path.with_file_name("themes.jupyterlab-settings.broken");
        assert_eq!(disk::read(&aside).unwrap().as_deref(), Some("{ theme: 'half"));
    }

    #[test]
    fn the_list_has_all_or_the_ids_alone() {
        let (_folder, settings) = empty();
        let ids = settings.list(true).unwrap();
        let all = settings.list(false).unwrap();
        let (ids, all) = (ids["settings"].as_array().unwrap(), all["settings"].as_array().unwrap());
        assert_eq!(ids.len(), all.len());
        assert_eq!(ids[0].as_object().unwrap().len(), 1);
        assert!(all.iter().all(|one| one["schema"].is_object() && one["raw"] == "{}"));
    }
}
