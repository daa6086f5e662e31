//! `/api/kernelspecs`, and the logos.

use super::specs::{BUILT_IN, Spec};
use crate::lab::error::{ApiError, ApiResult};
use crate::lab::state::App;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/kernelspecs", get(list))
        .route("/api/kernelspecs/{name}", get(show))
        .route("/kernelspecs/{name}/{file}", get(resource))
}

/// Runs what reads files where it holds nobody up.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> ApiResult<T> {
    tokio::task::spawn_blocking(work).await.map_err(|e| ApiError::internal(e.to_string()))
}

async fn list(State(app): State<App>) -> ApiResult<Json<Value>> {
    let models = aside(move || {
        let all = app.kernels.specs().all();
        all.into_iter().map(|(name, spec)| (name, spec.model())).collect::<Map<String, Value>>()
    });
    Ok(Json(json!({ "default": BUILT_IN, "kernelspecs": models.await? })))
}

async fn show(State(app): State<App>, Path(name): Path<String>) -> ApiResult<Json<Value>> {
    let wanted = name.clone();
    let found = aside(move || app.kernels.specs().get(&wanted).map(|spec| spec.model()));
    found.await?.map(Json).ok_or_else(|| unknown(&name))
}

async fn resource(State(app): State<App>, Path((name, file)): Path<(String, String)>) -> ApiResult {
    let (wanted, resource) = (name.clone(), file.clone());
    let found = aside(move || {
        let spec: Spec = app.kernels.specs().get(&wanted)?;
        Some(spec.resource(&resource))
    });
    let bytes = found.await?.ok_or_else(|| unknown(&name))?;
    let bytes = bytes.ok_or_else(|| ApiError::not_found(format!("The kernel {name:?} has no file {file:?}")))?;
    let kind = mime_guess::from_path(&file).first_or_octet_stream();
    let headers = [
        (header::CONTENT_TYPE, kind.as_ref()),
        (header::CACHE_CONTROL, "private, max-age=3600"),
        // A logo may be an SVG, and an SVG a page with a script: of another program, and on this server's address.
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'; style-src 'unsafe-inline'"),
    ];
    Ok((headers, bytes).into_response())
}

fn unknown(name: &str) -> ApiError {
    ApiError::not_found(format!("Kernel spec {name} not found"))
}
