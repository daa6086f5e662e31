//! Documents that are opened, changed and closed while kernels start and end.
#![cfg(unix)]

use super::help::{MINERVA, lab};
use minerva_tests::client::cell;
use minerva_tests::lab::{Server, Tab};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::Write;
use std::process::Command;

fn document(path: &str, kernel: &str) -> Value {
    json!({ "path": path, "type": "notebook", "kernel": { "name": kernel } })
}

#[track_caller]
fn open(server: &Server, path: &str, kernel: &str) -> (String, String) {
    let session = server.ask("POST", "/api/sessions").json(&document(path, kernel)).send().expect(201).json();
    let id = |model: &Value| model["id"].as_str().unwrap().to_owned();
    (format!("/api/sessions/{}", id(&session)), id(&session["kernel"]))
}

#[test]
fn a_document_opened_while_its_kernel_ends_gets_another() {
    let start = lab();
    // It is told to end, and takes its time.
    let script = "trap 'echo > told' TERM; echo > ready; while :; do sleep 0.02; done";
    start.kernelspec("slow", "none", &["/bin/sh", "-c", script]);
    let server = start.go();
    let (session, kernel) = open(&server, "a.ipynb", "slow");
    let written = |name: &str| server.wait_for(name, || server.root().join(name).exists().then_some(()));
    written("ready");
    std::thread::scope(|scope| {
        scope.spawn(|| server.ask("DELETE", &session).send().expect(204));
        written("told");
        let (other_session, other_kernel) = open(&server, "a.ipynb", "minerva");
        assert_ne!((&other_session, &other_kernel), (&session, &kernel));
        assert_eq!(Tab::open(&server, &other_kernel, "one").run("1 + 1").result(), Some("2"));
        server.ask("GET", &session).send().expect(404);
    });
    assert_eq!(server.get("/api/sessions").as_array().unwrap().len(), 1);
    assert_eq!(server.get("/api/kernels").as_array().unwrap().len(), 1);
}

#[test]
fn a_document_closed_while_it_gets_another_kernel_leaves_none() {
    let server = lab().go();
    let (session, _) = open(&server, "a.ipynb", "minerva");
    // A kernelspec that takes as long to read as this test wants.
    let folder = server.folder().join("jupyter/kernels/late");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("kernel.json");
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    std::thread::scope(|scope| {
        let changed =
            scope.spawn(|| server.ask("PATCH", &session).json(&json!({ "kernel": { "name": "late" } })).send().status);
        // It opens when somebody reads.
        let mut spec = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
        server.ask("DELETE", &session).send().expect(204);
        let argv = ["/bin/sh", "-c", "exec sleep 600"];
        let text = json!({ "argv": argv, "display_name": "late", "language": "none" }).to_string();
        spec.write_all(text.as_bytes()).unwrap();
        drop(spec);
        assert_eq!(changed.join().unwrap(), 404);
    });
    assert_eq!(server.get("/api/sessions"), json!([]));
    assert_eq!(server.get("/api/kernels"), json!([]));
}

#[test]
fn what_a_connection_had_sent_when_another_took_over_reaches_the_kernel() {
    const CELLS: usize = 100;
    let start = lab();
    let script = "while [ ! -e go ]; do sleep 0.02; done; exec \"$0\" kernel \"$1\"";
    start.kernelspec("gated", "rhai", &["/bin/sh", "-c", script, MINERVA, "{connection_file}"]);
    let server = start.go();
    let kernel = server.start_kernel("gated");
    let mut before = Tab::open(&server, &kernel, "one");
    let mut ids: HashSet<String> =
        (0..CELLS).map(|n| before.send("shell", "execute_request", &cell(&n.to_string()))).collect();
    let mut after = Tab::open(&server, &kernel, "one");
    before.close();
    std::fs::write(server.root().join("go"), "").unwrap();
    while !ids.is_empty() {
        let reply = after.wait("the reply to every cell", |m| m.kind() == "execute_reply");
        ids.remove(reply.parent_id());
    }
}
