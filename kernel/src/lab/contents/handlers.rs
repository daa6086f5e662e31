//! The addresses of the contents API.

use super::checkpoints::Checkpoint;
use super::manager::Contents;
use super::model::{Model, http_date};
use super::places;
use super::reading::{Format, Kind, Wanted};
use super::{files, resolving};
use crate::lab::blocking::blocking;
use crate::lab::body::object;
use crate::lab::error::{ApiError, ApiResult};
use crate::lab::state::{App, Lab};
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, LAST_MODIFIED, LOCATION};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

/// What Python's `quote` leaves as it is.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~');

/// `/api/contents`, `/api/resolvePath` and `/files`.
pub fn routes() -> Router<App> {
    let contents = get(read).post(create).put(save).patch(rename).delete(remove);
    Router::new()
        .route("/api/contents", contents.clone())
        .route("/api/contents/", contents.clone())
        .route("/api/contents/{*path}", contents)
        .route("/api/notebooks/{*path}", any(moved))
        .route("/api/resolvePath", get(resolving::resolve_path))
        .merge(files::routes())
}

/// Does work on files where waiting for a disk keeps nobody else waiting.
pub async fn work<T: Send + 'static>(
    app: App,
    job: impl FnOnce(&Lab) -> ApiResult<T> + Send + 'static,
) -> ApiResult<T> {
    blocking(move || job(&app)).await
}

/// A path as an address holds it.
pub fn quote(path: &str) -> String {
    path.split('/').map(|part| utf8_percent_encode(part, QUOTED).to_string()).collect::<Vec<_>>().join("/")
}

/// What an address names: a file, or something of it.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Whole(String),
    Checkpoints(String),
    Checkpoint(String, String),
    Trust(String),
}

impl Target {
    /// `a/checkpoints` names the checkpoints of `a`, unless `a` is a folder: then it is an entry of that name.
    fn new(path: Option<Path<String>>, is_folder: impl Fn(&str) -> bool) -> Self {
        let path = path.map(|Path(path)| path).unwrap_or_default();
        let of_file = |file: Option<&str>| file.filter(|file| !is_folder(file)).map(str::to_owned);
        if let Some(file) = of_file(path.strip_suffix("/checkpoints")) {
            return Self::Checkpoints(file);
        }
        if let Some(file) = of_file(path.strip_suffix("/trust")) {
            return Self::Trust(file);
        }
        let (before, id) = path.rsplit_once('/').unwrap_or_default();
        match of_file(before.strip_suffix("/checkpoints")) {
            Some(file) => Self::Checkpoint(file, id.to_owned()),
            None => Self::Whole(path),
        }
    }

    fn of(path: Option<Path<String>>, contents: &Contents) -> Self {
        Self::new(path, |folder| places::locate(contents.root(), folder).is_ok_and(|place| place.path.is_dir()))
    }
}

/// The question in the address of a GET.
#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "type")]
    kind: Option<String>,
    format: Option<String>,
    content: Option<String>,
    hash: Option<String>,
}

impl Asked {
    fn wanted(&self) -> ApiResult<Wanted> {
        let format = match self.format.as_deref() {
            None => None,
            Some("text") => Some(Format::Text),
            Some("base64") => Some(Format::Base64),
            Some(other) => return Err(ApiError::bad_request(format!("Format '{other}' is invalid"))),
        };
        let flag = |name: &str, value: Option<&str>, default: bool| match value {
            None => Ok(default),
            Some("0") => Ok(false),
            Some("1") => Ok(true),
            Some(other) => Err(ApiError::bad_request(format!("{name} '{other}' is invalid. It must be '0' or '1'."))),
        };
        let content = flag("Content", self.content.as_deref(), true)?;
        let hash = flag("Hash argument", self.hash.as_deref(), false)?;
        Ok(Wanted { kind: self.kind.as_deref().map(Kind::named), format, content, hash })
    }
}

async fn read(State(app): State<App>, path: Option<Path<String>>, Query(asked): Query<Asked>) -> ApiResult {
    work(app, move |app| match Target::of(path, &app.contents) {
        Target::Checkpoints(file) => Ok(Json(app.contents.checkpoints(&file)?).into_response()),
        Target::Checkpoint(file, id) => Err(ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("checkpoint {id} of {file}: POST restores it, DELETE removes it"),
        )),
        Target::Trust(file) => {
            answer(StatusCode::OK, &app.contents.get(&format!("{file}/trust"), asked.wanted()?)?, false)
        }
        Target::Whole(path) => answer(StatusCode::OK, &app.contents.get(&path, asked.wanted()?)?, false),
    })
    .await
}

async fn create(State(app): State<App>, path: Option<Path<String>>, body: Bytes) -> ApiResult {
    work(app, move |app| {
        let contents = &app.contents;
        match Target::of(path, contents) {
            Target::Checkpoints(file) => {
                let checkpoint = contents.create_checkpoint(&file)?;
                let location = checkpoint_location(&file, &checkpoint);
                Ok((StatusCode::CREATED, [(LOCATION, location)], Json(checkpoint)).into_response())
            }
            Target::Checkpoint(file, id) => {
                contents.restore_checkpoint(&file, &id)?;
                Ok(StatusCode::NO_CONTENT.into_response())
            }
            Target::Trust(file) => {
                contents.trust(&file)?;
                Ok(StatusCode::CREATED.into_response())
            }
            Target::Whole(folder) => answer(StatusCode::CREATED, &new_entry(contents, &folder, body)?, true),
        }
    })
    .await
}

async fn save(State(app): State<App>, path: Option<Path<String>>, body: Bytes) -> ApiResult {
    let path = path.map(|Path(path)| path).unwrap_or_default();
    work(app, move |app| match object(&body)? {
        Some(model) if !model.is_empty() => {
            let (new, model) = app.contents.save(&path, model)?;
            answer(if new { StatusCode::CREATED } else { StatusCode::OK }, &model, true)
        }
        _ => answer(StatusCode::CREATED, &app.contents.untitled(&path, None, "")?, true),
    })
    .await
}

async fn rename(State(app): State<App>, path: Option<Path<String>>, body: Bytes) -> ApiResult {
    let path = path.map(|Path(path)| path).unwrap_or_default();
    work(app, move |app| {
        let model = object(&body)?.ok_or_else(|| ApiError::bad_request("JSON body missing"))?;
        answer(StatusCode::OK, &app.contents.rename(&path, &model)?, true)
    })
    .await
}

async fn remove(State(app): State<App>, path: Option<Path<String>>) -> ApiResult {
    work(app, move |app| {
        match Target::of(path, &app.contents) {
            Target::Checkpoint(file, id) => app.contents.delete_checkpoint(&file, &id)?,
            Target::Checkpoints(file) => app.contents.delete(&format!("{file}/checkpoints"))?,
            Target::Trust(file) => app.contents.delete(&format!("{file}/trust"))?,
            Target::Whole(path) => app.contents.delete(&path)?,
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

/// Where notebooks were before there were other files.
async fn moved(Path(path): Path<String>) -> Response {
    (StatusCode::FOUND, [(LOCATION, contents_location(&path))]).into_response()
}

fn new_entry(contents: &Contents, folder: &str, body: Bytes) -> ApiResult<Model> {
    if places::locate(contents.root(), folder).is_ok_and(|place| place.path.is_file()) {
        return Err(ApiError::bad_request("Cannot POST to files, use PUT instead."));
    }
    let model = object(&body)?.unwrap_or_default();
    let text = |name: &str| model.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match text("copy_from") {
        Some(from) => contents.copy(from, folder),
        None => contents.untitled(folder, text("type").map(Kind::named), text("ext").unwrap_or_default()),
    }
}

fn answer(status: StatusCode, model: &Model, location: bool) -> ApiResult {
    let body = serde_json::to_vec(model).map_err(|e| ApiError::internal(format!("{}: {e}", model.path)))?;
    let headers = [(CONTENT_TYPE, "application/json".to_owned()), (LAST_MODIFIED, http_date(model.modified))];
    if location {
        return Ok((status, headers, [(LOCATION, contents_location(&model.path))], body).into_response());
    }
    Ok((status, headers, body).into_response())
}

fn contents_location(path: &str) -> String {
    format!("/api/contents/{}", quote(path))
}

fn checkpoint_location(file: &str, checkpoint: &Checkpoint) -> String {
    format!("{}/checkpoints/{}", contents_location(file), checkpoint.id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn addresses_are_quoted_as_python_quotes_them() {
        assert_eq!(contents_location("å b/x_1-2.~y.ipynb"), "/api/contents/%C3%A5%20b/x_1-2.~y.ipynb");
        assert_eq!(quote("a\r\nb?c#d%"), "a%0D%0Ab%3Fc%23d%25");
    }

    #[test]
    fn what_belongs_to_a_file_is_told_from_what_is_in_a_folder() {
        let target = |path: &str| Target::new(Some(Path(path.to_owned())), |folder| folder == "dir");
        assert_eq!(target("a.ipynb/checkpoints"), Target::Checkpoints("a.ipynb".to_owned()));
        assert_eq!(target("a/b/checkpoints/x"), Target::Checkpoint("a/b".to_owned(), "x".to_owned()));
        assert_eq!(target("a.ipynb/trust"), Target::Trust("a.ipynb".to_owned()));
        assert_eq!(target("dir/checkpoints"), Target::Whole("dir/checkpoints".to_owned()));
        assert_eq!(target("dir/checkpoints/x"), Target::Whole("dir/checkpoints/x".to_owned()));
        assert_eq!(target("checkpoints"), Target::Whole("checkpoints".to_owned()));
        assert_eq!(Target::new(None, |_| false), Target::Whole(String::new()));
    }
}
