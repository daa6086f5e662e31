//! Who has no token, who guesses, and where the token may be seen.

use super::help::{lab, server};
use minerva_tests::lab::Browser;
use serde_json::json;

const PLACES: [(&str, &str); 10] = [
    ("GET", "/api/contents"),
    ("GET", "/api/kernels"),
    ("POST", "/api/kernels"),
    ("GET", "/api/kernelspecs"),
    ("GET", "/api/sessions"),
    ("GET", "/api/status"),
    ("POST", "/api/shutdown"),
    ("GET", "/lab/api/settings"),
    ("GET", "/lab/api/workspaces"),
    ("GET", "/api/config/notebook"),
];

#[test]
fn without_a_token_nothing_is_told_and_nothing_is_done() {
    let server = server();
    server.save_text("a.txt", "inside");
    for (method, path) in PLACES {
        let answer = server.stranger(method, path).send().expect(403);
        assert!(answer.json()["message"].is_string(), "{path}: {}", answer.text());
    }
    for path in ["/lab", "/lab/tree/a.txt", "/doc", "/files/a.txt"] {
        let answer = server.stranger("GET", path).header("Accept", "text/html").send().expect(302);
        let to = answer.header("location").unwrap();
        assert!(to.starts_with("/login?next="), "{to}");
        assert!(!answer.text().contains("inside"));
    }
    assert_eq!(server.socket("/api/events/subscribe", &[], None).err(), Some(403));
    server.stranger("GET", "/login").send().expect(200);
    assert_eq!(server.get("/api/kernels"), json!([]), "no kernel was started");
}

#[test]
fn a_wrong_token_is_no_token() {
    let server = server();
    let token = server.token();
    let shorter = &token[..token.len() - 1];
    // Fewer than are limited.
    for wrong in ["", "x", shorter, &format!("{token}x"), &token.to_uppercase().replace(char::is_numeric, "z")] {
        server.stranger("GET", "/api/status").header("Authorization", format!("token {wrong}")).send().expect(403);
    }
    let answer = server.stranger("GET", "/lab?token=wrong").header("Accept", "text/html").send();
    assert!(answer.cookies().iter().all(|c| c.name == "_xsrf"), "{answer:?}");
    let made_up = format!("minerva-lab-{}=made-up; username-127-0-0-1-{0}=made-up", server.port());
    server.stranger("GET", "/api/status").header("Cookie", made_up).send().expect(403);
}

#[test]
fn guessing_is_slowed_down_and_locks_out_nobody_who_is_in() {
    let server = server();
    let browser = Browser::open(&server);
    let guess = |n: usize| {
        let wrong = format!("token {n:048x}");
        server.stranger("GET", "/api/status").header("Authorization", wrong).send()
    };
    let limited = (0..1000).map(guess).find(|answer| answer.status != 403).expect("a thousand guesses, and no end");
    assert_eq!(limited.status, 429, "{}", limited.text());
    assert!(limited.header("retry-after").unwrap().parse::<u64>().is_ok());
    assert_eq!(server.stranger("GET", "/lab?token=guessed").header("Accept", "text/html").send().status, 429);
    // Who came in before goes on working.
    browser.ask("GET", "/api/status").send().expect(200);
    browser.page("POST", "/api/contents").json(&json!({ "type": "file" })).send().expect(201);
    // Nor can its owner be locked out: a token of this length is not found by guessing.
    server.ask("GET", "/api/status").send().expect(200);
}

#[test]
fn a_short_token_cannot_be_found_by_trying_all() {
    let server = lab().argument("--token").argument("k7").go();
    let ask =
        |token: &str| server.stranger("GET", "/api/status").header("Authorization", format!("token {token}")).send();
    ask("k7").expect(200);
    while ask("wrong").status != 429 {}
    // Not even the right one tells that it is right, until it may be tried again.
    ask("k7").expect(429);
    server.wait_for("the right token to be looked at", || (ask("k7").status == 200).then_some(()));
}

#[test]
fn the_token_of_an_address_becomes_a_cookie_that_scripts_do_not_see_and_leaves_the_address() {
    let server = server();
    std::fs::create_dir(server.root().join("sub")).unwrap();
    for path in ["/lab?token=TOKEN", "/lab/tree/sub?a=1&token=TOKEN&reset", "/?token=TOKEN"] {
        let address = path.replace("TOKEN", server.token());
        let answer = server.stranger("GET", &address).header("Accept", "text/html").send().expect(302);
        let to = answer.header("location").unwrap();
        assert!(to.starts_with('/') && !to.contains("token") && !to.contains(server.token()), "{to}");
        assert_eq!(to.contains("reset"), path.contains("reset"), "what else was asked stays: {to}");
        let cookies = answer.cookies();
        let secret: Vec<_> = cookies.iter().filter(|c| c.name != "_xsrf").collect();
        assert_eq!(secret.len(), 1, "{cookies:?}");
        let attributes = &secret[0].attributes;
        assert!(attributes.contains(&"httponly".to_owned()), "{attributes:?}");
        assert!(attributes.iter().any(|a| a == "samesite=lax" || a == "samesite=strict"), "{attributes:?}");
        assert!(!secret[0].value.contains(server.token()), "the cookie is not the token");
    }
}

#[test]
fn the_token_is_in_no_page_and_in_no_answer() {
    let server = server();
    let token = server.token();
    let browser = Browser::open(&server);
    let hidden = |what: &str, text: &str| assert!(!text.contains(token), "the token is in {what}: {text}");
    for path in ["/lab", "/doc", "/login", "/api/status", "/api/me", "/api", "/api/contents", "/lab/api/settings"] {
        let answer = browser.ask("GET", path).header("Accept", "text/html").send();
        hidden(path, &answer.text());
        hidden(path, &format!("{:?}", answer.headers));
    }
    for path in ["/no/such/page", "/api/contents/missing.txt", "/files/missing.txt", "/api/kernels/none"] {
        for query in [format!("?token={token}"), String::new()] {
            let answer = server.ask("GET", &format!("{path}{query}")).send();
            hidden(path, &answer.text());
            hidden(path, &format!("{:?}", answer.headers));
        }
    }
    let kernel = server.start_kernel("minerva");
    let ran = minerva_tests::lab::Tab::open(&server, &kernel, "one").run("1");
    hidden("the outputs", &format!("{ran:?}"));
    hidden("what is logged", &server.stderr());
    assert_eq!(server.stdout().matches(token).count(), 1, "{}", server.stdout());
}

#[test]
fn the_cookie_of_one_server_opens_no_other_and_none_after_logout() {
    let (server, other) = (server(), server());
    let browser = Browser::open(&server);
    other.stranger("GET", "/api/status").header("Cookie", browser.cookies()).send().expect(403);
    let answer = browser.ask("GET", "/logout").header("Accept", "text/html").send();
    let taken_back = answer.cookies();
    assert!(
        taken_back.iter().any(|c| c.value.is_empty() && c.attributes.contains(&"httponly".to_owned())),
        "{answer:?}"
    );
    browser.ask("GET", "/api/status").send().expect(403);
}

#[test]
fn a_token_of_one_s_own_is_taken() {
    let server = lab().argument("--token").argument("a-token-of-my-own-that-is-long").go();
    assert_eq!(server.token(), "a-token-of-my-own-that-is-long");
    server.ask("GET", "/api/status").send().expect(200);
}

#[cfg(unix)]
#[test]
fn what_others_must_not_read_they_cannot() {
    let server = server();
    let kernel = server.start_kernel("minerva");
    let _tab = minerva_tests::lab::Tab::open(&server, &kernel, "one");
    Browser::open(&server);
    server.save_notebook("a.ipynb", &super::help::notebook("1", &json!([])));
    server.ask("POST", "/api/contents/a.ipynb/trust").send();
    let folders = ["runtime", "data"].map(|name| server.folder().join(name));
    let files: Vec<_> = folders.iter().flat_map(|f| super::help::files_below(f)).filter(|p| p.is_file()).collect();
    assert!(files.len() >= 2, "at least the server's and the kernel's: {files:?}");
    for file in files {
        assert!(private(server.folder(), &file), "{}", file.display());
    }
}

/// Whether only its owner can read a file: by its own mode, or by that of a folder above it.
#[cfg(unix)]
fn private(folder: &std::path::Path, file: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let mut inside = file.ancestors().take_while(|p| *p != folder);
    inside.any(|p| std::fs::metadata(p).unwrap().permissions().mode() & 0o077 == 0)
}
