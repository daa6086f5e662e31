//! What comes with a request.

use crate::lab::error::{ApiError, ApiResult};
use crate::lab::state::App;
use axum::body::Bytes;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// The JSON object in a body; nothing where the body is empty. As in Jupyter Server its declared type does not matter.
///
/// # Errors
/// 400 where it is something else.
pub fn object(body: &Bytes) -> ApiResult<Option<Map<String, Value>>> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    match serde_json::from_slice(body) {
        Ok(Value::Null) => Ok(None),
        Ok(Value::Object(object)) => Ok(Some(object)),
        Ok(_) => Err(ApiError::bad_request("Invalid JSON in body of request: expected an object")),
        Err(e) => Err(ApiError::bad_request(format!("Invalid JSON in body of request: {e}"))),
    }
}

/// A text in an object; nothing where it is missing or null.
///
/// # Errors
/// 400 where it is something else.
pub fn text(object: &Map<String, Value>, key: &str) -> ApiResult<Option<String>> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(ApiError::bad_request(format!("{key:?}: expected a text, found {other}"))),
    }
}

/// The folder in which the kernel of a document works: that of the document, or the nearest above it that is there.
/// Never one outside the server's folder.
pub async fn working_folder(app: &App, path: &str) -> PathBuf {
    let (lab, path) = (app.clone(), path.to_owned());
    let found = tokio::task::spawn_blocking(move || {
        let root = lab.contents.root();
        let path = lab.contents.resolve(&path).unwrap_or_else(|_| root.to_owned());
        let mut inside = path.ancestors().take_while(|folder| folder.starts_with(root));
        inside.find(|folder| folder.is_dir()).map(Path::to_owned)
    });
    found.await.ok().flatten().unwrap_or_else(|| app.contents.root().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn bodies_are_objects_or_nothing() {
        assert_eq!(object(&Bytes::from_static(b" ")).unwrap(), None);
        assert_eq!(object(&Bytes::from_static(b"null")).unwrap(), None);
        assert_eq!(object(&Bytes::from_static(b"{}")).unwrap(), Some(Map::new()));
        assert!(object(&Bytes::from_static(b"[]")).is_err());
        assert!(object(&Bytes::from_static(b"{")).unwrap_err().message.contains("Invalid JSON"));
    }
}
