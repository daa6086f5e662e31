//! The page that JupyterLab runs in.

use super::config::Mode;
use crate::lab::error::{ApiError, ApiResult};
use crate::lab::state::App;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect};
use serde_json::Value;

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/lab/page.html"));

/// Where an address leads.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    workspace: &'a str,
    tree: &'a str,
}

/// `GET /`
pub async fn home(uri: Uri) -> Redirect {
    match uri.query() {
        Some(query) => Redirect::to(&format!("/lab?{query}")),
        None => Redirect::to("/lab"),
    }
}

/// `GET /lab`
pub async fn lab(state: State<App>, uri: Uri, headers: HeaderMap) -> ApiResult {
    show(&state, Mode::Lab, "", &uri, &headers)
}

/// `GET /lab/{rest}`: `tree/…`, `workspaces/…`
pub async fn lab_at(state: State<App>, Path(rest): Path<String>, uri: Uri, headers: HeaderMap) -> ApiResult {
    show(&state, Mode::Lab, &rest, &uri, &headers)
}

/// `GET /doc`
pub async fn doc(state: State<App>, uri: Uri, headers: HeaderMap) -> ApiResult {
    show(&state, Mode::Doc, "", &uri, &headers)
}

/// `GET /doc/{rest}`
pub async fn doc_at(state: State<App>, Path(rest): Path<String>, uri: Uri, headers: HeaderMap) -> ApiResult {
    show(&state, Mode::Doc, &rest, &uri, &headers)
}

fn show(app: &App, mode: Mode, rest: &str, uri: &Uri, headers: &HeaderMap) -> ApiResult {
    if mode == Mode::Lab && (rest.starts_with("api/") || rest.starts_with("extensions/")) {
        return Err(ApiError::not_found(format!("expected an address of JupyterLab, found {:?}", uri.path())));
    }
    let front = &app.frontend;
    let (status, place, missing) = match place(rest) {
        Some(place) => (StatusCode::OK, place, None),
        // JupyterLab itself says that there is no such address, and goes on.
        None => (StatusCode::NOT_FOUND, Place { workspace: "default", tree: "" }, Some(uri.path())),
    };
    let config = front.config.page(mode, place.workspace, place.tree, missing);
    let policy = policy(headers.get(HOST).and_then(|host| host.to_str().ok()));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (CONTENT_SECURITY_POLICY, policy),
    ];
    Ok((status, headers, html(&config, &front.main)).into_response())
}

/// What comes after `/lab/` or `/doc/`; `None` where JupyterLab knows no such address.
fn place(rest: &str) -> Option<Place<'_>> {
    let rest = rest.trim_end_matches('/');
    let (workspace, rest) = match rest.strip_prefix("workspaces/") {
        Some(named) => named.split_once('/').unwrap_or((named, "")),
        None => ("default", rest),
    };
    let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    if workspace.is_empty() || !workspace.bytes().all(plain) {
        return None;
    }
    let tree = if matches!(rest, "" | "tree") { "" } else { rest.strip_prefix("tree/")? };
    Some(Place { workspace, tree })
}

fn html(config: &Value, main: &str) -> String {
    // The configuration comes last, so that nothing in it is taken for one of these names.
    PAGE.replace("{{main}}", &escaped(main)).replace("{{config}}", &in_script(config))
}

/// JSON that cannot end the element it stands in, nor begin a comment there.
fn in_script(config: &Value) -> String {
    let mut text = String::new();
    for c in config.to_string().chars() {
        match c {
            // All of these stand only inside strings of JSON, where they may be written so.
            '<' | '>' | '&' | '\'' | '\u{2028}' | '\u{2029}' => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => text.push(c),
        }
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

/// What the page may do: everything that JupyterLab does, with this server and no other host.
///
/// JupyterLab compiles schemas and Vega-Lite's expressions, styles elements one by one, and runs the scripts of outputs
/// that the user trusts. Pictures and frames come as `data:` and `blob:`. No output loads from another host or sends to
/// one behind the user's back; following a link is not hindered. `'self'` does not mean WebSockets in every browser, so
/// they are named.
fn policy(host: Option<&str>) -> HeaderValue {
    let clean =
        |host: &&str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b));
    let sockets = host.filter(clean).map_or_else(String::new, |host| format!(" ws://{host} wss://{host}"));
    let text = format!(
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; \
         connect-src 'self' data: blob:{sockets}; worker-src 'self' blob:; frame-src 'self' data: blob:; \
         object-src 'self' data: blob:; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::config::{PageConfig, tests::options};
    use super::*;

    #[test]
    fn addresses_lead_to_documents_and_workspaces() {
        let at = |workspace, tree| Some(Place { workspace, tree });
        assert_eq!(place(""), at("default", ""));
        assert_eq!(place("tree"), at("default", ""));
        assert_eq!(place("tree/"), at("default", ""));
        assert_eq!(place("tree/a b/ü.ipynb"), at("default", "a b/ü.ipynb"));
        assert_eq!(place("workspaces/w-1"), at("w-1", ""));
        assert_eq!(place("workspaces/w_1/tree/a/tree/b"), at("w_1", "a/tree/b"));
        for unknown in ["workspaces/", "workspaces/a b", "workspaces/ü/tree/x", "treex", "x/tree/y", "workspaces/w/x"]
        {
            assert_eq!(place(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_path_does_not_break_out_of_the_page() {
        let evil = "</script><script>alert(1)</script><!--{{main}}\u{2028}&amp;'\"";
        let config = PageConfig::new(&options()).page(Mode::Lab, "default", evil, None);
        let page = html(&config, "/static/lab/main.js");
        assert_eq!(page.matches("</script>").count(), PAGE.matches("</script>").count());
        assert!(!page.contains("alert(1)</") && !page.contains("<!--{{"));
        assert_eq!(page.matches("/static/lab/main.js").count(), 1);
        let (_, json) = page.split_once("type=\"application/json\">").unwrap();
        let (json, _) = json.split_once("</script>").unwrap();
        let read: Value = serde_json::from_str(json).unwrap();
        assert_eq!(read["treePath"], evil);
    }

    #[test]
    fn the_policy_names_no_other_host() {
        let text = policy(Some("127.0.0.1:8888"));
        let text = text.to_str().unwrap();
        assert!(text.contains("ws://127.0.0.1:8888") && !text.contains('*') && !text.contains("http"));
        assert!(!policy(Some("a; script-src *")).to_str().unwrap().contains('*'));
        assert!(policy(Some("[::1]:80")).to_str().unwrap().contains("ws://[::1]:80"));
    }
}
