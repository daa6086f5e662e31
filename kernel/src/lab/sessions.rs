//! Which document uses which kernel: `/api/sessions`.

use super::body::{object, text, working_folder};
use super::error::{ApiError, ApiResult};
use super::kernels::{Kernel, Kernels, StartKernel};
use super::state::App;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The sessions of a server.
#[derive(Default)]
pub struct Sessions {
    rows: Mutex<Vec<Session>>,
    /// Two tabs that open one document at the same time get one kernel.
    opening: tokio::sync::Mutex<()>,
}

/// A document and its kernel.
#[derive(Debug, Clone)]
struct Session {
    id: String,
    /// Where the document is. A console has a path that names no file.
    path: String,
    name: Option<String>,
    /// `notebook`, `file` or `console`.
    kind: String,
    kernel: String,
}

impl Session {
    fn model(&self, kernel: &Kernel) -> Value {
        let mut model = json!({
            "id": self.id,
            "path": self.path,
            "name": self.name,
            "type": self.kind,
            "kernel": kernel.model(),
        });
        if let (true, Some(model)) = (self.kind == "notebook", model.as_object_mut()) {
            // What clients of before know.
            model.insert("notebook".to_owned(), json!({ "path": self.path, "name": self.name }));
        }
        model
    }
}

impl Sessions {
    /// No session yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Path and kernel id of each open document.
    pub fn open_documents(&self) -> Vec<(String, String)> {
        self.lock().iter().map(|row| (row.path.clone(), row.kernel.clone())).collect()
    }

    /// The models of all sessions. One whose kernel is gone goes with it.
    pub fn list(&self, kernels: &Kernels) -> Vec<Value> {
        let mut rows = self.lock();
        rows.retain(|row| alive(kernels, &row.kernel).is_some());
        rows.iter().filter_map(|row| alive(kernels, &row.kernel).map(|kernel| row.model(&kernel))).collect()
    }

    /// The first session of which this is true, with its kernel.
    fn find(&self, kernels: &Kernels, of: impl Fn(&Session) -> bool) -> Option<(Session, Arc<Kernel>)> {
        let mut rows = self.lock();
        rows.retain(|row| alive(kernels, &row.kernel).is_some());
        let row = rows.iter().find(|row| of(row))?.clone();
        let kernel = alive(kernels, &row.kernel)?;
        Some((row, kernel))
    }

    fn get(&self, kernels: &Kernels, id: &str) -> ApiResult<(Session, Arc<Kernel>)> {
        self.find(kernels, |row| row.id == id).ok_or_else(|| missing(id))
    }

    /// Retires a kernel that no session has any more; false where one has it.
    fn retire_unused(&self, kernel: &Kernel) -> bool {
        let rows = self.lock();
        let unused = !rows.iter().any(|row| row.kernel == kernel.id());
        if unused {
            kernel.retire();
        }
        unused
    }

    /// Changes a session where it is still there; returns what it is now, and what the change said.
    fn edit<T>(&self, id: &str, change: impl FnOnce(&mut Session) -> T) -> Option<(Session, T)> {
        let mut rows = self.lock();
        let row = rows.iter_mut().find(|row| row.id == id)?;
        let said = change(row);
        Some((row.clone(), said))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Session>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("Session not found: session_id={id:?}"))
}

fn alive(kernels: &Kernels, id: &str) -> Option<Arc<Kernel>> {
    kernels.get(id).ok().filter(|kernel| !kernel.is_dead() && !kernel.is_retired())
}

/// `/api/sessions`.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/sessions", get(list).post(open))
        .route("/api/sessions/{id}", get(show).patch(change).delete(close))
}

async fn list(State(app): State<App>) -> Json<Vec<Value>> {
    Json(app.sessions.list(&app.kernels))
}

async fn show(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let (session, kernel) = app.sessions.get(&app.kernels, &id)?;
    Ok(Json(session.model(&kernel)))
}

async fn open(State(app): State<App>, body: Bytes) -> ApiResult {
    let asked = Asked::read(&body)?;
    whole(async move { open_whole(&app, asked).await }).await
}

async fn change(State(app): State<App>, Path(id): Path<String>, body: Bytes) -> ApiResult {
    let asked = Asked::read(&body)?;
    whole(async move { change_whole(&app, &id, asked).await }).await
}

async fn close(State(app): State<App>, Path(id): Path<String>) -> ApiResult {
    whole(async move { close_whole(&app, &id).await }).await
}

/// Does it to the end, even where the front end goes away meanwhile: no kernel without a session stays behind.
async fn whole(work: impl Future<Output = ApiResult> + Send + 'static) -> ApiResult {
    let done = tokio::spawn(work).await;
    done.unwrap_or_else(|e| Err(ApiError::internal(format!("The session could not be changed: {e}"))))
}

/// What a front end wants a session to be.
#[derive(Debug, Default)]
struct Asked {
    path: Option<String>,
    name: Option<String>,
    kind: Option<String>,
    kernel_id: Option<String>,
    kernel_name: Option<String>,
}

impl Asked {
    fn read(body: &Bytes) -> ApiResult<Self> {
        let model = object(body)?.ok_or_else(|| ApiError::bad_request("No JSON data provided"))?;
        let part = |key: &str| match model.get(key) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(part)) => Ok(part.clone()),
            Some(other) => Err(ApiError::bad_request(format!("{key:?}: expected an object, found {other}"))),
        };
        let (kernel, before) = (part("kernel")?, part("notebook")?);
        let mut asked = Self {
            path: text(&model, "path")?,
            name: text(&model, "name")?,
            kind: text(&model, "type")?,
            kernel_id: text(&kernel, "id")?.filter(|id| !id.is_empty()),
            kernel_name: text(&kernel, "name")?.filter(|name| !name.is_empty()),
        };
        // Clients of before name the notebook, by one word or the other.
        let path = text(&before, "path")?.or(text(&before, "name")?);
        if path.is_some() {
            (asked.path, asked.kind) = (path, Some("notebook".to_owned()));
        }
        Ok(asked)
    }
}

async fn open_whole(app: &App, asked: Asked) -> ApiResult {
    let missing = |field: &str| ApiError::bad_request(format!("Missing field in JSON data: {field}"));
    let path = asked.path.ok_or_else(|| missing("path"))?;
    let kind = asked.kind.ok_or_else(|| missing("type"))?;
    let _one = app.sessions.opening.lock().await;
    if let Some((session, kernel)) = app.sessions.find(&app.kernels, |row| row.path == path) {
        return Ok(created(&session, &kernel));
    }
    let attached = asked.kernel_id.as_deref().and_then(|id| alive(&app.kernels, id));
    let kernel = match attached {
        Some(kernel) => kernel,
        None => match start(app, &path, asked.name.as_deref(), asked.kernel_name.clone(), asked.kernel_id).await {
            Ok(kernel) => kernel,
            Err(e) if e.status == StatusCode::NOT_IMPLEMENTED => {
                let wanted = asked.kernel_name.unwrap_or_default();
                return Ok(not_available(&e.message, &format!("{wanted} not found")));
            }
            Err(e) => return Err(e),
        },
    };
    let id = uuid::Uuid::new_v4().to_string();
    let session = Session { id, path, name: asked.name, kind, kernel: kernel.id().to_owned() };
    app.sessions.lock().push(session.clone());
    Ok(created(&session, &kernel))
}

async fn change_whole(app: &App, id: &str, asked: Asked) -> ApiResult {
    let only = app.sessions.opening.lock().await;
    let (session, before) = app.sessions.get(&app.kernels, id)?;
    let mut own = None;
    let kernel = match (asked.kernel_id, asked.kernel_name) {
        (Some(id), _) => {
            alive(&app.kernels, &id).ok_or_else(|| ApiError::bad_request(format!("No such kernel: {id}")))?
        }
        (None, Some(name)) => {
            match start(app, &session.path, session.name.as_deref(), Some(name.clone()), None).await {
                Ok(kernel) => own.insert(kernel).clone(),
                Err(e) => {
                    let message = format!("The '{name}' kernel could not be started: {}", e.message);
                    return Ok(not_available(&message, &format!("Error starting kernel {name}")));
                }
            }
        }
        (None, None) => before.clone(),
    };
    // At once: JupyterLab sends a new path and a new name side by side.
    let changed = app.sessions.edit(id, |row| {
        let was = (row.path.clone(), row.name.clone());
        row.path = asked.path.unwrap_or_else(|| row.path.clone());
        row.name = asked.name.or_else(|| row.name.clone());
        row.kind = asked.kind.unwrap_or_else(|| row.kind.clone());
        if kernel.id() != before.id() {
            kernel.id().clone_into(&mut row.kernel);
        }
        was != (row.path.clone(), row.name.clone())
    });
    let Some((session, moved)) = changed else {
        // It was closed meanwhile, and a kernel that was started for it is nobody's.
        if let Some(own) = own {
            let _ = app.kernels.shutdown(own.id()).await;
        }
        return Err(missing(id));
    };
    if moved {
        let cwd = working_folder(app, &session.path).await;
        let (name, value) = session_name(&cwd, &session.path, session.name.as_deref());
        kernel.set_env(&name, &value);
    }
    // Another document may go on with it; else nobody can reach it any more.
    let is_left = app.sessions.retire_unused(&before);
    drop(only);
    if is_left {
        let _ = app.kernels.shutdown(before.id()).await;
    }
    Ok(Json(session.model(&kernel)).into_response())
}

async fn close_whole(app: &App, id: &str) -> ApiResult {
    let (session, kernel) = app.sessions.get(&app.kernels, id)?;
    // First the row: who opens the document while the kernel takes its time gets another one.
    app.sessions.lock().retain(|row| row.id != session.id);
    kernel.retire();
    match app.kernels.shutdown(kernel.id()).await {
        Err(e) if e.status == StatusCode::NOT_FOUND => {
            Err(ApiError::new(StatusCode::GONE, "Kernel deleted before session"))
        }
        Err(e) => Err(e),
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

async fn start(
    app: &App,
    path: &str,
    name: Option<&str>,
    kernel_name: Option<String>,
    id: Option<String>,
) -> ApiResult<Arc<Kernel>> {
    let cwd = working_folder(app, path).await;
    let env = vec![session_name(&cwd, path, name)];
    app.kernels.start(StartKernel { id, name: kernel_name, cwd, env }).await
}

/// By this variable a kernel can find out which document it belongs to.
fn session_name(cwd: &std::path::Path, path: &str, name: Option<&str>) -> (String, String) {
    let value = name.map_or_else(|| path.to_owned(), |name| cwd.join(name).to_string_lossy().into_owned());
    // A name with a zero byte would keep the kernel from starting.
    ("JPY_SESSION_NAME".to_owned(), value.replace('\0', ""))
}

fn created(session: &Session, kernel: &Kernel) -> Response {
    let location = [(header::LOCATION, format!("/api/sessions/{}", session.id))];
    (StatusCode::CREATED, location, Json(session.model(kernel))).into_response()
}

fn not_available(message: &str, short: &str) -> Response {
    (StatusCode::NOT_IMPLEMENTED, Json(json!({ "message": message, "short_message": short }))).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn read(body: &'static str) -> ApiResult<Asked> {
        Asked::read(&Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn clients_of_before_name_the_notebook() {
        let asked = read(r#"{"notebook": {"path": "a/b.ipynb"}, "kernel": {"name": "python", "id": "foo"}}"#).unwrap();
        assert_eq!(asked.path.as_deref(), Some("a/b.ipynb"));
        assert_eq!(asked.kind.as_deref(), Some("notebook"));
        assert_eq!((asked.kernel_name.as_deref(), asked.kernel_id.as_deref()), (Some("python"), Some("foo")));
    }

    #[test]
    fn what_is_null_or_empty_is_not_asked_for() {
        let asked = read(r#"{"path": "", "type": "file", "name": null, "kernel": {"id": null, "name": ""}}"#).unwrap();
        assert_eq!(asked.path.as_deref(), Some(""));
        assert!(asked.name.is_none() && asked.kernel_id.is_none() && asked.kernel_name.is_none());
    }

    #[test]
    fn what_is_no_object_or_no_text_is_refused() {
        for body in ["", "null", "[]", "{", r#"{"path": 1}"#, r#"{"kernel": "x"}"#] {
            assert_eq!(read(body).unwrap_err().status, StatusCode::BAD_REQUEST, "{body}");
        }
    }

    #[test]
    fn a_kernel_is_told_the_path_of_its_document() {
        let cwd = std::path::Path::new("root");
        assert_eq!(session_name(cwd, "a/b", None).1, "a/b");
        assert_eq!(session_name(cwd, "a/b", Some("b")).1, cwd.join("b").to_string_lossy());
    }
}
