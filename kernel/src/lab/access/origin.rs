//! Which page a request comes from, as far as the browser says. Pages cannot write these headers themselves.

use axum::http::HeaderMap;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A page of this server.
    Own,
    /// Not said: a program that is no browser, an old browser, or a person who typed the address.
    Unknown,
    /// Another page.
    Foreign,
}

/// Where a request to the server that is called `host` comes from.
pub fn source(headers: &HeaderMap, host: &str) -> Source {
    // Every header that is there must agree: a header that we cannot read is nobody's.
    let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or_default());
    let origin = text("origin").map(|origin| same(origin, host));
    let site = text("sec-fetch-site");
    match (origin, site) {
        (Some(false), _) => Source::Foreign,
        (_, Some(site)) if !matches!(site, "same-origin" | "none") => Source::Foreign,
        (Some(true), _) | (_, Some("same-origin")) => Source::Own,
        (_, Some(_)) => Source::Unknown,
        // A page's address begins with its origin.
        (None, None) => match text("referer") {
            Some(referer) if same(referer, host) => Source::Own,
            Some(_) => Source::Foreign,
            None => Source::Unknown,
        },
    }
}

/// Whether a browser goes to the address itself, in place of the page before: whoever sent it there sees nothing of the
/// answer.
pub fn navigates(headers: &HeaderMap) -> bool {
    let is = |name: &str, expected: &str| headers.get(name).map(|v| v == expected);
    match is("sec-fetch-mode", "navigate") {
        Some(navigates) => navigates && is("sec-fetch-dest", "document") != Some(false),
        None => headers.get("accept").and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("text/html")),
    }
}

/// Whether an origin, or an address that begins with one, is that of the server called `host`. `null` is not.
fn same(origin: &str, host: &str) -> bool {
    let (rest, port) = match (origin.strip_prefix("http://"), origin.strip_prefix("https://")) {
        (Some(rest), _) => (rest, ":80"),
        (_, Some(rest)) => (rest, ":443"),
        _ => return false,
    };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let plain = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
    !authority.is_empty() && plain(authority) == plain(host)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    const HOST: &str = "127.0.0.1:8888";

    fn from(pairs: &[(&'static str, &'static str)]) -> Source {
        source(&headers(pairs), HOST)
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn an_origin_is_compared_whole() {
        for origin in ["http://127.0.0.1:8888", "https://127.0.0.1:8888", "http://127.0.0.1:8888/lab?x"] {
            assert!(same(origin, HOST), "{origin}");
        }
        for origin in [
            "null",
            "",
            "http://",
            "http://127.0.0.1",
            "http://127.0.0.1:8889",
            "http://127.0.0.1:88888",
            "http://evil.example",
            "http://127.0.0.1:8888.evil.example",
            "http://127.0.0.1:8888@evil.example",
            "http://evil.example/http://127.0.0.1:8888",
            "file://127.0.0.1:8888",
            "127.0.0.1:8888",
        ] {
            assert!(!same(origin, HOST), "{origin}");
        }
        assert!(same("https://lab.example", "lab.example:443") && same("http://LAB.example:80", "lab.EXAMPLE"));
        assert!(!same("https://lab.example", "lab.example:80"));
    }

    #[test]
    fn all_headers_must_agree() {
        assert_eq!(from(&[]), Source::Unknown);
        assert_eq!(from(&[("origin", "http://127.0.0.1:8888")]), Source::Own);
        assert_eq!(from(&[("origin", "null")]), Source::Foreign);
        assert_eq!(from(&[("sec-fetch-site", "same-origin")]), Source::Own);
        assert_eq!(from(&[("sec-fetch-site", "none")]), Source::Unknown);
        // Another port of this machine is the same site, and still another server.
        assert_eq!(from(&[("sec-fetch-site", "same-site")]), Source::Foreign);
        assert_eq!(from(&[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8888")]), Source::Foreign);
        assert_eq!(from(&[("sec-fetch-site", "same-origin"), ("origin", "http://evil.example")]), Source::Foreign);
        assert_eq!(from(&[("referer", "http://127.0.0.1:8888/lab")]), Source::Own);
        assert_eq!(from(&[("referer", "http://evil.example/")]), Source::Foreign);
        assert_eq!(from(&[("sec-fetch-site", "none"), ("referer", "http://evil.example/")]), Source::Unknown);
    }

    #[test]
    fn going_somewhere_is_not_fetching_from_there() {
        assert!(navigates(&headers(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")])));
        assert!(!navigates(&headers(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")])));
        assert!(!navigates(&headers(&[("sec-fetch-mode", "no-cors"), ("accept", "text/html")])));
        assert!(navigates(&headers(&[("accept", "text/html,*/*")])));
        assert!(!navigates(&headers(&[("accept", "*/*")])) && !navigates(&headers(&[])));
    }
}
