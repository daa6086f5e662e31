//! Requests that are malformed or too large, and files that a browser should not run.

use super::help::server;
use serde_json::json;
use std::io::{Read, Write};

#[test]
fn a_file_is_served_so_that_its_script_cannot_reach_the_server() {
    let server = server();
    for (name, text) in [
        ("page.html", "<script>alert(1)</script>"),
        ("picture.svg", "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("data.xml", "<x/>"),
        ("script.js", "alert(1)"),
        ("plain.txt", "<script>alert(1)</script>"),
        ("no-ending", "<html><script>alert(1)</script>"),
    ] {
        server.save_text(name, text);
        let answer = server.ask("GET", &format!("/files/{name}")).send().expect(200);
        assert_eq!(answer.text(), text);
        let policy = answer.all("content-security-policy");
        assert!(policy.contains("sandbox") && !policy.contains("allow-same-origin"), "{name}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{name}");
        let kind = answer.header("content-type").unwrap_or_default();
        assert_eq!(kind.contains("html"), name == "page.html", "{name} is {kind}");
    }
    let download = server.ask("GET", "/files/page.html?download=1").send().expect(200);
    assert!(download.header("content-disposition").unwrap().starts_with("attachment"));
    let notebook = super::help::notebook("1", &json!([]));
    server.save_notebook("a.ipynb", &notebook);
    let answer = server.ask("GET", "/files/a.ipynb").send().expect(200);
    assert!(!answer.header("content-type").unwrap().contains("html"));
}

#[test]
fn every_answer_forbids_guessing_its_type() {
    let server = server();
    for path in ["/lab", "/api", "/api/contents", "/api/contents/missing", "/login", "/nowhere", "/files/missing"] {
        let answer = server.ask("GET", path).send();
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}: {}", answer.status);
    }
}

#[test]
fn two_lengths_are_one_too_many() {
    let server = server();
    let head = |extra: &str| {
        let (host, token) = (server.authority(), server.token());
        format!("POST /api/contents HTTP/1.1\r\nHost: {host}\r\nAuthorization: token {token}\r\n{extra}\r\n")
    };
    let smuggled = format!("DELETE /api/contents/a.txt HTTP/1.1\r\nHost: {}\r\n\r\n", server.authority());
    for extra in [
        "Content-Length: 2\r\nContent-Length: 90\r\n",
        "Content-Length: 2, 90\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 2\r\nContent-Length : 90\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
    ] {
        let answer = server.bytes(format!("{}{{}}{smuggled}", head(extra)).as_bytes());
        assert_eq!(answer.status, 400, "{extra:?}: {}", answer.text());
        assert!(!answer.text().contains("HTTP/1.1 "), "{extra:?}: a second answer: {}", answer.text());
    }
    let before = server.get("/api/contents")["content"].clone();
    assert_eq!(before, json!([]), "nothing was created");
}

#[test]
fn broken_requests_end_their_own_connection_only() {
    let server = server();
    let long = "x".repeat(1 << 20);
    let host = server.authority();
    for bytes in [
        "GET\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}hello tls".to_owned() + "\r\n\r\n",
        format!("GET /api HTTP/9.9\r\nHost: {host}\r\n\r\n"),
        format!("GET /api HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
        "GET /api HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(),
        format!("GET /api HTTP/1.1\r\nHost: {host}\r\nX: a\u{0}b\r\n\r\n"),
        format!("GET http://evil.example/api/status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        format!("CONNECT evil.example:80 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        format!("TRACE /api/status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
    ] {
        let answer = server.bytes(bytes.as_bytes());
        assert!(answer.status == 0 || answer.status >= 400, "{bytes:?}: {}", answer.text());
    }
    // Headers and addresses without end.
    for request in [
        format!("GET /api HTTP/1.1\r\nHost: {host}\r\nX-Long: {long}\r\n\r\n"),
        format!("GET /api?{long} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET /api HTTP/1.1\r\nHost: {host}\r\n{}\r\n", "X: y\r\n".repeat(20_000)),
    ] {
        let status = server.bytes(request.as_bytes()).status;
        assert!(matches!(status, 0 | 400 | 414 | 431), "{status}");
    }
    server.ask("GET", "/api/status").send().expect(200);
}

#[test]
fn a_body_beyond_the_limit_is_refused() {
    let server = server();
    let (host, token, length) = (server.authority(), server.token(), 600_u64 << 20);
    let mut stream = server.connect();
    let head = format!(
        "PUT /api/contents/a.txt HTTP/1.1\r\nHost: {host}\r\nAuthorization: token {token}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = vec![0; 4096];
    let mut text = String::new();
    let read = stream.read(&mut answer).unwrap();
    text += &String::from_utf8_lossy(&answer[..read]);
    if text.starts_with("HTTP/1.1 100") {
        // It wants to see for itself.
        let piece = vec![b' '; 1 << 20];
        let mut sent = 0;
        while sent < length && stream.write_all(&piece).is_ok() {
            sent += piece.len() as u64;
        }
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        text += &String::from_utf8_lossy(&rest);
    }
    assert!(text.contains("HTTP/1.1 413"), "{text}");
    assert!(!server.root().join("a.txt").exists());
    server.ask("GET", "/api/status").send().expect(200);
}

#[test]
fn a_body_that_is_not_what_was_expected_is_told() {
    let server = server();
    for (method, path, body) in [
        ("PUT", "/api/contents/a.txt", "{"),
        ("PUT", "/api/contents/a.txt", "[]"),
        ("PUT", "/api/contents/a.txt", "{\"type\": \"file\", \"format\": \"base64\", \"content\": \"!\"}"),
        ("PUT", "/api/contents/a.ipynb", "{\"type\": \"notebook\", \"content\": \"no notebook\"}"),
        ("PATCH", "/api/contents/a.txt", "{\"path\": 5}"),
        ("POST", "/api/kernels", "{"),
        ("POST", "/api/sessions", "{}"),
        ("PUT", "/lab/api/workspaces/default", "{"),
    ] {
        let request = server.ask(method, path).header("Content-Type", "application/json").body(body);
        let answer = request.send().refused();
        assert!(answer.json()["message"].as_str().is_some_and(|m| !m.is_empty()), "{path}: {}", answer.text());
    }
    let deep = "[".repeat(100_000);
    server.ask("PUT", "/api/contents/a.ipynb").header("Content-Type", "application/json").body(deep).send().refused();
    assert_eq!(std::fs::read_dir(server.root()).unwrap().count(), 0);
    server.ask("GET", "/api/status").send().expect(200);
}

#[test]
fn what_a_kernel_s_websocket_cannot_read_ends_nothing_but_itself() {
    let server = server();
    let kernel = server.start_kernel("minerva");
    let bearer = format!("token {}", server.token());
    let path = format!("/api/kernels/{kernel}/channels?session_id=bad");
    let protocol = Some("v1.kernel.websocket.jupyter.org");
    let huge = [u64::MAX.to_le_bytes(), 8_u64.to_le_bytes()].concat();
    let backwards: Vec<u8> = [3_u64, 100, 50, 10].iter().flat_map(|n| n.to_le_bytes()).collect();
    for bytes in [Vec::new(), vec![1], huge, backwards, vec![0; 64], vec![255; 64]] {
        let mut socket = server.socket(&path, &[("Authorization", &bearer)], protocol).unwrap();
        let _ = socket.send(bytes.into());
        let _ = socket.close(None);
        while socket.read().is_ok() {}
    }
    let mut socket = server.socket(&path, &[("Authorization", &bearer)], None).unwrap();
    for text in ["", "{", "[]", "{\"channel\": \"no-such\"}", "{\"channel\": \"shell\", \"header\": 5}"] {
        let _ = socket.send(text.into());
    }
    let _ = socket.close(None);
    while socket.read().is_ok() {}
    assert_eq!(minerva_tests::lab::Tab::open(&server, &kernel, "good").run("1 + 1").result(), Some("2"));
}
