//! The parts together, on a real folder.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::Contents;
use super::model::Content;
use super::notebook::Fields;
use super::reading::{Kind, Wanted};
use crate::lab::events::Events;
use crate::lab::paths::Folders;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

const ALL: Wanted = Wanted { kind: None, format: None, content: true, hash: true };

fn contents() -> (TempDir, PathBuf, Contents) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    let root = fs::canonicalize(root).unwrap();
    let folders = Folders { data: folder.path().join("data"), runtime: folder.path().join("run"), jupyter: Vec::new() };
    let contents = Contents::new(root.clone(), false, &folders, Events::new()).unwrap();
    (folder, root, contents)
}

fn fields(value: Value) -> Fields {
    value.as_object().unwrap().clone()
}

fn status<T>(result: crate::lab::error::ApiResult<T>) -> u16 {
    result.err().map_or(200, |error| error.status.as_u16())
}

fn notebook(trusted: bool) -> Value {
    let output = json!({"output_type": "display_data", "metadata": {}, "data": {"text/html": "<script>\n1</script>"}});
    let cell = json!({"cell_type": "code", "id": "a", "metadata": {"trusted": trusted, "mine": 1}, "source": "x\ny",
        "execution_count": 1, "outputs": [output], "unknown": {"z": 1}});
    json!({"nbformat": 4, "nbformat_minor": 5, "metadata": {"vendor": [1, 2.5, null]}, "cells": [cell]})
}

fn is_trusted(contents: &Contents, path: &str) -> bool {
    let Content::Notebook(notebook) = contents.get(path, ALL).unwrap().content else { panic!("no notebook") };
    notebook["cells"][0]["metadata"]["trusted"].as_bool().unwrap()
}

#[test]
fn a_notebook_is_saved_as_nbformat_writes_and_comes_back_whole() {
    let (_folder, root, contents) = contents();
    let (new, model) =
        contents.save("n.ipynb", fields(json!({"type": "notebook", "content": notebook(true)}))).unwrap();
    assert!(new && model.message.is_none() && model.kind == "notebook");
    let text = fs::read_to_string(root.join("n.ipynb")).unwrap();
    assert!(text.starts_with("{\n \"cells\": [\n  {\n   \"cell_type\": \"code\"") && text.ends_with("}\n"), "{text}");
    assert!(!text.contains("trusted") && text.contains("\"x\\n\",\n    \"y\""), "{text}");
    let model = contents.get("n.ipynb", ALL).unwrap();
    assert_eq!(model.hash.unwrap(), super::model::sha256(text.as_bytes()));
    let Content::Notebook(read) = model.content else { panic!("no notebook") };
    assert_eq!(read["cells"][0]["unknown"], json!({"z": 1}));
    assert_eq!(read["metadata"], json!({"vendor": [1, 2.5, null]}));
    assert_eq!(read["cells"][0]["source"], "x\ny");
    let (new, _) = contents.save("n.ipynb", fields(json!({"type": "notebook", "content": notebook(true)}))).unwrap();
    assert!(!new);
}

#[test]
fn only_what_this_user_trusted_is_trusted() {
    let (_folder, root, contents) = contents();
    fs::write(root.join("evil.ipynb"), notebook(true).to_string()).unwrap();
    assert!(!is_trusted(&contents, "evil.ipynb"));
    contents.save("mine.ipynb", fields(json!({"type": "notebook", "content": notebook(true)}))).unwrap();
    assert!(is_trusted(&contents, "mine.ipynb"));
    let other = notebook(false).to_string().replace("<script>", "<script >");
    fs::write(root.join("other.ipynb"), other).unwrap();
    contents.trust("other.ipynb").unwrap();
    assert!(is_trusted(&contents, "other.ipynb"));
    let changed = fs::read_to_string(root.join("other.ipynb")).unwrap().replace("1</script>", "2</script>");
    fs::write(root.join("other.ipynb"), changed).unwrap();
    assert!(!is_trusted(&contents, "other.ipynb"));
}

#[test]
fn checkpoints_bring_back_and_follow() {
    let (_folder, root, contents) = contents();
    fs::write(root.join("a.txt"), "old").unwrap();
    assert!(contents.checkpoints("a.txt").unwrap().is_empty());
    contents.create_checkpoint("a.txt").unwrap();
    fs::write(root.join("a.txt"), "new").unwrap();
    contents.rename("a.txt", &fields(json!({"path": "b.txt"}))).unwrap();
    assert!(contents.checkpoints("a.txt").unwrap().is_empty());
    assert_eq!(contents.checkpoints("b.txt").unwrap().len(), 1);
    assert_eq!(status(contents.restore_checkpoint("b.txt", "other")), 404);
    contents.restore_checkpoint("b.txt", "checkpoint").unwrap();
    assert_eq!(fs::read(root.join("b.txt")).unwrap(), b"old");
    contents.delete_checkpoint("b.txt", "checkpoint").unwrap();
    assert_eq!(status(contents.delete_checkpoint("b.txt", "checkpoint")), 404);
}

#[test]
fn renaming_replaces_nothing_and_hidden_files_do_not_exist() {
    let (_folder, root, contents) = contents();
    fs::write(root.join("a"), "a").unwrap();
    fs::write(root.join("b"), "b").unwrap();
    fs::write(root.join(".h"), "h").unwrap();
    let rename = |from: &str, to: &str| status(contents.rename(from, &fields(json!({ "path": to }))));
    assert_eq!(rename("a", "b"), 409);
    assert_eq!(rename("c", "d"), 404);
    assert_eq!(rename("a", ".x"), 400);
    assert_eq!(rename("a", "../x"), 400);
    assert_eq!(rename("a", "c"), 200);
    assert_eq!(status(contents.get(".h", ALL)), 404);
    assert_eq!(status(contents.delete(".h")), 400);
    assert_eq!(status(contents.delete("")), 400);
    let Content::List(entries) = contents.get("", ALL).unwrap().content else { panic!("no list") };
    assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["b", "c"]);
}

#[test]
fn names_are_counted_and_copies_made() {
    let (_folder, root, contents) = contents();
    assert_eq!(contents.untitled("", Some(Kind::Notebook), "").unwrap().path, "Untitled.ipynb");
    assert_eq!(contents.untitled("", None, ".ipynb").unwrap().path, "Untitled1.ipynb");
    assert_eq!(contents.untitled("", Some(Kind::Directory), "").unwrap().path, "Untitled Folder");
    assert_eq!(contents.untitled("Untitled Folder", None, ".txt").unwrap().path, "Untitled Folder/untitled.txt");
    assert_eq!(status(contents.untitled("", None, "/../x")), 400);
    assert_eq!(status(contents.untitled("nowhere", None, "")), 404);
    assert_eq!(contents.copy("Untitled1.ipynb", "").unwrap().path, "Untitled1-Copy1.ipynb");
    assert_eq!(contents.copy("Untitled Folder", "").unwrap().path, "Untitled Folder-Copy1");
    assert!(root.join("Untitled Folder-Copy1/untitled.txt").is_file());
    assert_eq!(status(contents.copy("Untitled Folder", "Untitled Folder")), 400);
    assert_eq!(contents.copy("Untitled Folder", "new/deep").unwrap().path, "new/deep/Untitled Folder");
}

#[test]
fn large_files_come_in_pieces() {
    let (_folder, root, contents) = contents();
    let piece = |chunk: i64, text: &str| {
        let model = json!({"type": "file", "format": "text", "content": text, "chunk": chunk});
        contents.save("big.txt", fields(model)).unwrap().0
    };
    assert_eq!((piece(1, "one"), piece(2, "two"), piece(-1, "three")), (true, false, false));
    assert_eq!(fs::read(root.join("big.txt")).unwrap(), b"onetwothree");
    assert_eq!(
        status(contents.save("no/a.txt", fields(json!({"type": "file", "format": "text", "content": ""})))),
        404
    );
}

#[cfg(unix)]
#[test]
fn links_that_lead_outside_are_shown_and_neither_read_nor_written() {
    use std::os::unix::fs::symlink;
    let (folder, root, contents) = contents();
    fs::write(folder.path().join("secret"), "s").unwrap();
    symlink(folder.path().join("secret"), root.join("link.txt")).unwrap();
    symlink(folder.path(), root.join(".ipynb_checkpoints")).unwrap();
    assert_eq!(status(contents.get("link.txt", ALL)), 404);
    let model = json!({"type": "file", "format": "text", "content": "x"});
    assert_eq!(status(contents.save("link.txt", fields(model))), 404);
    fs::write(root.join("a.txt"), "a").unwrap();
    assert_eq!(status(contents.create_checkpoint("a.txt")), 404);
    let Content::List(entries) = contents.get("", ALL).unwrap().content else { panic!("no list") };
    assert_eq!(entries.len(), 2);
    contents.rename("link.txt", &fields(json!({"path": "moved.txt"}))).unwrap();
    assert!(root.join("moved.txt").is_symlink());
    assert_eq!(fs::read(folder.path().join("secret")).unwrap(), b"s");
}

#[cfg(unix)]
#[test]
fn a_checkpoint_that_is_a_link_is_neither_read_nor_written() {
    use std::os::unix::fs::symlink;
    let (_folder, root, contents) = contents();
    fs::create_dir_all(root.join(".git")).unwrap();
    fs::create_dir(root.join(".ipynb_checkpoints")).unwrap();
    fs::write(root.join(".git/config"), "mine").unwrap();
    for name in ["README.md", "n.ipynb"] {
        fs::write(root.join(name), notebook(false).to_string()).unwrap();
        let (stem, extension) = name.rsplit_once('.').unwrap();
        let link = root.join(format!(".ipynb_checkpoints/{stem}-checkpoint.{extension}"));
        symlink("../.git/config", &link).unwrap();
        assert_eq!(status(contents.create_checkpoint(name)), 404);
        assert_eq!(status(contents.restore_checkpoint(name, "checkpoint")), 404);
        assert_eq!(status(contents.delete_checkpoint(name, "checkpoint")), 404);
        assert!(contents.checkpoints(name).unwrap().is_empty());
        assert_eq!(fs::read(root.join(name)).unwrap(), notebook(false).to_string().as_bytes());
    }
    contents.save("n.ipynb", fields(json!({"type": "notebook", "content": notebook(false)}))).unwrap();
    contents.rename("n.ipynb", &fields(json!({"path": "m.ipynb"}))).unwrap();
    contents.forget_checkpoint("README.md");
    assert!(!root.join(".ipynb_checkpoints/README-checkpoint.md").is_symlink(), "the link itself goes");
    fs::remove_dir_all(root.join(".ipynb_checkpoints")).unwrap();
    fs::write(root.join(".git/README-checkpoint.md"), "mine").unwrap();
    symlink(".git", root.join(".ipynb_checkpoints")).unwrap();
    assert_eq!(status(contents.create_checkpoint("README.md")), 404);
    contents.forget_checkpoint("README.md");
    assert_eq!(fs::read(root.join(".git/README-checkpoint.md")).unwrap(), b"mine");
    assert_eq!(fs::read(root.join(".git/config")).unwrap(), b"mine");
}

#[cfg(unix)]
#[test]
fn checkpoints_and_copies_are_as_private_as_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, root, contents) = contents();
    let mode = |name: &str| fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o777;
    fs::write(root.join("n.ipynb"), notebook(false).to_string()).unwrap();
    fs::set_permissions(root.join("n.ipynb"), fs::Permissions::from_mode(0o600)).unwrap();
    contents.save("n.ipynb", fields(json!({"type": "notebook", "content": notebook(false)}))).unwrap();
    assert_eq!(mode(".ipynb_checkpoints/n-checkpoint.ipynb"), 0o600);
    contents.create_checkpoint("n.ipynb").unwrap();
    assert_eq!(mode(".ipynb_checkpoints/n-checkpoint.ipynb"), 0o600);
    contents.restore_checkpoint("n.ipynb", "checkpoint").unwrap();
    contents.copy("n.ipynb", "").unwrap();
    assert_eq!((mode("n.ipynb"), mode("n-Copy1.ipynb")), (0o600, 0o600));
}

#[cfg(unix)]
#[test]
fn a_link_to_what_is_hidden_can_only_be_removed() {
    use std::os::unix::fs::symlink;
    let (_folder, root, contents) = contents();
    fs::create_dir(root.join(".git")).unwrap();
    fs::write(root.join(".git/config"), "mine").unwrap();
    symlink(".git/config", root.join("notes")).unwrap();
    symlink(".git", root.join("folder")).unwrap();
    let model = || fields(json!({"type": "file", "format": "text", "content": "x"}));
    for path in ["notes", "folder/config"] {
        assert_eq!(status(contents.get(path, ALL)), 404);
        assert_eq!(status(contents.save(path, model())), 400);
        assert_eq!(status(contents.copy(path, "")), 400);
    }
    assert_eq!(status(contents.save("folder/new", model())), 400);
    assert_eq!(status(contents.delete("folder/config")), 400);
    assert_eq!(status(contents.rename("folder/config", &fields(json!({"path": "x"})))), 400);
    let Content::List(entries) = contents.get("", ALL).unwrap().content else { panic!("no list") };
    assert_eq!(entries.iter().map(|entry| entry.kind).collect::<Vec<_>>(), ["file", "file"]);
    contents.rename("notes", &fields(json!({"path": "moved"}))).unwrap();
    assert!(root.join("moved").is_symlink());
    assert_eq!(fs::read(root.join(".git/config")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(root.join(".git")).unwrap().count(), 1);
}

#[test]
fn what_is_too_large_is_told_and_not_read() {
    let (_folder, root, contents) = contents();
    let large = |name: &str, start: &[u8], length: u64| {
        fs::write(root.join(name), start).unwrap();
        fs::OpenOptions::new().write(true).open(root.join(name)).unwrap().set_len(length).unwrap();
    };
    // Files with holes: nothing of this is on the disk.
    large("model.gguf", b"GGUF", 10 << 30);
    large("model.ipynb", b"{", 10 << 30);
    for name in ["model.gguf", "model.ipynb"] {
        let error = contents.get(name, ALL).unwrap_err();
        assert_eq!(error.status.as_u16(), 413);
        assert!(error.message.contains("found 10240 MB; download it"), "{}", error.message);
        assert_eq!(contents.get(name, Wanted::default()).unwrap().size, Some(10 << 30));
    }
    assert_eq!(status(contents.trust("model.ipynb")), 413);
    large("bytes", b"\xff", 2000);
    let text = Wanted { format: Some(super::reading::Format::Text), ..ALL };
    assert_eq!(contents.get("bytes", text).unwrap_err().message, "bytes is not UTF-8 encoded");
    assert_eq!(contents.get("bytes", ALL).unwrap().format, Some("base64"));
    fs::write(root.join("cut"), format!("{}é", "x".repeat(1023))).unwrap();
    assert_eq!(contents.get("cut", text).unwrap().format, Some("text"));
}

#[test]
fn the_page_s_own_words_are_in_no_file() {
    let (_folder, root, contents) = contents();
    let mut with = notebook(false);
    with["cells"][0]["metadata"]["minervaRun"] = json!("an id");
    fs::write(root.join("n.ipynb"), with.to_string()).unwrap();
    let Content::Notebook(read) = contents.get("n.ipynb", ALL).unwrap().content else { panic!("no notebook") };
    assert_eq!(read["cells"][0]["metadata"], json!({"mine": 1, "trusted": false}));
    contents.save("n.ipynb", fields(json!({"type": "notebook", "content": with}))).unwrap();
    assert!(!fs::read_to_string(root.join("n.ipynb")).unwrap().contains("minervaRun"));
}

#[test]
fn a_notebook_with_python_s_nan_is_read() {
    let (_folder, root, contents) = contents();
    let text = notebook(false).to_string().replace("2.5", "NaN");
    fs::write(root.join("n.ipynb"), text).unwrap();
    let model = contents.get("n.ipynb", ALL).unwrap();
    assert!(model.message.unwrap().contains("read as null"));
    let Content::Notebook(read) = model.content else { panic!("no notebook") };
    assert_eq!(read["metadata"], json!({"vendor": [1, null, null]}));
}
