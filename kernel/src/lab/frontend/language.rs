//! What JupyterLab asks for and gets an empty answer to: translations, and lists of forbidden extensions.

use crate::lab::error::{ApiError, ApiResult};
use axum::Json;
use axum::extract::Path;
use serde_json::{Value, json};

/// `GET /lab/api/translations`: English is in JupyterLab itself, and there is no other language.
pub async fn packs() -> Json<Value> {
    Json(json!({ "data": { "en": { "displayName": "English", "nativeName": "English" } }, "message": "" }))
}

/// `GET /lab/api/translations/{locale}`
pub async fn pack(Path(locale): Path<String>) -> Json<Value> {
    let message = match locale.as_str() {
        "default" | "en" | "en_US" => String::new(),
        _ => format!("Language pack '{locale}' not installed!"),
    };
    Json(json!({ "data": {}, "message": message }))
}

/// `GET /lab/api/listings/{path}`: nothing is forbidden, and nothing can be installed.
pub async fn listings(Path(path): Path<String>) -> ApiResult<Json<Value>> {
    if path != "@jupyterlab/extensionmanager-extension/listings.json" {
        return Err(ApiError::bad_request(format!("expected the listings of the extension manager, found {path:?}")));
    }
    Ok(Json(json!({
        "blocked_extensions_uris": [], "allowed_extensions_uris": [],
        "blocked_extensions": [], "allowed_extensions": [],
    })))
}
