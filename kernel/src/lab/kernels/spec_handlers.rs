//! `/api/kernelspecs`, and the logos.

use super::specs::BUILT_IN;
use crate::lab::blocking::blocking;
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

async fn list(State(app): State<App>) -> ApiResult<Json<Value>> {
    let models = blocking(move || {
        let all = app.kernels.specs().all();
        Ok(all.into_iter().map(|(name, spec)| (name, spec.model())).collect::<Map<String, Value>>())
    });
    Ok(Json(json!({ "default": BUILT_IN, "kernelspecs": models.await? })))
}

async fn show(State(app): State<App>, Path(name): Path<String>) -> ApiResult<Json<Value>> {
    blocking(move || {
        let spec = app.kernels.specs().get(&name).ok_or_else(|| unknown(&name))?;
        Ok(Json(spec.model()))
    })
    .await
}

async fn resource(State(app): State<App>, Path((name, file)): Path<(String, String)>) -> ApiResult {
    let kind = mime_guess::from_path(&file).first_or_octet_stream();
    let bytes = blocking(move || {
        let spec = app.kernels.specs().get(&name).ok_or_else(|| unknown(&name))?;
        let missing = || ApiError::not_found(format!("The kernel {name:?} has no file {file:?}"));
        spec.resource(&file).ok_or_else(missing)
    })
    .await?;
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
