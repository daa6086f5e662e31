//! Files on their way to the browser.

use super::embedded::{self, Packed};
use crate::lab::error::{ApiError, ApiResult};
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Names with a hash in them never change what they name.
const FOREVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";

const LOGO: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/jupyter/install/logo-svg.svg"));
const LOGO_PNG: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/jupyter/install/logo-64x64.png"));
const ICON_PNG: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/jupyter/install/logo-32x32.png"));
const BUSY: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/lab/favicon-busy.svg"));

/// `GET /static/lab/{path}`
pub async fn script(Path(path): Path<String>, headers: HeaderMap) -> ApiResult {
    send(&format!("static/{path}"), &headers).await
}

/// `GET /lab/api/themes/{path}`
pub async fn theme(Path(path): Path<String>, headers: HeaderMap) -> ApiResult {
    send(&format!("themes/{path}"), &headers).await
}

/// `GET /lab/extensions/{path}`
pub async fn extension(Path(path): Path<String>, headers: HeaderMap) -> ApiResult {
    send(&format!("extensions/{path}"), &headers).await
}

/// `GET /static/favicons/{name}`: one for an idle page and one for a page with a busy kernel, whatever they are called.
pub async fn favicon(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let bytes = if name.contains("busy") { BUSY } else { LOGO };
    picture(bytes, "image/svg+xml", &headers)
}

/// `GET /static/logo/{name}`
pub async fn logo(Path(name): Path<String>, headers: HeaderMap) -> Response {
    if name.ends_with(".png") {
        picture(LOGO_PNG, "image/png", &headers)
    } else {
        picture(LOGO, "image/svg+xml", &headers)
    }
}

/// `GET /favicon.ico`, which browsers ask for without being told. A PNG does, in all of them.
pub async fn icon(headers: HeaderMap) -> Response {
    picture(ICON_PNG, "image/png", &headers)
}

fn picture(bytes: &'static [u8], kind: &'static str, asked: &HeaderMap) -> Response {
    let tag = tag_of(bytes);
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
        (ETAG, tag.clone()),
    ];
    match asked.get(IF_NONE_MATCH) {
        Some(known) if *known == tag => (StatusCode::NOT_MODIFIED, headers).into_response(),
        _ => (headers, Bytes::from_static(bytes)).into_response(),
    }
}

async fn send(name: &str, asked: &HeaderMap) -> ApiResult {
    let Some(file) = embedded::file(name) else {
        return Err(ApiError::not_found(format!("JupyterLab has no file {name}")));
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, content_type(name));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if is_hashed(name) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(FOREVER));
    } else {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(ASK_AGAIN));
        let tag = tag_of(file.bytes);
        headers.insert(ETAG, tag.clone());
        if asked.get(IF_NONE_MATCH).is_some_and(|known| *known == tag) {
            return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
        }
    }
    if file.brotli && accepts_brotli(asked) {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
        return Ok((headers, Bytes::from_static(file.bytes)).into_response());
    }
    Ok((headers, body(name, file).await?).into_response())
}

/// The content as it is, for whoever does not read brotli: some browsers, where the connection is not encrypted.
async fn body(name: &str, file: Packed) -> ApiResult<Body> {
    let content = match file.brotli {
        false => Ok(Cow::Borrowed(file.bytes)),
        true => tokio::task::spawn_blocking(move || file.content()).await.unwrap_or_else(|e| Err(e.into())),
    };
    match content {
        Ok(Cow::Borrowed(bytes)) => Ok(Bytes::from_static(bytes).into()),
        Ok(Cow::Owned(bytes)) => Ok(bytes.into()),
        Err(e) => Err(ApiError::internal(format!("{name}: the packed file is damaged: {e}"))),
    }
}

/// Whether the client reads brotli, from its `Accept-Encoding`.
pub fn accepts_brotli(headers: &HeaderMap) -> bool {
    let wanted = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    let (mut named, mut any) = (None, None);
    for item in wanted {
        let (name, rest) = item.split_once(';').unwrap_or((item, ""));
        let weight = rest.split(';').find_map(|p| p.trim().strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
        let good = weight.is_some_and(|weight: f32| weight > 0.0);
        match name.trim() {
            name if name.eq_ignore_ascii_case("br") => named = Some(good),
            "*" => any = Some(good),
            _ => {}
        }
    }
    named.or(any).unwrap_or(false)
}

fn content_type(name: &str) -> HeaderValue {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let fixed = match extension {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        _ => "",
    };
    if !fixed.is_empty() {
        return HeaderValue::from_static(fixed);
    }
    let guess = mime_guess::from_ext(extension).first_or_octet_stream();
    HeaderValue::from_str(guess.as_ref()).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// Whether the name carries a hash of the content: `main.efd36b46f3b45eb8.js`, `cd7322bf5a6e6fcf.woff2`.
fn is_hashed(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name);
    let is_hash = |part: &str| part.len() >= 16 && part.bytes().all(|b| b.is_ascii_hexdigit());
    last.rsplit_once('.').is_some_and(|(stem, _)| stem.split('.').any(is_hash))
}

/// Weak, because the same tag stands for the packed and the unpacked form.
fn tag_of(bytes: &[u8]) -> HeaderValue {
    let hash = hex::encode(Sha256::digest(bytes));
    let tag = format!("W/\"{}\"", hash.get(..16).unwrap_or(&hash));
    HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("W/\"\""))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn accepts(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
        accepts_brotli(&headers)
    }

    #[test]
    fn brotli_is_sent_to_those_who_read_it() {
        for yes in ["br", "gzip, deflate, br, zstd", "gzip;q=1.0, br;q=0.5", "*", "BR", "gzip, *;q=0.1"] {
            assert!(accepts(yes), "{yes}");
        }
        for no in ["", "gzip, deflate", "br;q=0", "br;q=0.0, gzip", "*;q=0", "identity", "*, br;q=0", "brr"] {
            assert!(!accepts(no), "{no}");
        }
        assert!(!accepts_brotli(&HeaderMap::new()));
    }

    #[test]
    fn names_with_a_hash_are_kept_for_ever() {
        assert!(is_hashed("static/main.efd36b46f3b45eb8.js"));
        assert!(is_hashed("static/0e53fe4feaaacc48.woff"));
        assert!(!is_hashed("static/third-party-licenses.json"));
        assert!(!is_hashed("extensions/@minerva/lab-extension/static/remote.js"));
        assert!(!is_hashed("efd36b46f3b45eb8"));
    }

    #[test]
    fn scripts_and_fonts_have_their_types() {
        assert_eq!(content_type("static/main.1.js"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("a.woff2"), "font/woff2");
        assert_eq!(content_type("a.png"), "image/png");
        assert_eq!(content_type("nothing"), "application/octet-stream");
    }

    #[tokio::test]
    async fn a_file_is_sent_packed_or_unpacked() {
        let name = embedded::main_script().unwrap();
        let mut asked = HeaderMap::new();
        let plain = send(name, &asked).await.unwrap();
        assert!(plain.headers().get(CONTENT_ENCODING).is_none());
        asked.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, br"));
        let packed = send(name, &asked).await.unwrap();
        assert_eq!(packed.headers().get(CONTENT_ENCODING).unwrap(), "br");
        assert_eq!(packed.headers().get(CACHE_CONTROL).unwrap(), FOREVER);
        let packed = axum::body::to_bytes(packed.into_body(), usize::MAX).await.unwrap();
        let plain = axum::body::to_bytes(plain.into_body(), usize::MAX).await.unwrap();
        assert!(packed.len() < plain.len());
        assert_eq!(send("static/../static/x", &asked).await.unwrap_err().status, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn an_unchanged_file_is_not_sent_again() {
        let name = "extensions/@minerva/lab-extension/static/remote.js";
        let first = send(name, &HeaderMap::new()).await.unwrap();
        let mut asked = HeaderMap::new();
        asked.insert(IF_NONE_MATCH, first.headers().get(ETAG).unwrap().clone());
        assert_eq!(send(name, &asked).await.unwrap().status(), StatusCode::NOT_MODIFIED);
    }
}
