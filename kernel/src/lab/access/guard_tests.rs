#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::lab::options::LabOptions;
use crate::lab::paths::Folders;
use axum::body::Body;

const TOKEN: &str = "0123456789012345678901234567890123456789";

fn access() -> Access {
    let folder = tempfile::tempdir().unwrap();
    let options = LabOptions {
        root: folder.path().into(),
        open: None,
        host: IpAddr::from([127, 0, 0, 1]),
        port: 0,
        token: Some(TOKEN.into()),
        browser: false,
        hidden: false,
        cull: None,
        hosts: Vec::new(),
    };
    let folders = Folders { data: folder.path().into(), runtime: folder.path().into(), jupyter: Vec::new() };
    let access = Access::new(&options, &folders).unwrap();
    access.set_address(SocketAddr::from(([127, 0, 0, 1], 8888)));
    access
}

fn asked(method: &str, address: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = Request::builder().method(method).uri(address);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "127.0.0.1:8888");
    }
    headers.iter().fold(request, |r, (name, value)| r.header(*name, *value)).body(Body::empty()).unwrap()
}

/// The status of the answer, or 200 where the request may pass.
fn status(access: &Access, method: &str, address: &str, headers: &[(&str, &str)]) -> u16 {
    answer(access, method, address, headers).map_or(200, |r| r.status().as_u16())
}

fn answer(access: &Access, method: &str, address: &str, headers: &[(&str, &str)]) -> Option<Response> {
    let request = asked(method, address, headers);
    match admit(access, &request, is_api(request.uri().path())) {
        Break(response) => Some(response),
        Continue(_) => None,
    }
}

/// The header `Cookie` of a browser that came with the token, and its `_xsrf`.
fn browser(access: &Access) -> (String, String) {
    let response = answer(access, "GET", &format!("/lab?token={TOKEN}"), &[]).unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    let cookies: Vec<String> =
        response.headers().get_all(SET_COOKIE).iter().map(|c| c.to_str().unwrap().into()).collect();
    let pairs: Vec<&str> = cookies.iter().map(|c| c.split(';').next().unwrap()).collect();
    let xsrf = pairs.iter().find_map(|p| p.strip_prefix("_xsrf=")).unwrap();
    (pairs.join("; "), xsrf.to_owned())
}

#[test]
fn a_stranger_is_told_or_logs_in() {
    let access = access();
    assert_eq!(status(&access, "GET", "/api/contents", &[]), 403);
    assert_eq!(status(&access, "GET", "/lab/api/settings", &[]), 403);
    assert_eq!(status(&access, "POST", "/lab", &[]), 403);
    assert_eq!(status(&access, "GET", "/api", &[]), 200);
    assert_eq!(status(&access, "POST", "/api", &[]), 403);
    let login = answer(&access, "GET", "/lab/tree/a%20b?x=1&token=wrong", &[]).unwrap();
    assert_eq!(login.headers()[LOCATION], "/login?next=/lab/tree/a%2520b%3Fx%3D1");
    assert_eq!(status(&access, "OPTIONS", "/api/contents", &[("origin", "http://evil.example")]), 204);
}

#[test]
fn a_foreign_name_is_turned_away_whatever_it_brings() {
    let access = access();
    let token = format!("token {TOKEN}");
    for method in ["GET", "POST", "OPTIONS"] {
        assert_eq!(
            status(&access, method, "/api/contents", &[("host", "evil.example:8888"), ("authorization", &token)]),
            403
        );
    }
    assert_eq!(status(&access, "GET", "/login", &[("host", "evil.example")]), 403);
    assert_eq!(status(&access, "GET", "/lab", &[("host", "localhost"), ("host", "evil.example")]), 403);
    assert_eq!(status(&access, "GET", "http://evil.example/api", &[]), 403);
    assert_eq!(status(&access, "GET", "http://127.0.0.1:8888/api", &[]), 200);
}

#[test]
fn a_token_in_a_header_needs_nothing_else() {
    let access = access();
    for scheme in ["token", "Bearer", "TOKEN"] {
        let token = format!("{scheme} {TOKEN}");
        let headers = [("authorization", token.as_str()), ("origin", "http://evil.example")];
        assert_eq!(status(&access, "POST", "/api/contents", &headers), 200);
    }
    assert_eq!(status(&access, "GET", &format!("/api/contents?token={TOKEN}"), &[]), 200);
    assert_eq!(status(&access, "GET", &format!("/files/a.csv?token={TOKEN}"), &[]), 200);
    assert_eq!(status(&access, "GET", "/api/contents", &[("authorization", "token wrong")]), 403);
    assert_eq!(status(&access, "GET", "/api/contents", &[("authorization", &format!("basic {TOKEN}"))]), 403);
}

#[test]
fn a_token_leaves_the_address_and_leads_nowhere_else() {
    let access = access();
    for (address, location) in [
        (format!("/lab/tree/a.ipynb?reset&token={TOKEN}&x=%20"), "/lab/tree/a.ipynb?reset&x=%20"),
        (format!("/?token={TOKEN}"), "/"),
        (format!("//evil.example/?token={TOKEN}"), "/"),
    ] {
        let response = answer(&access, "GET", &address, &[]).unwrap();
        assert_eq!(response.headers()[LOCATION], location, "{address}");
        let all = format!("{:?}", response.headers());
        assert!(!all.contains(TOKEN), "{all}");
    }
}

#[test]
fn a_cookie_alone_writes_nothing() {
    let access = access();
    let (cookie, xsrf) = browser(&access);
    let write = |more: &[(&str, &str)]| {
        let headers: Vec<(&str, &str)> =
            std::iter::once(("cookie", cookie.as_str())).chain(more.iter().copied()).collect();
        status(&access, "PUT", "/api/contents/a", &headers)
    };
    assert_eq!(write(&[]), 403);
    assert_eq!(write(&[("x-xsrftoken", "0")]), 403);
    assert_eq!(write(&[("x-xsrftoken", &xsrf)]), 200);
    assert_eq!(write(&[("x-xsrftoken", &xsrf), ("origin", "http://127.0.0.1:8888")]), 200);
    assert_eq!(write(&[("x-xsrftoken", &xsrf), ("origin", "http://127.0.0.1:8889")]), 403);
    assert_eq!(write(&[("x-xsrftoken", &xsrf), ("origin", "null")]), 403);
    assert_eq!(write(&[("x-xsrftoken", &xsrf), ("referer", "http://evil.example/")]), 403);
    let (other, _) = browser(&access);
    assert_eq!(status(&access, "PUT", "/api/contents/a", &[("cookie", &other), ("x-xsrftoken", &xsrf)]), 403);
    assert_eq!(status(&access, "PUT", &format!("/api/contents/a?_xsrf={xsrf}"), &[("cookie", &cookie)]), 200);
}

#[test]
fn an_xsrf_of_another_server_will_do_on_our_own_page() {
    let access = access();
    let (cookie, _) = browser(&access);
    let session = cookie.split("; ").find(|p| p.starts_with("minerva")).unwrap();
    let both = format!("{session}; _xsrf=2|abc|def");
    let write = |origin: &str, sent: &str| {
        let mut headers = vec![("cookie", both.as_str()), ("x-xsrftoken", sent)];
        if !origin.is_empty() {
            headers.push(("origin", origin));
        }
        status(&access, "POST", "/api/sessions", &headers)
    };
    assert_eq!(write("http://127.0.0.1:8888", "2|abc|def"), 200);
    assert_eq!(write("http://127.0.0.1:8888", "2|abc"), 403);
    assert_eq!(write("", "2|abc|def"), 403);
    assert_eq!(write("http://evil.example", "2|abc|def"), 403);
}

#[test]
fn other_pages_neither_listen_nor_read() {
    let access = access();
    let (cookie, _) = browser(&access);
    let get = |address: &str, more: &[(&str, &str)]| {
        let headers: Vec<(&str, &str)> =
            std::iter::once(("cookie", cookie.as_str())).chain(more.iter().copied()).collect();
        status(&access, "GET", address, &headers)
    };
    let socket = "/api/kernels/1/channels";
    assert_eq!(get(socket, &[("upgrade", "websocket"), ("origin", "http://evil.example")]), 403);
    assert_eq!(get(socket, &[("upgrade", "websocket"), ("origin", "null")]), 403);
    assert_eq!(get(socket, &[("upgrade", "websocket"), ("origin", "http://127.0.0.1:8888")]), 200);
    assert_eq!(get("/api/contents", &[]), 200);
    assert_eq!(get("/api/contents", &[("sec-fetch-site", "same-origin")]), 200);
    assert_eq!(get("/api/contents", &[("sec-fetch-site", "same-site")]), 403);
    assert_eq!(get("/files/a.js", &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")]), 403);
    let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    assert_eq!(get("/lab", &link), 200);
    assert_eq!(get("/api/contents", &link), 403);
}

#[test]
fn guessing_is_slowed_down_and_the_owner_is_not() {
    let access = access();
    let (cookie, _) = browser(&access);
    for _ in 0..10 {
        assert_eq!(status(&access, "GET", "/api/contents", &[("authorization", "token guess")]), 403);
    }
    let response = answer(&access, "GET", "/api/contents", &[("authorization", "token guess")]).unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(response.headers().contains_key(RETRY_AFTER));
    assert_eq!(status(&access, "GET", "/lab?token=guess", &[]), 429);
    assert_eq!(status(&access, "GET", "/lab?token=guess", &[("cookie", &cookie)]), 200);
    assert_eq!(status(&access, "GET", "/api/contents", &[("authorization", &format!("token {TOKEN}"))]), 200);
}
