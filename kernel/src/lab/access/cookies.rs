//! Cookies, read and written.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

/// All values of this name: a browser sends one for each path and domain that it was set for.
pub fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for header in headers.get_all(COOKIE) {
        // Other servers on this machine set cookies, too, and their text may be anything.
        for pair in String::from_utf8_lossy(header.as_bytes()).split(';') {
            if let Some((key, value)) = pair.split_once('=')
                && key.trim() == name
            {
                found.push(value.trim().trim_matches('"').to_owned());
            }
        }
    }
    found
}

/// Sets a cookie until the browser is closed. `SameSite=Lax`: with `Strict`, a link in a mail or in the file that opens
/// the browser would find the person logged out. `secret`: scripts do not see it.
pub fn set(name: &str, value: &str, secret: bool) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{name}={value}; Path=/; SameSite=Lax{}", http_only(secret))).ok()
}

/// Takes a cookie back.
pub fn clear(name: &str, secret: bool) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{name}=; Path=/; Max-Age=0; SameSite=Lax{}", http_only(secret))).ok()
}

fn http_only(secret: bool) -> &'static str {
    if secret { "; HttpOnly" } else { "" }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("x_xsrf=0; _xsrf=1;_xsrf=\"2\"; broken; other=a=b"));
        headers.append(COOKIE, HeaderValue::from_bytes(b"name=\xff\xfe; _xsrf=3").unwrap());
        assert_eq!(values(&headers, "_xsrf"), ["1", "2", "3"]);
        assert_eq!(values(&headers, "other"), ["a=b"]);
        assert!(values(&headers, "broken").is_empty());
    }

    #[test]
    fn what_scripts_may_not_see_says_so() {
        assert_eq!(set("a", "b", true).unwrap(), "a=b; Path=/; SameSite=Lax; HttpOnly");
        assert_eq!(set("a", "b", false).unwrap(), "a=b; Path=/; SameSite=Lax");
        assert_eq!(set("a", "b\r\nX: y", false), None);
        assert!(clear("a", true).unwrap().to_str().unwrap().contains("Max-Age=0"));
    }
}
