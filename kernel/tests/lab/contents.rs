//! Files and folders through the server.

use super::help::{files_below, lab, server};
use base64::Engine;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[test]
fn a_folder_lists_its_files_with_the_fields_that_front_ends_read() {
    let start = lab();
    std::fs::create_dir(start.root().join("sub")).unwrap();
    std::fs::write(start.root().join("text.txt"), "some text").unwrap();
    std::fs::write(start.root().join("sub/deep é.txt"), "deep").unwrap();
    let server = start.go();
    let model = server.get("/api/contents?content=1");
    assert_eq!((&model["type"], &model["format"], &model["path"]), (&json!("directory"), &json!("json"), &json!("")));
    let entries = model["content"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "{entries:?}");
    for entry in entries {
        for field in ["name", "path", "type", "writable", "created", "last_modified", "mimetype", "content", "format"] {
            assert!(entry.get(field).is_some(), "{field} of {entry}");
        }
        assert!(entry["content"].is_null() && entry["format"].is_null(), "no contents in a listing: {entry}");
    }
    let file = entries.iter().find(|e| e["name"] == "text.txt").unwrap();
    assert_eq!((&file["type"], &file["size"], &file["writable"]), (&json!("file"), &json!(9), &json!(true)));
    let inner = server.get("/api/contents/sub");
    assert_eq!(inner["content"][0]["path"], "sub/deep é.txt");
    assert_eq!(server.get("/api/contents/sub/deep%20%C3%A9.txt")["content"], "deep");
    let without = server.get("/api/contents/sub?content=0");
    assert!(without["content"].is_null() && without["format"].is_null(), "{without}");
}

#[test]
fn text_and_bytes_come_back_as_they_were() {
    let server = server();
    let text = "Zeile 1\r\nline 2\n\ttab \u{1F600}";
    server.save_text("a.txt", text);
    assert_eq!(std::fs::read(server.root().join("a.txt")).unwrap(), text.as_bytes());
    let model = server.get("/api/contents/a.txt");
    assert_eq!((&model["format"], &model["content"]), (&json!("text"), &json!(text)));

    let bytes: Vec<u8> = (0..=255).collect();
    let encoded = base64::engine::general_purpose::STANDARD.encode(&bytes);
    let body = json!({ "type": "file", "format": "base64", "content": encoded });
    server.ask("PUT", "/api/contents/b.bin").json(&body).send().expect(201);
    assert_eq!(std::fs::read(server.root().join("b.bin")).unwrap(), bytes);
    let model = server.get("/api/contents/b.bin");
    assert_eq!(model["format"], "base64");
    let returned: String = model["content"].as_str().unwrap().split_whitespace().collect();
    assert_eq!(returned, encoded);
    server.ask("GET", "/api/contents/b.bin?format=text").send().expect(400);
    assert_eq!(server.ask("GET", "/files/b.bin").send().expect(200).body, bytes);
}

#[test]
fn new_files_get_the_next_free_name() {
    let server = server();
    let create = |body: Value| {
        let answer = server.ask("POST", "/api/contents").json(&body).send().expect(201);
        let path = answer.json()["path"].as_str().unwrap().to_owned();
        let location = answer.header("location").unwrap_or_else(|| panic!("no Location for {path}"));
        assert!(location.starts_with("/api/contents/"), "{location}");
        assert!(server.root().join(&path).exists(), "{path}");
        path
    };
    assert_eq!(create(json!({ "type": "notebook" })), "Untitled.ipynb");
    assert_eq!(create(json!({ "type": "notebook" })), "Untitled1.ipynb");
    assert_eq!(create(json!({ "type": "file", "ext": ".txt" })), "untitled.txt");
    assert_eq!(create(json!({ "type": "file", "ext": ".rhai" })), "untitled.rhai");
    assert_eq!(create(json!({ "type": "directory" })), "Untitled Folder");
    assert_eq!(create(json!({ "type": "directory" })), "Untitled Folder 1");
    let empty = server.get("/api/contents/Untitled.ipynb")["content"].clone();
    assert_eq!((&empty["nbformat"], &empty["cells"]), (&json!(4), &json!([])));
}

#[test]
fn a_copy_has_a_name_of_its_own() {
    let server = server();
    server.save_text("a.txt", "original");
    let copy = |body: Value| server.ask("POST", "/api/contents").json(&body).send().expect(201).json();
    assert_eq!(copy(json!({ "copy_from": "a.txt" }))["path"], "a-Copy1.txt");
    assert_eq!(copy(json!({ "copy_from": "/a.txt" }))["path"], "a-Copy2.txt");
    server.save_text("a-Copy1.txt", "changed");
    assert_eq!(std::fs::read_to_string(server.root().join("a.txt")).unwrap(), "original");
    server.ask("POST", "/api/contents").json(&json!({ "copy_from": "missing.txt" })).send().expect(404);
}

#[test]
fn a_name_that_is_taken_is_never_overwritten_by_a_rename() {
    let server = server();
    server.save_text("a.txt", "a");
    server.save_text("b.txt", "b");
    let rename = |to: &str| server.ask("PATCH", "/api/contents/a.txt").json(&json!({ "path": to })).send();
    let text = |name: &str| std::fs::read_to_string(server.root().join(name)).unwrap();
    rename("b.txt").expect(409);
    assert_eq!((text("a.txt"), text("b.txt")), ("a".to_owned(), "b".to_owned()));
    let model = rename("c ü.txt").expect(200).json();
    assert_eq!((&model["name"], &model["path"]), (&json!("c ü.txt"), &json!("c ü.txt")));
    assert!(!server.root().join("a.txt").exists());
    assert_eq!(text("c ü.txt"), "a");
    rename("d.txt").expect(404);
}

#[test]
fn a_deleted_folder_is_in_the_trash_and_nowhere_else() {
    let server = server();
    std::fs::create_dir(server.root().join("folder")).unwrap();
    server.save_text("folder/kept-in-trash.txt", "still here");
    server.ask("DELETE", "/api/contents/folder").send().expect(204);
    server.ask("GET", "/api/contents/folder").send().expect(404);
    server.ask("DELETE", "/api/contents/folder").send().expect(404);
    assert!(!server.root().join("folder").exists());
    if cfg!(target_os = "linux") {
        let trashed = files_below(server.folder()).into_iter().find(|p| p.ends_with("kept-in-trash.txt")).unwrap();
        assert_eq!(std::fs::read_to_string(trashed).unwrap(), "still here");
    }
    server.ask("DELETE", "/api/contents").send().refused();
    assert!(server.root().exists());
}

#[cfg(target_os = "linux")]
#[test]
fn what_the_trash_does_not_take_is_not_deleted() {
    let server = server();
    std::fs::write(server.folder().join("data/Trash"), "no folder").unwrap();
    server.save_text("a.txt", "the only copy");
    std::fs::create_dir(server.root().join("empty")).unwrap();
    for path in ["a.txt", "empty"] {
        let answer = server.ask("DELETE", &format!("/api/contents/{path}")).send().expect(400);
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains("trash") && message.contains("nothing was deleted"), "{message}");
    }
    assert_eq!(server.get("/api/contents/a.txt")["content"], "the only copy");
    assert!(server.root().join("empty").is_dir());
}

#[test]
fn the_hash_is_that_of_the_file_and_shows_a_change_by_another_program() {
    let server = server();
    let hash = || {
        let model = server.get("/api/contents/a.txt?content=0&hash=1");
        assert_eq!(model["hash_algorithm"], "sha256");
        model["hash"].as_str().unwrap().to_owned()
    };
    server.save_text("a.txt", "saved by the front end");
    let saved = hash();
    assert_eq!(saved, hex::encode(Sha256::digest("saved by the front end")));
    let file = server.root().join("a.txt");
    let written = std::fs::metadata(&file).unwrap().modified().unwrap();
    // The same length at the same time: only the bytes can tell.
    std::fs::write(&file, "saved by other program").unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(written).unwrap();
    assert_ne!(hash(), saved);
}

#[test]
fn hidden_files_are_neither_listed_nor_served_nor_written() {
    let start = lab();
    std::fs::create_dir(start.root().join(".hidden")).unwrap();
    for path in [".secret.txt", ".hidden/inner.txt", "plain.txt"] {
        std::fs::write(start.root().join(path), "hidden text").unwrap();
    }
    let server = start.go();
    let listing = server.get("/api/contents");
    let names: Vec<&Value> = listing["content"].as_array().unwrap().iter().map(|e| &e["name"]).collect();
    assert_eq!(names, [&json!("plain.txt")]);
    for path in [".secret.txt", ".hidden/inner.txt", ".hidden"] {
        for address in ["/api/contents", "/files"] {
            let answer = server.ask("GET", &format!("{address}/{path}")).send();
            assert!(!answer.text().contains("hidden text"));
            answer.refused();
        }
        server.ask("GET", &format!("/api/contents/{path}")).send().expect(404);
        server.ask("DELETE", &format!("/api/contents/{path}")).send().refused();
    }
    let body = json!({ "type": "file", "format": "text", "content": "new" });
    server.ask("PUT", "/api/contents/.new.txt").json(&body).send().refused();
    server.ask("PUT", "/api/contents/.secret.txt").json(&body).send().refused();
    server.ask("PATCH", "/api/contents/plain.txt").json(&json!({ "path": ".gone" })).send().refused();
    server.ask("POST", "/api/contents").json(&json!({ "copy_from": ".secret.txt" })).send().refused();
    let mut left: Vec<String> = std::fs::read_dir(server.root()).unwrap().map(|e| name(&e.unwrap())).collect();
    left.sort();
    assert_eq!(left, [".hidden", ".secret.txt", "plain.txt"]);
    assert_eq!(std::fs::read_to_string(server.root().join(".secret.txt")).unwrap(), "hidden text");
}

fn name(entry: &std::fs::DirEntry) -> String {
    entry.file_name().into_string().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn where_nothing_may_be_written_the_front_end_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let start = lab().obeys_permissions();
    let folder = start.root().join("fixed");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a.txt"), "fixed").unwrap();
    let mode = |mode: u32| std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o555);
    let server = start.go();
    let body = json!({ "type": "file", "format": "text", "content": "new" });
    let refused = server.ask("PUT", "/api/contents/fixed/b.txt").json(&body).send().expect(403);
    assert!(refused.json()["message"].as_str().unwrap().contains("b.txt"), "{}", refused.text());
    server.ask("POST", "/api/contents/fixed").json(&json!({ "type": "notebook" })).send().expect(403);
    server.ask("PATCH", "/api/contents/fixed/a.txt").json(&json!({ "path": "fixed/c.txt" })).send().expect(403);
    assert!(server.ask("DELETE", "/api/contents/fixed/a.txt").send().status >= 400);
    assert_eq!(server.get("/api/contents/fixed/a.txt")["content"], "fixed");
    assert_eq!(server.get("/api/contents/fixed?content=0")["writable"], false);
    mode(0o755);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}
