//! Pages of other sites, in a browser that is let in: what they cause is refused.

use super::help::{lab, server};
use minerva_tests::lab::{Browser, Server};
use serde_json::{Value, json};

const EVIL: &str = "http://evil.example";

fn text(text: &str) -> Value {
    json!({ "type": "file", "format": "text", "content": text })
}

fn nothing_was_written(server: &Server) {
    let names: Vec<_> = std::fs::read_dir(server.root()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, Vec::<std::ffi::OsString>::new());
}

#[test]
fn a_page_of_the_server_may_write() {
    let server = server();
    let browser = Browser::open(&server);
    browser.page("PUT", "/api/contents/a.txt").json(&text("mine")).send().expect(201);
    let by_query = format!("/api/contents/b.txt?_xsrf={}", browser.xsrf());
    browser.ask("PUT", &by_query).header("Origin", server.origin()).json(&text("mine")).send().expect(201);
    assert_eq!(browser.ask("GET", "/api/contents/a.txt").send().expect(200).json()["content"], "mine");
}

#[test]
fn a_foreign_host_is_refused_even_with_the_token() {
    let server = server();
    server.save_text("a.txt", "inside");
    let bearer = format!("token {}", server.token());
    let cookies = Browser::open(&server).cookies();
    let port = server.port();
    for host in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        format!("localhost.evil.example:{port}"),
        format!("127.0.0.1.evil.example:{port}"),
        format!("192.0.2.1:{port}"),
        String::new(),
    ] {
        for path in ["/lab", "/api/contents/a.txt", "/files/a.txt", "/api/status", "/login"] {
            for proof in [("Authorization", &bearer), ("Cookie", &cookies)] {
                let answer = server.raw("GET", path, &[("Host", &host), (proof.0, proof.1)], b"");
                assert!(!answer.text().contains("inside"), "{host} {path}");
                answer.refused();
            }
        }
    }
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), "localhost".to_owned()] {
        server.raw("GET", "/api/status", &[("Host", &host), ("Authorization", &bearer)], b"").expect(200);
    }
}

#[test]
fn a_name_that_was_allowed_is_no_foreign_host() {
    let server = lab().argument("--allow-host").argument("lab.example").go();
    let bearer = format!("token {}", server.token());
    let ask = |host: &str| server.raw("GET", "/api/status", &[("Host", host), ("Authorization", &bearer)], b"");
    ask("lab.example").expect(200);
    ask("lab.example.evil.example").refused();
}

#[test]
fn a_foreign_page_gets_no_websocket() {
    let server = server();
    let kernel = server.start_kernel("minerva");
    let cookies = Browser::open(&server).cookies();
    let channels = format!("/api/kernels/{kernel}/channels?session_id=x");
    for path in [channels.as_str(), "/api/events/subscribe"] {
        let other_port = format!("http://127.0.0.1:{}", server.port() ^ 1);
        for origin in [EVIL, "null", &other_port] {
            let refused = server.socket(path, &[("Cookie", &cookies), ("Origin", origin)], None);
            assert_eq!(refused.err(), Some(403), "{path} from {origin}");
        }
        let own = server.origin();
        assert!(server.socket(path, &[("Cookie", &cookies), ("Origin", &own)], None).is_ok(), "{path}");
        assert_eq!(server.socket(path, &[("Origin", &own)], None).err(), Some(403), "{path} without a cookie");
    }
}

#[test]
fn a_foreign_page_writes_nothing() {
    let server = server();
    let browser = Browser::open(&server);
    for origin in [EVIL, "null", "http://127.0.0.1:1"] {
        for (method, path) in [
            ("PUT", "/api/contents/a.txt"),
            ("POST", "/api/contents"),
            ("POST", "/api/kernels"),
            ("POST", "/api/sessions"),
            ("POST", "/api/shutdown"),
        ] {
            let request = browser.ask(method, path).header("Origin", origin).header("X-XSRFToken", browser.xsrf());
            request.json(&text("evil")).send().expect(403);
        }
        let simple = browser.ask("POST", "/api/contents").header("Origin", origin);
        simple.header("Content-Type", "text/plain").body("{\"type\": \"file\"}").send().expect(403);
    }
    browser.ask("DELETE", "/api/contents/a.txt").header("Origin", EVIL).send().refused();
    nothing_was_written(&server);
    assert_eq!(server.get("/api/kernels"), json!([]));
}

#[test]
fn a_foreign_page_reads_nothing() {
    let server = server();
    server.save_text("a.txt", "inside");
    let browser = Browser::open(&server);
    for path in ["/api/contents/a.txt", "/files/a.txt", "/api/contents", "/lab/api/settings"] {
        let answer = browser.ask("GET", path).header("Origin", EVIL).send();
        assert_eq!(answer.all("access-control-allow-origin"), "", "{path}");
        answer.refused();
        // As an image or a script, without an origin.
        let embedded =
            browser.ask("GET", path).header("Sec-Fetch-Site", "cross-site").header("Sec-Fetch-Mode", "no-cors");
        embedded.send().refused();
    }
    for answer in [browser.ask("GET", "/lab").send(), server.stranger("GET", "/login").send()] {
        let policy = answer.expect(200).all("content-security-policy");
        let own = ["frame-ancestors 'self'", "frame-ancestors 'none'"].iter().any(|own| policy.contains(own));
        assert!(own, "must not be framed by others: {policy}");
    }
}

#[test]
fn a_write_without_xsrf_is_refused() {
    let server = server();
    let browser = Browser::open(&server);
    let own = server.origin();
    browser.ask("PUT", "/api/contents/a.txt").header("Origin", own.clone()).json(&text("x")).send().expect(403);
    browser.ask("PUT", "/api/contents/a.txt").json(&text("x")).send().expect(403);
    browser.ask("POST", "/api/kernels").header("Origin", own.clone()).json(&json!({})).send().expect(403);
    browser.ask("DELETE", "/api/contents/a.txt").header("Origin", own).send().expect(403);
    nothing_was_written(&server);
}

#[test]
fn a_made_up_xsrf_is_refused() {
    let server = server();
    let browser = Browser::open(&server);
    let other = super::help::server();
    let of_another_server = Browser::open(&other).xsrf();
    let session: Vec<String> =
        browser.cookies().split("; ").filter(|c| !c.starts_with("_xsrf=")).map(str::to_owned).collect();
    for made_up in ["", "x", "0123456789abcdef0123456789abcdef", &of_another_server] {
        // Where the cookie is the server's own.
        let request = browser.ask("PUT", "/api/contents/a.txt").header("X-XSRFToken", made_up);
        request.header("Origin", server.origin()).json(&text("x")).send().expect(403);
        // Where somebody could write the cookie too, as another server on this machine can, and the browser does not say
        // which page asks.
        let cookies = format!("{}; _xsrf={made_up}", session.join("; "));
        let request = server.stranger("PUT", "/api/contents/a.txt").header("Cookie", cookies);
        request.header("X-XSRFToken", made_up).json(&text("x")).send().expect(403);
    }
    nothing_was_written(&server);
}

#[test]
fn the_login_form_needs_its_own_xsrf_and_leads_nowhere_else() {
    let server = server();
    let page = server.stranger("GET", "/login").send().expect(200);
    let cookies: Vec<String> = page.cookies().iter().map(|c| format!("{}={}", c.name, c.value)).collect();
    let xsrf = page.cookies().into_iter().find(|c| c.name == "_xsrf").unwrap().value;
    assert!(page.text().contains("name=\"_xsrf\""), "{}", page.text());
    let login = |path: &str, fields: &[(&str, &str)]| {
        let request = server.stranger("POST", path).header("Cookie", cookies.join("; "));
        request.header("Origin", server.origin()).form(fields).send()
    };
    let token = server.token();
    login("/login", &[("password", token)]).expect(403);
    login("/login", &[("password", token), ("_xsrf", "made-up")]).expect(403);
    let foreign = server.stranger("POST", "/login").header("Cookie", cookies.join("; ")).header("Origin", EVIL);
    foreign.form(&[("password", token), ("_xsrf", &xsrf)]).send().expect(403);
    let wrong = login("/login", &[("password", "wrong"), ("_xsrf", &xsrf)]).refused();
    assert!(!wrong.cookies().iter().any(|c| c.attributes.contains(&"httponly".to_owned())), "{wrong:?}");
    for next in ["//evil.example/x", "http://evil.example", "/%5Cevil.example", "/%09/evil.example"] {
        let fields = [("password", token), ("_xsrf", xsrf.as_str()), ("next", next)];
        let entered = login(&format!("/login?next={next}"), &fields).expect(302);
        let to = entered.header("location").unwrap();
        assert!(to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\t']), "{next} leads to {to}");
        assert!(entered.cookies().iter().any(|c| c.attributes.contains(&"httponly".to_owned())), "{entered:?}");
    }
}
