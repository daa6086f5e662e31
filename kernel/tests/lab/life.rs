//! How a server begins, how it is found, how it ends.

use super::help::{lab, server};
use minerva_tests::lab::{Server, Start};
use serde_json::{Value, json};
use std::path::PathBuf;

/// What a command prints, and its exit code.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(start: &Start, arguments: &[&str]) -> Ran {
    let output = start.command(arguments, None).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// The files in which running servers say where they are.
fn running(server: &Server) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(server.folder().join("runtime")).unwrap().map(|e| e.unwrap().path());
    entries.filter(|p| p.file_name().unwrap().to_string_lossy().starts_with("minerva-lab-")).collect()
}

#[test]
fn the_address_is_printed_once_and_opens_the_folder() {
    let server = server();
    assert!(server.line().trim().starts_with(&format!("http://127.0.0.1:{}/lab", server.port())), "{}", server.line());
    server.ask("GET", "/api/status").send().expect(200);
    assert_eq!(server.stdout().matches("token=").count(), 1, "{}", server.stdout());
    assert!(server.token().len() >= 32, "a token that cannot be guessed");
}

#[test]
fn a_notebook_is_opened_in_its_folder() {
    let start = lab();
    std::fs::create_dir(start.root().join("sub")).unwrap();
    let notebook = start.root().join("sub/my notes.ipynb");
    std::fs::write(&notebook, super::help::notebook("1", &json!([])).to_string()).unwrap();
    let server = start.target(notebook).go();
    assert!(server.line().contains("/lab/tree/my%20notes.ipynb?token="), "{}", server.line());
    let listing = server.get("/api/contents");
    assert_eq!(listing["content"][0]["name"], "my notes.ipynb");
}

#[test]
fn where_the_port_is_taken_the_next_free_one_is_used() {
    let first = server();
    let second = lab().port(first.port()).go();
    assert!(second.port() > first.port(), "{} after {}", second.port(), first.port());
    for server in [&first, &second] {
        server.ask("GET", "/api/status").send().expect(200);
    }
    let other = first.stranger("GET", "/api/status").header("Authorization", format!("token {}", second.token()));
    other.send().expect(403);
}

#[test]
fn a_folder_that_is_not_there_is_told_with_the_nearest() {
    let start = lab();
    std::fs::create_dir(start.folder().join("home/experiments")).unwrap();
    let ran = run(&start, &["--no-browser", "--port", "0", "experiment"]);
    assert!(ran.code.is_some_and(|code| code != 0), "{}", ran.out);
    assert!(ran.err.contains("experiment") && ran.err.contains("experiments"), "{}", ran.err);
    assert!(!ran.out.contains("token="), "{}", ran.out);
    let unknown = run(&start, &["--no-browsers"]);
    assert!(unknown.code == Some(2) && unknown.err.contains("--no-browser"), "{}", unknown.err);
}

#[test]
fn a_running_server_is_listed_and_a_killed_one_is_not() {
    let mut server = server();
    let files = running(&server);
    assert_eq!(files.len(), 1, "{files:?}");
    let said: Value = serde_json::from_slice(&std::fs::read(&files[0]).unwrap()).unwrap();
    assert_eq!((&said["token"], &said["port"]), (&json!(server.token()), &json!(server.port())));
    assert_eq!(said["pid"], json!(server.pid()));
    let listed = run(server.started_by(), &["list"]);
    assert_eq!(listed.code, Some(0), "{}", listed.err);
    assert!(listed.out.contains(&format!("127.0.0.1:{}", server.port())), "{}", listed.out);
    let root = std::fs::canonicalize(server.root()).unwrap();
    assert!(listed.out.contains(root.to_str().unwrap()), "{}", listed.out);
    server.kill();
    let listed = run(server.started_by(), &["list"]);
    assert!(!listed.out.contains(&format!(":{}", server.port())), "{}", listed.out);
}

#[test]
fn stop_ends_a_server_and_its_kernels() {
    let mut server = server();
    server.start_kernel("minerva");
    let port = server.port().to_string();
    let stopped = run(server.started_by(), &["stop", &port]);
    assert_eq!(stopped.code, Some(0), "{}{}", stopped.out, stopped.err);
    assert!(server.wait().success());
    assert_eq!(running(&server), Vec::<PathBuf>::new());
    if cfg!(target_os = "linux") {
        server.wait_for("the end of its kernel", || server.children().is_empty().then_some(()));
    }
    let again = run(server.started_by(), &["stop", &port]);
    assert!(again.code.is_some_and(|code| code != 0), "there is nothing to stop: {}", again.out);
}

#[test]
fn the_menu_of_the_front_end_can_end_it() {
    let mut server = server();
    server.start_kernel("minerva");
    let answer = server.ask("POST", "/api/shutdown").send();
    assert!(matches!(answer.status, 200 | 204), "{}", answer.status);
    assert!(server.wait().success());
    assert_eq!(running(&server), Vec::<PathBuf>::new());
}

#[test]
fn a_server_for_others_says_what_it_exposes() {
    let server = lab().argument("--host").argument("0.0.0.0").go();
    server.ask("GET", "/api/status").send().expect(200);
    server.stranger("GET", "/api/status").send().expect(403);
    server.wait_for("what it exposes", || {
        let said = format!("{}{}", server.stdout(), server.stderr()).to_lowercase();
        (said.contains("others can reach") && said.contains("0.0.0.0")).then_some(())
    });
    let open = run(server.started_by(), &["--no-browser", "--port", "0", "--host", "0.0.0.0", "--token", ""]);
    assert!(open.code.is_some_and(|code| code != 0), "without a token it does not start: {}", open.out);
}

#[test]
fn a_server_that_is_started_again_does_not_remember_kernels_that_are_gone() {
    let mut server = server();
    let kernel = server.start_kernel("minerva");
    server.save_text("kept.txt", "kept");
    server.again();
    assert_eq!(server.get("/api/kernels"), json!([]));
    server.ask("GET", &format!("/api/kernels/{kernel}")).send().expect(404);
    assert_eq!(server.get("/api/contents/kept.txt")["content"], "kept");
}
