//! A model by its name on the hub, through the program: downloaded once, then there without the network.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use minerva_tests::hub_server::{HubServer, Repo};
use std::path::Path;
use std::process::Command;

const FILES: [&str; 4] = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"];
const CODE: &str = r#"print(load("org/tiny").generate("KING:", #{ max_tokens: 8, seed: 1, stream: false }).text)"#;

/// The sample model as a hub has it.
fn repo() -> Repo {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../notebooks/sample-model");
    let files = FILES.map(|name| (name.to_owned(), std::fs::read(folder.join(name)).unwrap()));
    Repo { name: "org/tiny".to_owned(), files: files.into() }
}

/// What a program prints, or its error.
fn run(code: &str, home: &Path, endpoint: &str, offline: bool) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_minerva"));
    for name in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "TRANSFORMERS_OFFLINE"]
    {
        command.env_remove(name);
    }
    command.env("HF_HOME", home).env("HF_ENDPOINT", endpoint).env("HF_HUB_OFFLINE", if offline { "1" } else { "0" });
    let output = command.args(["-e", code]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn a_model_is_downloaded_and_then_needs_no_network() {
    let home = tempfile::tempdir().unwrap();
    let server = HubServer::of(repo());
    let url = server.url();
    let first = run(CODE, home.path(), &url, false).unwrap();
    assert!(!first.trim().is_empty());
    assert_eq!(server.requests().len(), 1 + FILES.len());
    drop(server);
    assert_eq!(run(CODE, home.path(), &url, true).unwrap(), first);
    assert_eq!(run(CODE, home.path(), &url, false).unwrap(), first, "the cache is enough");
    let local = CODE.replace("org/tiny\"", "org/tiny\", #{ revision: \"main\", local_files_only: true }");
    assert_eq!(run(&local, home.path(), &url, false).unwrap(), first);
    let e = run("load(\"org/other\")", home.path(), &url, true).unwrap_err();
    assert!(e.contains("HF_HUB_OFFLINE"), "{e}");
    let e = run("load(\"org/other\")", home.path(), &url, false).unwrap_err();
    assert!(e.contains("refuses the connection"), "{e}");
}

#[test]
fn a_script_can_tell_failures_of_the_network() {
    let home = tempfile::tempdir().unwrap();
    let server = HubServer::of(repo());
    let code = r#"try { load("org/unknown") } catch (e) { print(e.kind) }"#;
    assert_eq!(run(code, home.path(), &server.url(), false).unwrap().trim(), "NotFoundError");
    let url = server.url();
    drop(server);
    assert_eq!(run(code, home.path(), &url, false).unwrap().trim(), "NetworkError");
}
