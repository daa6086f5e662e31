//! What every answer says to browsers.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// Only our own pages show ours in a frame.
const PAGE: &str = "frame-ancestors 'self'; report-uri /api/security/csp-report";
/// What the API answers is no page, whatever a browser takes it for.
const API: &str = "frame-ancestors 'self'; report-uri /api/security/csp-report; default-src 'none'";

/// Adds the headers of an answer; a policy that the handler wrote stays.
pub fn dress(headers: &mut HeaderMap, api: bool) {
    let fixed = HeaderValue::from_static;
    headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    headers.insert(X_FRAME_OPTIONS, fixed("SAMEORIGIN"));
    // `no-referrer` would take the `Origin` from the forms of our own pages.
    headers.insert(REFERRER_POLICY, fixed("same-origin"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), fixed("same-origin"));
    let framed = headers
        .get_all(CONTENT_SECURITY_POLICY)
        .iter()
        .any(|v| v.to_str().is_ok_and(|v| v.contains("frame-ancestors")));
    if !framed {
        // Beside another policy both hold.
        headers.append(CONTENT_SECURITY_POLICY, fixed(if api { API } else { PAGE }));
    }
    if api && !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, fixed("no-store"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_policy_of_the_handler_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox allow-scripts"));
        dress(&mut headers, false);
        let all: Vec<_> = headers.get_all(CONTENT_SECURITY_POLICY).iter().collect();
        assert_eq!(all, ["sandbox allow-scripts", PAGE]);
        dress(&mut headers, false);
        assert_eq!(headers.get_all(CONTENT_SECURITY_POLICY).iter().count(), 2);
        assert!(!headers.contains_key("access-control-allow-origin"));
    }
}
