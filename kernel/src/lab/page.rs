//! Small pages of the server itself, without script.

use super::error::ApiError;
use crate::display::escape_html;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'; report-uri /api/security/csp-report";

const STYLE: &str = "\
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:30rem;margin:18vh auto 0;padding:0 1rem}
h1{font-size:1.3rem;font-weight:600}
input,button{font:inherit;padding:.4rem .6rem;border:1px solid #8888;border-radius:4px}
input{width:100%;box-sizing:border-box;margin:.3rem 0 .8rem}
button{background:#3457d5;border-color:#3457d5;color:#fff;cursor:pointer}
.problem{color:#c62828}
code{font-size:.95em}";

/// A page; `body` is HTML.
pub fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let title = escape_html(title);
    let text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} · Minerva</title>\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><style>{STYLE}</style></head>\n\
         <body><h1>{title}</h1>\n{body}\n</body></html>\n"
    );
    let mut response = (status, Html(text)).into_response();
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// The error as a page, or in the form that clients of the API read.
pub fn refusal(api: bool, error: ApiError) -> Response {
    if api {
        return error.into_response();
    }
    let title = error.status.canonical_reason().unwrap_or("Error");
    let lines = error.message.lines().map(|line| format!("<p>{}</p>", escape_html(line)));
    page(error.status, title, &lines.collect::<String>())
}

/// Whether an address belongs to the API.
pub fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/") || path.starts_with("/lab/api/")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_page_or_json() {
        let error = || ApiError::forbidden("<script>\nhelp: no");
        assert_eq!(refusal(true, error()).headers()["content-type"], "application/json");
        let page = refusal(false, error());
        assert_eq!(page.status(), StatusCode::FORBIDDEN);
        assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().contains("default-src 'none'"));
        assert!(is_api("/api") && is_api("/api/x") && is_api("/lab/api/settings"));
        assert!(!is_api("/apix") && !is_api("/lab") && !is_api("/files/api/x"));
    }
}
