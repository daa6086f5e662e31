//! Requests, and what is answered.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::Server;
use serde_json::Value;
use ureq::http;

/// The longest answer that is read, in bytes.
const LONGEST: u64 = 1 << 30;

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status; 0 where the connection ended without one.
    pub status: u16,
    /// Names in small letters, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A cookie that a server sets.
#[derive(Debug, Clone)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// What follows the value, in small letters: `httponly`, `samesite=lax`, ….
    pub attributes: Vec<String>,
}

impl Answer {
    /// A header by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// All that is said under this name, joined.
    pub fn all(&self, name: &str) -> String {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in {}: {}", self.status, self.text()))
    }

    /// The status is this.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.beginning());
        self
    }

    /// The status says that the request was wrong or not allowed: 4xx.
    #[track_caller]
    pub fn refused(self) -> Self {
        assert!((400..500).contains(&self.status), "{}: {:?}\n{}", self.status, self.headers, self.beginning());
        self
    }

    /// The cookies that are set.
    pub fn cookies(&self) -> Vec<Cookie> {
        let set = self.headers.iter().filter(|(n, _)| n == "set-cookie");
        set.filter_map(|(_, text)| {
            let mut parts = text.split(';').map(str::trim);
            let (name, value) = parts.next()?.split_once('=')?;
            let attributes = parts.map(str::to_ascii_lowercase).collect();
            Some(Cookie { name: name.to_owned(), value: value.to_owned(), attributes })
        })
        .collect()
    }

    fn beginning(&self) -> String {
        self.text().chars().take(2000).collect()
    }
}

/// A request that has not been sent yet.
#[must_use]
pub struct Request<'a> {
    server: &'a Server,
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl<'a> Request<'a> {
    pub(super) fn new(server: &'a Server, method: &'static str, path: &str) -> Self {
        Self { server, method, path: path.to_owned(), headers: Vec::new(), body: None }
    }

    /// With one header more.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With this body, as JSON.
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    /// With the fields of a form, which need no encoding.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let text: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.header("Content-Type", "application/x-www-form-urlencoded").body(text.join("&"))
    }

    /// With this body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it and reads the whole answer. Redirections are not followed.
    #[track_caller]
    pub fn send(self) -> Answer {
        let mut builder = http::Request::builder().method(self.method).uri(self.server.url(&self.path));
        for (name, value) in &self.headers {
            builder = builder.header(name.as_str(), value.as_str());
        }
        let agent = self.server.agent();
        let writes = matches!(self.method, "POST" | "PUT" | "PATCH");
        let sent = match self.body {
            Some(body) => agent.run(builder.body(body).unwrap()),
            None if writes => agent.run(builder.body(Vec::new()).unwrap()),
            None => agent.run(builder.body(()).unwrap()),
        };
        let response = sent.unwrap_or_else(|e| panic!("{} {}: {e}\n{}", self.method, self.path, self.server.stderr()));
        let (parts, mut body) = response.into_parts();
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = parts.headers.iter().map(|(n, v)| (n.as_str().to_owned(), lossy(v.as_bytes()))).collect();
        let body = body.with_config().limit(LONGEST).read_to_vec().unwrap();
        Answer { status: parts.status.as_u16(), headers, body }
    }
}
