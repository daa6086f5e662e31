//! Queries, and addresses on this server that are safe to be sent to.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Where one is sent who named no other place.
pub const HOME: &str = "/";

/// What must not stand in a `Location` as it is. Browsers read a backslash as a slash, and drop tabs.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'\\').add(b'"').add(b'<').add(b'>');

/// What must not stand in a path or a value as it is.
const SPECIAL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// The text as part of a path or as a value of a query.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, SPECIAL).to_string()
}

/// The first value of this name in a query or in a form's body.
pub fn value(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key) == name).then(|| decode(value))
    })
}

/// The query without the values of this name.
pub fn without(query: &str, name: &str) -> String {
    let others = query.split('&').filter(|pair| {
        let key = pair.split_once('=').map_or(*pair, |(key, _)| key);
        !pair.is_empty() && decode(key) != name
    });
    others.collect::<Vec<_>>().join("&")
}

/// The address, if it is one on this server; no text can lead to another: what begins with two slashes names a host.
pub fn local(address: &str) -> String {
    match address.strip_prefix('/') {
        Some(rest) if !rest.starts_with(['/', '\\']) => format!("/{}", utf8_percent_encode(rest, UNSAFE)),
        _ => HOME.to_owned(),
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn values_are_found_and_taken_out() {
        assert_eq!(value("a=1&token=x%20y+z", "token").as_deref(), Some("x y z"));
        assert_eq!(value("a=1&%74oken=x", "token").as_deref(), Some("x"));
        assert_eq!(value("token", "token").as_deref(), Some(""));
        assert_eq!(value("atoken=1", "token"), None);
        assert_eq!(without("a=%20&token=x&b&%74oken=y", "token"), "a=%20&b");
        assert_eq!(without("token=x", "token"), "");
        assert_eq!(encode("a b/ü?.ipynb"), "a%20b/%C3%BC%3F.ipynb");
    }

    #[test]
    fn no_address_leads_elsewhere() {
        assert_eq!(local("/lab/tree/a%20b.ipynb?x=1#y"), "/lab/tree/a%20b.ipynb?x=1#y");
        for (address, expected) in [
            ("/lab//x", "/lab//x"),
            ("/\t/evil.example", "/%09/evil.example"),
            ("/\r\nSet-Cookie: a=b", "/%0D%0ASet-Cookie:%20a=b"),
            ("//evil.example/x", HOME),
            ("///evil.example", HOME),
            ("/\\evil.example", HOME),
            ("/\\/\\evil.example", HOME),
            ("\\\\evil.example", HOME),
            ("http://evil.example", HOME),
            ("javascript:alert(1)", HOME),
            ("", HOME),
        ] {
            assert_eq!(local(address), expected, "{address:?}");
        }
    }
}
