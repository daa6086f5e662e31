//! The small addresses of the API, and what is said of those that do not exist.

use super::blocking::blocking;
use super::body::object;
use super::config::Object;
use super::error::{ApiError, ApiResult};
use super::life::census;
use super::page::{is_api, refusal};
use super::state::App;
use crate::jupyter::wire::date;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The addresses of this part.
pub fn routes() -> Router<App> {
    let nothing = || async { Json(json!({})) };
    Router::new()
        .route("/api", get(version))
        .route("/api/status", get(status))
        .route("/api/me", get(me).patch(no_other_person))
        .route("/api/terminals", get(|| async { Json(json!([])) }).post(no_terminals))
        .route("/api/nbconvert", get(nothing))
        .route("/api/config/{section}", get(section).put(put_section).patch(patch_section))
        .route("/api/minerva/kernels", get(kernels))
        .route("/api/shutdown", post(shutdown))
        // A page tried what its policy forbids, and the browser has kept it from that.
        .route("/api/security/csp-report", post(|| async { StatusCode::NO_CONTENT }))
}

/// Any other address.
pub async fn nothing_here(uri: Uri) -> Response {
    let api = is_api(uri.path());
    let message = if api { "Not Found" } else { "there is no such page here\nhelp: JupyterLab is at /lab" };
    refusal(api, ApiError::not_found(message))
}

async fn version() -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION") }))
}

async fn status(State(app): State<App>) -> Json<Value> {
    let models: Vec<Value> = app.kernels.list().iter().map(|kernel| kernel.model()).collect();
    let connections: u64 = models.iter().filter_map(|m| m.get("connections")?.as_u64()).sum();
    let kernels = models.iter().filter_map(|m| m.get("last_activity")?.as_str()?.parse::<jiff::Timestamp>().ok());
    let asked = jiff::Timestamp::from_second(app.access.last_asked()).unwrap_or(app.started);
    let last = kernels.chain([asked]).fold(app.started, Ord::max);
    Json(json!({
        "connections": connections,
        "kernels": models.len(),
        "last_activity": date(last),
        "started": date(app.started),
    }))
}

/// Who one is, and what one may do. There is one person, who may do everything.
async fn me(Query(query): Query<HashMap<String, String>>) -> ApiResult<Json<Value>> {
    let permissions = granted(query.get("permissions").map_or("", String::as_str))?;
    let name =
        ["USER", "USERNAME", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|n| !n.is_empty()));
    let name = name.unwrap_or_else(|| "user".into());
    let initial: String = name.chars().take(1).flat_map(char::to_uppercase).collect();
    Ok(Json(json!({
        "identity": {
            "username": name,
            "name": name,
            "display_name": name,
            "initials": initial,
            "avatar_url": null,
            "color": null,
        },
        "permissions": permissions,
    })))
}

/// The permissions that were asked for, all of them.
fn granted(asked: &str) -> ApiResult<Value> {
    let wrong = || {
        let form = r#"{"resource": ["action"]}"#;
        ApiError::bad_request(format!("permissions should be a JSON dict of {form}, got {asked:?}"))
    };
    let mut permissions = match asked {
        "" => Object::new(),
        asked => serde_json::from_str(asked).map_err(|_| wrong())?,
    };
    let is_list = |actions: &Value| actions.as_array().is_some_and(|list| list.iter().all(Value::is_string));
    if !permissions.values().all(is_list) {
        return Err(wrong());
    }
    permissions.insert("updatable_fields".into(), json!([]));
    Ok(permissions.into())
}

async fn no_other_person() -> ApiError {
    ApiError::new(
        StatusCode::NOT_IMPLEMENTED,
        "what is said of a person comes from the system, and cannot be changed here",
    )
}

async fn no_terminals() -> ApiError {
    ApiError::not_found("this server has no terminals")
}

async fn kernels(State(app): State<App>) -> Json<Vec<census::Counted>> {
    Json(census::count(&app).await)
}

async fn shutdown(State(app): State<App>) -> Json<Value> {
    app.leave.ask();
    Json(json!({}))
}

async fn section(State(app): State<App>, Path(section): Path<String>) -> ApiResult<Json<Object>> {
    blocking(move || app.config.get(&section)).await.map(Json)
}

async fn put_section(State(app): State<App>, Path(section): Path<String>, body: Bytes) -> ApiResult<Response> {
    blocking(move || app.config.set(&section, &values(&body)?)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn patch_section(State(app): State<App>, Path(section): Path<String>, body: Bytes) -> ApiResult<Json<Object>> {
    blocking(move || app.config.update(&section, values(&body)?)).await.map(Json)
}

fn values(body: &Bytes) -> ApiResult<Object> {
    object(body)?.ok_or_else(|| ApiError::bad_request("expected a JSON object in the body, found nothing"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn whatever_is_asked_for_is_granted() {
        assert_eq!(granted("").unwrap(), json!({"updatable_fields": []}));
        let all = granted(r#"{"contents": ["read", "write"]}"#).unwrap();
        assert_eq!(all, json!({"contents": ["read", "write"], "updatable_fields": []}));
        for asked in ["[1]", "{", r#"{"a": "read"}"#, r#"{"a": [1]}"#, "null"] {
            assert_eq!(granted(asked).unwrap_err().status, StatusCode::BAD_REQUEST, "{asked}");
        }
    }

    #[test]
    fn time_has_six_digits() {
        assert_eq!(date(jiff::Timestamp::from_second(0).unwrap()), "1970-01-01T00:00:00.000000Z");
    }
}
