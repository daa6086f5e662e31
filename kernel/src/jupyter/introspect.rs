//! Completion, inspection and whether a cell is complete: the session's answers in the protocol's words.

use super::wire::Request;
use crate::session::{Completeness, Detail, Session};
use serde_json::{Value, json};

/// The content of a `complete_reply`. Positions count characters on both sides.
pub fn complete(session: &Session, request: &Request) -> Value {
    let found = session.complete(request.text("code"), cursor(request));
    let matches: Vec<&str> = found.matches.iter().map(|m| m.text.as_str()).collect();
    // JupyterLab shows the kind of each match beside it.
    let typed: Vec<Value> = found
        .matches
        .iter()
        .map(|m| {
            json!({
                "text": m.text,
                "type": m.kind.name(),
                "start": found.start,
                "end": found.end,
                "signature": m.signature,
                "documentation": m.doc,
            })
        })
        .collect();
    json!({
        "status": "ok",
        "matches": matches,
        "cursor_start": found.start,
        "cursor_end": found.end,
        "metadata": { "_jupyter_types_experimental": typed },
    })
}

/// The content of an `inspect_reply`.
pub fn inspect(session: &Session, request: &Request) -> Value {
    let detail = if request.number("detail_level").unwrap_or(0) > 0 { Detail::More } else { Detail::Brief };
    match session.inspect(request.text("code"), cursor(request), detail) {
        Some(bundle) => json!({ "status": "ok", "found": true, "data": bundle.data, "metadata": bundle.metadata }),
        None => json!({ "status": "ok", "found": false, "data": {}, "metadata": {} }),
    }
}

/// The content of an `is_complete_reply`.
pub fn is_complete(session: &Session, request: &Request) -> Value {
    match session.is_complete(request.text("code")) {
        Completeness::Complete => json!({ "status": "complete" }),
        Completeness::Incomplete { indent } => json!({ "status": "incomplete", "indent": indent }),
        Completeness::Invalid => json!({ "status": "invalid" }),
        Completeness::Unknown => json!({ "status": "unknown" }),
    }
}

/// Where the cursor is; at the end where the request does not say.
fn cursor(request: &Request) -> usize {
    let length = request.text("code").chars().count();
    request.number("cursor_pos").and_then(|n| usize::try_from(n).ok()).map_or(length, |n| n.min(length))
}
