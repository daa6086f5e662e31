//! Where an answer sends a request, and whether that is still the same server.

use ureq::http::Uri;

/// Scheme, host and port of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) scheme: String,
    pub(super) host: String,
    port: u16,
}

impl Origin {
    /// `None` for what is no http or https address.
    pub(super) fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let scheme = uri.scheme_str()?.to_lowercase();
        let default = match scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        Some(Self { host: uri.host()?.to_lowercase(), port: uri.port_u16().unwrap_or(default), scheme })
    }

    /// Whether it is this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host == "[::1]" || self.host.starts_with("127.")
    }
}

/// The address that `location` means in an answer from `url`. `None` where it is none, or leads from https to http.
pub(super) fn target(url: &str, location: &str) -> Option<String> {
    let from = Origin::of(url)?;
    let start = url.find("://")? + 3;
    let root = url.get(start..)?.find(['/', '?']).map_or(url.len(), |n| start + n);
    let is_scheme = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric());
    let to = if location.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme)) {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{}:{location}", from.scheme)
    } else if location.starts_with('/') {
        format!("{}{location}", url.get(..root)?)
    } else {
        let path = url.split(['?', '#']).next()?;
        let folder = path.rfind('/').filter(|n| *n >= root).map_or(path, |n| path.get(..n).unwrap_or(path));
        format!("{folder}/{location}")
    };
    let there = Origin::of(&to)?;
    (from.scheme == there.scheme || there.scheme == "https").then_some(to)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn locations_are_joined() {
        let at = "https://hub.co/org/m/resolve/abc/x.gguf?a=/b";
        let to = |location: &str| target(at, location).unwrap();
        assert_eq!(to("https://cdn.co/x?sig=1"), "https://cdn.co/x?sig=1");
        assert_eq!(to("//cdn.co/x"), "https://cdn.co/x");
        assert_eq!(to("/api/x"), "https://hub.co/api/x");
        assert_eq!(to("/api/x?from=http://a/b"), "https://hub.co/api/x?from=http://a/b");
        assert_eq!(to("y.gguf"), "https://hub.co/org/m/resolve/abc/y.gguf");
        assert_eq!(target(at, "http://hub.co/x"), None);
        assert_eq!(target(at, "file:///etc/passwd"), None);
        assert_eq!(target("http://127.0.0.1:8000", "/x").unwrap(), "http://127.0.0.1:8000/x");
    }

    #[test]
    fn another_port_is_another_server() {
        let of = |url: &str| Origin::of(url).unwrap();
        assert_eq!(of("https://Hub.co/a"), of("https://hub.co:443/b"));
        assert_ne!(of("http://127.0.0.1:8000/a"), of("http://127.0.0.1:8001/a"));
        assert_ne!(of("http://hub.co/a"), of("https://hub.co/a"));
        assert!(of("http://127.0.0.1:8000").is_loopback() && !of("https://hub.co").is_loopback());
    }
}
