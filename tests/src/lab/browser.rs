//! What a browser does: it opens the address that was printed, keeps cookies, and says where a request comes from.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{Answer, Request, Server};

/// A browser that is let in.
pub struct Browser<'a> {
    server: &'a Server,
    cookies: Vec<(String, String)>,
}

impl<'a> Browser<'a> {
    /// Opens the address with the token, and the page that it leads to.
    pub fn open(server: &'a Server) -> Self {
        let mut browser = Self { server, cookies: Vec::new() };
        let address = format!("/lab?token={}", server.token());
        let first = server.stranger("GET", &address).header("Accept", "text/html").send().expect(302);
        browser.keep(&first);
        let page = browser.ask("GET", "/lab").header("Accept", "text/html").send().expect(200);
        browser.keep(&page);
        browser
    }

    /// Keeps the cookies of an answer.
    pub fn keep(&mut self, answer: &Answer) {
        for cookie in answer.cookies() {
            self.cookies.retain(|(name, _)| *name != cookie.name);
            self.cookies.push((cookie.name, cookie.value));
        }
    }

    /// A request with the cookies and nothing else, as any page of any site can cause it.
    pub fn ask(&self, method: &'static str, path: &str) -> Request<'a> {
        self.server.stranger(method, path).header("Cookie", self.cookies())
    }

    /// A request as a page of the server sends it.
    pub fn page(&self, method: &'static str, path: &str) -> Request<'a> {
        self.ask(method, path).header("Origin", self.server.origin()).header("X-XSRFToken", self.xsrf())
    }

    /// The header `Cookie`.
    pub fn cookies(&self) -> String {
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// The value of the cookie that scripts of the page can read.
    pub fn xsrf(&self) -> String {
        let cookie = self.cookies.iter().find(|(name, _)| name == "_xsrf");
        cookie.map(|(_, value)| value.clone()).expect("no cookie _xsrf")
    }
}
