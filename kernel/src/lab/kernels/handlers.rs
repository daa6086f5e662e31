//! `/api/kernels`.

use super::mailbox::Unseen;
use super::{StartKernel, channels, spec_handlers};
use crate::lab::body::{object, text, working_folder};
use crate::lab::error::ApiResult;
use crate::lab::state::App;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;

/// Kernels, kernelspecs and the WebSocket.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/kernels", get(list).post(start))
        .route("/api/kernels/{id}", get(show).delete(shutdown))
        .route("/api/kernels/{id}/interrupt", post(interrupt))
        .route("/api/kernels/{id}/restart", post(restart))
        .route("/api/kernels/{id}/channels", get(channels::channels))
        .route("/api/minerva/kernels/{id}/unseen", get(unseen))
        .merge(spec_handlers::routes())
}

async fn list(State(app): State<App>) -> Json<Vec<Value>> {
    Json(app.kernels.list().iter().map(|kernel| kernel.model()).collect())
}

async fn start(State(app): State<App>, body: Bytes) -> ApiResult {
    let asked = object(&body)?.unwrap_or_default();
    let cwd = working_folder(&app, &text(&asked, "path")?.unwrap_or_default()).await;
    let (id, name) = (text(&asked, "kernel_id")?, text(&asked, "name")?);
    let kernel = app.kernels.start(StartKernel { id, name, cwd, env: Vec::new() }).await?;
    let location = [(header::LOCATION, format!("/api/kernels/{}", kernel.id()))];
    Ok((StatusCode::CREATED, location, Json(kernel.model())).into_response())
}

async fn show(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    Ok(Json(app.kernels.get(&id)?.model()))
}

/// What cells said while no page was there, for our extension of JupyterLab.
async fn unseen(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Vec<Unseen>>> {
    Ok(Json(app.kernels.get(&id)?.mailboxes().unseen_runs()))
}

async fn shutdown(State(app): State<App>, Path(id): Path<String>) -> ApiResult<StatusCode> {
    app.kernels.shutdown(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn interrupt(State(app): State<App>, Path(id): Path<String>) -> ApiResult<StatusCode> {
    app.kernels.interrupt(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn restart(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    app.kernels.restart(&id).await?;
    Ok(Json(app.kernels.get(&id)?.model()))
}
