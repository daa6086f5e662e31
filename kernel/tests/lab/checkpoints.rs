//! Checkpoints: what was saved before.

use super::help::server;
use serde_json::json;

#[test]
fn a_checkpoint_brings_back_what_was_saved() {
    let server = server();
    server.save_text("a.txt", "first");
    let answer = server.ask("POST", "/api/contents/a.txt/checkpoints").send().expect(201);
    let checkpoint = answer.json();
    let id = checkpoint["id"].as_str().unwrap();
    assert!(checkpoint["last_modified"].is_string(), "{checkpoint}");
    assert!(answer.header("location").unwrap().ends_with(&format!("/checkpoints/{id}")));
    assert_eq!(server.get("/api/contents/a.txt/checkpoints")[0]["id"], id);
    server.save_text("a.txt", "second");
    server.ask("POST", &format!("/api/contents/a.txt/checkpoints/{id}")).send().expect(204);
    assert_eq!(server.get("/api/contents/a.txt")["content"], "first");
    server.ask("DELETE", &format!("/api/contents/a.txt/checkpoints/{id}")).send().expect(204);
    assert_eq!(server.get("/api/contents/a.txt/checkpoints"), json!([]));
    server.ask("POST", &format!("/api/contents/a.txt/checkpoints/{id}")).send().expect(404);
    assert_eq!(server.get("/api/contents/a.txt")["content"], "first");
}

#[test]
fn checkpoints_follow_a_renamed_file_and_are_not_listed() {
    let server = server();
    server.save_text("a.txt", "first");
    server.ask("POST", "/api/contents/a.txt/checkpoints").send().expect(201);
    server.ask("PATCH", "/api/contents/a.txt").json(&json!({ "path": "b.txt" })).send().expect(200);
    assert_eq!(server.get("/api/contents/b.txt/checkpoints").as_array().unwrap().len(), 1);
    let listing = server.get("/api/contents");
    assert_eq!(listing["content"].as_array().unwrap().len(), 1, "{listing}");
}
