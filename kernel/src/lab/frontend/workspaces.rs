//! Which documents were open, and where they stood.

use super::disk;
use crate::lab::blocking::blocking;
use crate::lab::error::{ApiError, ApiResult};
use crate::lab::state::App;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::PathBuf;

const EXTENSION: &str = ".jupyterlab-workspace";

/// The workspaces of one user: a file each.
#[derive(Debug)]
pub struct Workspaces {
    folder: PathBuf,
}

impl Workspaces {
    /// The workspaces in this folder, which need not be there yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(slug(name) + EXTENSION)
    }

    /// The workspace of this name; an empty one where there is none, or where its file is broken.
    pub fn get(&self, name: &str) -> ApiResult<Value> {
        let path = self.path(name);
        let id = if name.starts_with('/') { name.to_string() } else { format!("/{name}") };
        let empty = || json!({ "data": {}, "metadata": { "id": id } });
        Ok(disk::read(&path)?.and_then(|text| parse(&text)).map_or_else(empty, |found| with_times(found, &path)))
    }

    /// All workspaces, in the order of their files.
    pub fn list(&self) -> ApiResult<Value> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().ends_with(EXTENSION)).collect();
        paths.sort();
        let mut values = Vec::new();
        for path in paths {
            if let Some(found) = disk::read(&path)?.and_then(|text| parse(&text)) {
                values.push(with_times(found, &path));
            }
        }
        let ids: Vec<Value> = values.iter().map(|value| value["metadata"]["id"].clone()).collect();
        Ok(json!({ "workspaces": { "ids": ids, "values": values } }))
    }

    /// Keeps a workspace. It must name itself as the address does.
    pub fn put(&self, name: &str, body: &[u8]) -> ApiResult<()> {
        let text = std::str::from_utf8(body).ok().map(str::trim).and_then(|text| Some((parse(text)?, text)));
        let Some((workspace, text)) = text else {
            return Err(ApiError::bad_request(
                "expected {\"data\": {…}, \"metadata\": {\"id\": \"…\"}}, found no such JSON",
            ));
        };
        let id = workspace["metadata"]["id"].as_str().unwrap_or_default();
        let id = percent_decode_str(id).decode_utf8_lossy();
        if id.strip_prefix('/').unwrap_or(&id) != name.strip_prefix('/').unwrap_or(name) {
            let message = format!("expected a workspace whose metadata.id is {name:?}, found {id:?}");
            return Err(ApiError::bad_request(message));
        }
        let path = self.path(name);
        if disk::read(&path)?.is_some_and(|old| !old.trim().is_empty() && parse(&old).is_none()) {
            disk::keep_aside(&path)?;
        }
        disk::write(&path, text)
    }

    /// Forgets a workspace.
    pub fn delete(&self, name: &str) -> ApiResult<()> {
        fs::remove_file(self.path(name)).map_err(|e| ApiError::file(&format!("the workspace {name:?}"), &e))
    }
}

/// What a file or a request says, if it is a workspace.
fn parse(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    (value.get("data")?.is_object() && value.get("metadata")?.get("id")?.is_string()).then_some(value)
}

fn with_times(mut workspace: Value, path: &std::path::Path) -> Value {
    let (created, modified) = disk::times(path);
    if let Some(metadata) = workspace.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("last_modified".to_string(), modified);
        metadata.insert("created".to_string(), created);
    }
    workspace
}

/// A name for the file: what people can read of the workspace's name, and a hash that tells similar names apart.
fn slug(name: &str) -> String {
    let name = name.strip_prefix('/').unwrap_or(name);
    let mut readable = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        match c {
            c if c.is_ascii_alphanumeric() || c == '_' => readable.push(c),
            '-' | ' ' | '/' if !readable.ends_with('-') => readable.push('-'),
            _ => {}
        }
        if readable.len() >= 64 {
            break;
        }
    }
    let hash = hex::encode(Sha256::digest(name.as_bytes()));
    format!("{readable}-{}", hash.get(..16).unwrap_or(&hash))
}

/// `GET /lab/api/workspaces`
pub async fn list(State(app): State<App>) -> ApiResult<Json<Value>> {
    blocking(move || app.frontend.workspaces.list()).await.map(Json)
}

/// `GET /lab/api/workspaces/{name}`
pub async fn one(State(app): State<App>, Path(name): Path<String>) -> ApiResult<Json<Value>> {
    blocking(move || app.frontend.workspaces.get(&name)).await.map(Json)
}

/// `PUT /lab/api/workspaces/{name}`
pub async fn save(State(app): State<App>, Path(name): Path<String>, body: Bytes) -> ApiResult<StatusCode> {
    blocking(move || app.frontend.workspaces.put(&name, &body)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /lab/api/workspaces/{name}`
pub async fn remove(State(app): State<App>, Path(name): Path<String>) -> ApiResult<StatusCode> {
    blocking(move || app.frontend.workspaces.delete(&name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn empty() -> (tempfile::TempDir, Workspaces) {
        let folder = tempfile::tempdir().unwrap();
        let workspaces = Workspaces::new(folder.path().join("workspaces"));
        (folder, workspaces)
    }

    #[test]
    fn a_workspace_is_kept_listed_and_forgotten() {
        let (_folder, workspaces) = empty();
        assert_eq!(workspaces.get("default").unwrap(), json!({ "data": {}, "metadata": { "id": "/default" } }));
        let body = json!({ "data": { "layout": 1 }, "metadata": { "id": "default" } }).to_string();
        workspaces.put("default", body.as_bytes()).unwrap();
        let found = workspaces.get("default").unwrap();
        assert_eq!((&found["data"]["layout"], &found["metadata"]["id"]), (&json!(1), &json!("default")));
        assert!(found["metadata"]["last_modified"].is_string());
        let list = workspaces.list().unwrap();
        assert_eq!(list["workspaces"]["ids"], json!(["default"]));
        workspaces.delete("default").unwrap();
        assert_eq!(workspaces.delete("default").unwrap_err().status, StatusCode::NOT_FOUND);
        assert_eq!(workspaces.list().unwrap()["workspaces"]["values"], json!([]));
    }

    #[test]
    fn a_workspace_names_itself_as_its_address_does() {
        let (_folder, workspaces) = empty();
        for (name, id) in [("a", "a"), ("a", "/a"), ("a b", "a%20b"), ("lab/x", "/lab/x")] {
            let body = json!({ "data": {}, "metadata": { "id": id } }).to_string();
            assert!(workspaces.put(name, body.as_bytes()).is_ok(), "{name} {id}");
        }
        for body in ["", "[]", "{}", r#"{"data":{},"metadata":{}}"#, r#"{"data":{},"metadata":{"id":"b"}}"#, "\u{1}"] {
            assert_eq!(workspaces.put("a", body.as_bytes()).unwrap_err().status, StatusCode::BAD_REQUEST, "{body}");
        }
    }

    #[test]
    fn a_broken_file_is_an_empty_workspace_and_is_kept_aside() {
        let (folder, workspaces) = empty();
        disk::write(&workspaces.path("w"), "{\"data\": {").unwrap();
        assert_eq!(workspaces.get("w").unwrap()["data"], json!({}));
        assert_eq!(workspaces.list().unwrap()["workspaces"]["ids"], json!([]));
        workspaces.put("w", br#"{"data":{},"metadata":{"id":"w"}}"#).unwrap();
        let aside = format!("{}{EXTENSION}.broken", slug("w"));
        assert!(folder.path().join("workspaces").join(aside).exists());
    }

    #[test]
    fn file_names_are_tame_and_tell_names_apart() {
        assert!(slug("default").starts_with("default-"));
        for name in ["../../etc/passwd", "a\\b", "con", "", "\0", "Ünï", &"x".repeat(10_000), "a:b", ".."] {
            let made = slug(name);
            assert!(
                made.len() <= 96 && made.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
                "{made}"
            );
        }
        assert_ne!(slug("a b"), slug("a-b"));
        assert_ne!(slug("A"), slug("a"));
        assert_eq!(slug("/a"), slug("a"));
    }
}
