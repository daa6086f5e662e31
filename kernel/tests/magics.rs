//! Magics, completion and inspection as front ends see them: a Jupyter client, the notebook runner, the command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use minerva_tests::client::Kernel;
use serde_json::{Value, json};
use std::process::{Command, Output};

const MINERVA: &str = env!("CARGO_BIN_EXE_minerva");

fn minerva(args: &[&str]) -> Output {
    Command::new(MINERVA).args(args).output().unwrap()
}

#[test]
fn a_loaded_file_is_the_payload_of_the_reply() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.rhai");
    std::fs::write(&path, "let a = 1;").unwrap();
    let kernel = Kernel::start(MINERVA);
    let mut client = kernel.connect();
    let ran = client.run(&format!("%load {}", path.display()));
    assert!(ran.outputs.is_empty(), "{ran:?}");
    assert_eq!(ran.reply["payload"], json!([{ "source": "set_next_input", "text": "let a = 1;", "replace": false }]));
    assert_eq!(client.run("1").reply["payload"], json!([]));
    assert_eq!(client.run("%%html\n<b>").kinds(), ["display_data"]);
    assert_eq!(client.run("%tiem 1").kinds(), ["error"]);
    assert_eq!(client.ask("is_complete", json!({ "code": "%%html" }))["status"], "incomplete");
}

#[test]
fn completions_and_inspections_carry_documentation() {
    let kernel = Kernel::start(MINERVA);
    let mut client = kernel.connect();
    client.run("let m = load(\"sample\");");
    let found = client.ask("complete", json!({ "code": "m.generat", "cursor_pos": 9 }));
    assert_eq!(found["matches"], json!(["generate"]));
    let typed = &found["metadata"]["_jupyter_types_experimental"][0];
    assert_eq!((typed["type"].as_str().unwrap(), typed["start"].as_u64().unwrap()), ("method", 2));
    assert!(typed["signature"].as_str().unwrap().starts_with("generate(prompt"));
    let ask = |detail: u8| json!({ "code": "m.generate(\"a\")", "cursor_pos": 5, "detail_level": detail });
    let said = client.ask("inspect", ask(0));
    assert_eq!(said["found"], true);
    assert!(said["data"]["text/markdown"].as_str().unwrap().contains("temperature"));
    let brief = client.ask("inspect", json!({ "code": "m", "cursor_pos": 1, "detail_level": 0 }));
    let more = client.ask("inspect", json!({ "code": "m", "cursor_pos": 1, "detail_level": 1 }));
    let text = |v: &Value| v["data"]["text/plain"].as_str().unwrap().to_owned();
    assert!(text(&more).contains("run_with_cache") && !text(&brief).contains("run_with_cache"));
}

#[test]
fn a_script_that_uses_a_magic_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.rhai");
    std::fs::write(&path, "#!/usr/bin/env minerva\n%time 1\n").unwrap();
    let ran = minerva(&["run", &path.display().to_string()]);
    let err = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1));
    assert!(err.contains("script.rhai:2:1") && err.contains("`%time` is a magic"), "{err}");
}

#[test]
fn the_reference_is_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("docs").display().to_string();
    let ran = minerva(&["docs", "-o", &into]);
    assert!(ran.status.success(), "{ran:?}");
    let page = std::fs::read_to_string(folder.path().join("docs/minerva.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    for part in ["id=\"Model.generate\"", "<code>temperature</code>", "id=\"Tensor\"", "id=\"magics\"", "light-dark("] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("http://") && !page.contains("src=\""), "it needs nothing beside itself");
    let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|p| p.split('"').next()).collect();
    let unique: std::collections::HashSet<&&str> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "an id stands for one place");
    for link in page.split("href=\"#").skip(1).filter_map(|p| p.split('"').next()) {
        assert!(ids.contains(&link), "{link} leads nowhere");
    }
    let ran = minerva(&["docs", "--format", "markdown", "-o", "-"]);
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(text.starts_with("# Minerva") && text.contains("### Model.generate") && text.contains("| `%vars` |"));
    let ran = minerva(&["docs", "-o", "/dev/null/nowhere"]);
    assert_eq!(ran.status.code(), Some(1));
}
