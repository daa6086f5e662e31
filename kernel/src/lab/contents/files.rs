//! Files as they are, for downloads and for pictures in pages. A page among them may run script, but not in the origin
//! of the server.

use super::handlers::{quote, work};
use super::manager::Contents;
use super::model::{http_date, mime_of, moment};
use super::reading::metadata;
use crate::lab::error::{ApiError, ApiResult};
use crate::lab::state::App;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, IF_MODIFIED_SINCE, IF_RANGE, LAST_MODIFIED, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::BytesMut;
use futures_util::stream;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, SeekFrom};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// Bytes in memory of a file that is being sent.
const PIECE: usize = 256 << 10;

/// `/files`.
pub fn routes() -> Router<App> {
    Router::new().route("/files", get(root)).route("/files/", get(root)).route("/files/{*path}", get(send))
}

#[derive(Deserialize)]
struct Asked {
    download: Option<String>,
}

/// A file that is open, and what its headers say.
struct Opened {
    name: String,
    file: File,
    length: u64,
    modified: String,
}

async fn root() -> ApiError {
    ApiError::forbidden("the served folder is not a file: name a file in it")
}

async fn send(
    State(app): State<App>,
    Path(path): Path<String>,
    Query(asked): Query<Asked>,
    asking: HeaderMap,
) -> ApiResult {
    let opened = work(app, move |app| app.contents.open(&path)).await?;
    let download = asked.download.is_some_and(|value| !value.is_empty());
    let headers = headers(&opened, download)?;
    let says = |name: HeaderName| asking.get(name).and_then(|value| value.to_str().ok());
    if says(IF_MODIFIED_SINCE) == Some(opened.modified.as_str()) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let range = says(RANGE).filter(|_| says(IF_RANGE).is_none_or(|since| since == opened.modified));
    let length = opened.length;
    let (status, start, count) = match range.map_or(Part::Whole, |range| Part::of(range, length)) {
        Part::Whole => (StatusCode::OK, 0, length),
        Part::Bytes(start, end) => (StatusCode::PARTIAL_CONTENT, start, end - start),
        Part::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
    };
    let content_range = match status {
        StatusCode::PARTIAL_CONTENT => Some(format!("bytes {start}-{}/{length}", (start + count).saturating_sub(1))),
        StatusCode::RANGE_NOT_SATISFIABLE => Some(format!("bytes */{length}")),
        _ => None,
    };
    let body = body(opened.file, start, count).await.map_err(|e| ApiError::file(&opened.name, &e))?;
    let mut response = (status, headers, [(CONTENT_LENGTH, count.to_string())], body).into_response();
    if let Some(range) = content_range.and_then(|range| HeaderValue::from_str(&range).ok()) {
        response.headers_mut().insert(CONTENT_RANGE, range);
    }
    Ok(response)
}

impl Contents {
    fn open(&self, api: &str) -> ApiResult<Opened> {
        let place = self.place(api)?;
        let not_a_file = || ApiError::forbidden(format!("{} is not a file", place.api));
        if !metadata(&place)?.is_file() {
            return Err(not_a_file());
        }
        let failed = |e: io::Error| ApiError::file(&place.api, &e);
        let file = File::open(&place.path).map_err(failed)?;
        // What was opened counts, not what stood there before.
        let about = file.metadata().map_err(failed)?;
        if !about.is_file() {
            return Err(not_a_file());
        }
        let modified = http_date(about.modified().map(moment).unwrap_or_default());
        Ok(Opened { name: place.name().to_owned(), file, length: about.len(), modified })
    }
}

fn headers(opened: &Opened, download: bool) -> ApiResult<HeaderMap> {
    let value =
        |text: &str| HeaderValue::from_str(text).map_err(|e| ApiError::internal(format!("{}: {e}", opened.name)));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(type_of(&opened.name)));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox allow-scripts"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(LAST_MODIFIED, value(&opened.modified)?);
    if download || is_notebook(&opened.name) {
        headers.insert(CONTENT_DISPOSITION, value(&disposition(&opened.name))?);
    }
    Ok(headers)
}

/// The name is quoted whole, so that it stays a name whatever it says.
fn disposition(name: &str) -> String {
    format!("attachment; filename*=utf-8''{}", quote(name))
}

fn is_notebook(name: &str) -> bool {
    name.ends_with(".ipynb")
}

fn type_of(name: &str) -> &'static str {
    if is_notebook(name) {
        return "application/x-ipynb+json";
    }
    match mime_of(name) {
        Some("text/plain") => "text/plain; charset=UTF-8",
        Some(mime) => mime,
        None => "application/octet-stream",
    }
}

async fn body(file: File, start: u64, count: u64) -> io::Result<Body> {
    let mut file = tokio::fs::File::from_std(file);
    file.set_max_buf_size(PIECE);
    if start > 0 {
        file.seek(SeekFrom::Start(start)).await?;
    }
    let pieces = stream::try_unfold(file.take(count), |mut file| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        let read = file.read_buf(&mut piece).await?;
        Ok::<_, io::Error>((read > 0).then(|| (piece.freeze(), file)))
    });
    Ok(Body::from_stream(pieces))
}

/// What is asked for of a file.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// From the first byte up to before the last.
    Bytes(u64, u64),
    /// Something behind its end.
    Nothing,
}

impl Part {
    /// Of a header `Range`. Several ranges, and what makes no sense, are answered with all of it, as HTTP allows.
    fn of(range: &str, length: u64) -> Self {
        let Some((first, last)) = range.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
            return Self::Whole;
        };
        let (start, end) = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
            (Ok(start), Ok(last)) if last >= start => (start, length.min(last.saturating_add(1))),
            (Ok(start), Err(_)) if last.trim().is_empty() => (start, length),
            (Err(_), Ok(count)) if first.trim().is_empty() => (length.saturating_sub(count), length),
            _ => return Self::Whole,
        };
        if start < end { Self::Bytes(start, end) } else { Self::Nothing }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_name_stays_a_name() {
        assert_eq!(disposition("test.txt"), "attachment; filename*=utf-8''test.txt");
        let evil = disposition("a\"; x=\r\nSet-Cookie: b.txt");
        assert_eq!(evil, "attachment; filename*=utf-8''a%22%3B%20x%3D%0D%0ASet-Cookie%3A%20b.txt");
        assert!(HeaderValue::from_str(&evil).is_ok());
    }

    #[test]
    fn types_follow_from_names() {
        assert_eq!(type_of("a.ipynb"), "application/x-ipynb+json");
        assert_eq!(type_of("a.txt"), "text/plain; charset=UTF-8");
        assert_eq!(type_of("a.svg"), "image/svg+xml");
        assert_eq!(type_of("a.bin"), "application/octet-stream");
        assert_eq!(type_of("foo"), "application/octet-stream");
    }

    #[test]
    fn ranges_are_cut_to_the_file() {
        assert_eq!(Part::of("bytes=0-3", 10), Part::Bytes(0, 4));
        assert_eq!(Part::of("bytes=4-", 10), Part::Bytes(4, 10));
        assert_eq!(Part::of("bytes=-3", 10), Part::Bytes(7, 10));
        assert_eq!(Part::of("bytes=8-99", 10), Part::Bytes(8, 10));
        assert_eq!(Part::of("bytes=10-", 10), Part::Nothing);
        assert_eq!(Part::of("bytes=-0", 10), Part::Nothing);
        for whole in ["bytes=3-1", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b", "bytes=-"] {
            assert_eq!(Part::of(whole, 10), Part::Whole, "{whole}");
        }
    }
}
