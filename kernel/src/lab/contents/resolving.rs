//! Paths that programs print, turned into paths that a front end can open.

use super::manager::Contents;
use crate::lab::error::{ApiError, ApiResult};
use crate::lab::state::App;
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The question.
#[derive(Deserialize)]
pub struct Asked {
    path: Option<String>,
    kernel: Option<String>,
}

/// `GET /api/resolvePath`: what a path may mean to the server, and to a kernel.
pub async fn resolve_path(State(app): State<App>, Query(asked): Query<Asked>) -> ApiResult<Json<Value>> {
    let path = asked.path.ok_or_else(|| ApiError::bad_request("Missing argument path"))?;
    let kernel = asked.kernel.filter(|id| !id.is_empty());
    super::handlers::work(app, move |app| {
        let mut answer = json!({ "resolved": [] });
        let mut resolved = Vec::new();
        if let Some(path) = app.contents.api_path_of(&path) {
            resolved.push(json!({ "scope": "server", "path": path }));
        }
        match kernel {
            Some(id) if app.kernels.get(&id).is_err() => {
                let reason = format!("Kernel {id} could not be found");
                answer["unresolved"] = json!([{ "scope": "kernel", "reason": reason }]);
            }
            Some(id) => {
                let path = of_kernel(app.kernels.get(&id)?.cwd(), &path);
                resolved.extend(path.map(|path| json!({ "scope": "kernel", "path": path })));
            }
            None => {}
        }
        answer["resolved"] = Value::Array(resolved);
        Ok(Json(answer))
    })
    .await
}

impl Contents {
    /// The path of the API for a path of the file system or of the API, if something is there.
    fn api_path_of(&self, path: &str) -> Option<String> {
        let below = fs::canonicalize(expanded(path)).ok();
        let below = below.filter(|_| expanded(path).is_absolute());
        let below = below.as_deref().and_then(|real| real.strip_prefix(&self.root).ok()).map(parts);
        let home = expanded(path) != Path::new(path);
        let api = match below {
            Some(parts) => parts?.join("/"),
            None if home => return None,
            None => path.split(std::path::is_separator).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"),
        };
        let place = self.place(&api).ok()?;
        place.path.exists().then_some(place.api)
    }
}

fn parts(path: &Path) -> Option<Vec<String>> {
    path.iter().map(|part| part.to_str().map(str::to_owned)).collect()
}

/// Programs print paths as seen from the folder in which their kernel started.
fn of_kernel(cwd: &Path, path: &str) -> Option<String> {
    let path = expanded(path);
    let path = if path.is_absolute() { path } else { fs::canonicalize(cwd.join(path)).ok()? };
    path.exists().then(|| path.to_string_lossy().into_owned())
}

fn expanded(path: &str) -> PathBuf {
    let below_home = path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
    match (below_home, std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(path),
    }
}
