//! `minerva run FILE.ipynb`: the real program over real files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn minerva(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_minerva")).current_dir(folder).args(args).output().unwrap()
}

fn code(source: &str) -> Value {
    json!({ "cell_type": "code", "id": "c", "execution_count": null, "metadata": {}, "outputs": [], "source": source })
}

fn write(path: &Path, cells: &[Value]) {
    let notebook =
        json!({ "cells": cells, "metadata": { "vendor": { "z": 1, "a": 2 } }, "nbformat": 4, "nbformat_minor": 5 });
    std::fs::write(path, notebook.to_string()).unwrap();
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn text(output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).unwrap()
}

#[test]
fn a_notebook_is_executed_in_place_and_unknown_fields_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ipynb");
    let mut second = code("x + 1");
    second["vendor_field"] = json!("kept");
    write(
        &path,
        &[
            json!({ "cell_type": "markdown", "id": "m", "metadata": {}, "source": ["# T"] }),
            code("let x = 41; print(\"hi\");"),
            second,
            code("  "),
        ],
    );
    let ran = minerva(folder.path(), &["run", "a.ipynb"]);
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    let notebook = read(&path);
    assert_eq!(notebook["metadata"]["vendor"], json!({ "z": 1, "a": 2 }));
    assert_eq!(notebook["metadata"]["kernelspec"]["name"], "minerva");
    assert_eq!(notebook["metadata"]["language_info"]["file_extension"], ".rhai");
    let cells = notebook["cells"].as_array().unwrap();
    assert_eq!(cells[1]["outputs"], json!([{ "name": "stdout", "output_type": "stream", "text": ["hi\n"] }]));
    assert_eq!(cells[1]["execution_count"], 1);
    assert_eq!(cells[2]["outputs"][0]["data"]["text/plain"], json!(["42"]));
    assert_eq!(cells[2]["vendor_field"], "kept");
    assert_eq!(cells[3]["execution_count"], Value::Null, "an empty cell does not count");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn the_first_failing_cell_ends_it_and_what_ran_is_written_to_the_output() {
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path().join("a.ipynb"), folder.path().join("out.ipynb"));
    let mut old = code("3");
    old["outputs"] = json!([{ "name": "stdout", "output_type": "stream", "text": ["earlier\n"] }]);
    write(&path, &[code("1"), code("let ok = 1;\nmissing_name + 1"), old]);
    let before = std::fs::read(&path).unwrap();
    let ran = minerva(folder.path(), &["run", "a.ipynb", "-o", "out.ipynb"]);
    assert_eq!(ran.status.code(), Some(1));
    let stderr = text(&ran.stderr);
    assert!(stderr.contains("missing_name") && stderr.contains("In[2]"), "{stderr}");
    assert!(!stderr.contains('\x1b'), "no colours where nobody watches: {stderr:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before, "the input is as it was");
    let notebook = read(&out);
    assert_eq!(notebook["cells"][0]["outputs"][0]["data"]["text/plain"], json!(["1"]));
    assert_eq!(notebook["cells"][1]["outputs"][0]["output_type"], "error");
    assert_eq!(notebook["cells"][2]["outputs"][0]["text"], json!(["earlier\n"]), "what did not run is as it was");
}

#[test]
fn tags_allow_an_error_and_skip_a_cell() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ipynb");
    let (mut raises, mut skipped) = (code("throw \"expected\""), code("throw \"never run\""));
    raises["metadata"]["tags"] = json!(["raises-exception"]);
    skipped["metadata"]["tags"] = json!(["skip-execution"]);
    write(&path, &[raises, skipped, code("7")]);
    assert!(minerva(folder.path(), &["run", "a.ipynb"]).status.success());
    let notebook = read(&path);
    assert_eq!(notebook["cells"][0]["outputs"][0]["output_type"], "error");
    assert_eq!(notebook["cells"][1]["outputs"], json!([]));
    assert_eq!(notebook["cells"][2]["execution_count"], 2);
}

#[test]
fn what_cannot_be_run_is_said_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| std::fs::write(folder.path().join(name), content).unwrap();
    file(
        "python.ipynb",
        r#"{"nbformat": 4, "nbformat_minor": 5, "cells": [], "metadata": {"kernelspec": {"language": "python"}}}"#,
    );
    file("cut.ipynb", r#"{"nbformat": 4, "cells": [{"cell_type""#);
    for (name, expected) in
        [("python.ipynb", "written in python"), ("cut.ipynb", "not a notebook"), ("none.ipynb", "none.ipynb")]
    {
        let ran = minerva(folder.path(), &["run", name]);
        assert_ne!(ran.status.code(), Some(0), "{name}");
        assert!(text(&ran.stderr).contains(expected), "{name}: {}", text(&ran.stderr));
    }
    assert!(std::fs::read_to_string(folder.path().join("cut.ipynb")).unwrap().ends_with("\"cell_type\""));
}

#[test]
fn print_shows_the_executed_notebook() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("a.ipynb"), &[code("print(\"hi\"); 42")]);
    let ran = minerva(folder.path(), &["run", "--print", "a.ipynb"]);
    assert_eq!(text(&ran.stdout), "\nIn [1]: print(\"hi\"); 42\nhi\nOut[1]: 42\n");
}

#[test]
fn print_shows_each_output_as_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let waiting = code("print(\"first\"); while !file_exists(\"gate\") { sleep(0.01); } print(\"second\");");
    write(&folder.path().join("a.ipynb"), &[waiting]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_minerva"))
        .current_dir(folder.path())
        .args(["run", "--print", "a.ipynb"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line != "first\n" {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "it ended without waiting");
    }
    // The cell still runs: only now may it go on.
    std::fs::write(&gate, "").unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "second\n");
    assert!(child.wait().unwrap().success());
}

/// Starts a notebook whose second cell runs for ever, sends a signal once that cell has shown something, and returns the
/// exit code and the notebook.
#[cfg(unix)]
fn stopped_by(signal: i32) -> (Option<i32>, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ipynb");
    write(&path, &[code("1"), code("print(\"begun\"); write_text(\"begun\", \"\"); loop { }"), code("3")]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_minerva"));
    command.current_dir(folder.path()).args(["run", "a.ipynb"]).stderr(Stdio::null());
    // SAFETY: `signal` may be called between fork and exec. Who runs the tests may ignore SIGHUP, as `nohup` does.
    unsafe {
        std::os::unix::process::CommandExt::pre_exec(&mut command, || {
            libc::signal(libc::SIGHUP, libc::SIG_DFL);
            Ok(())
        });
    }
    let mut child = command.spawn().unwrap();
    while !folder.path().join("begun").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // SAFETY: a signal to a child that has not been waited for.
    unsafe { libc::kill(child.id() as libc::pid_t, signal) };
    let code = child.wait().unwrap().code();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "no temporary file is left: {left:?}");
    (code, read(&path))
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_and_what_was_produced_is_written() {
    for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT] {
        let (code, notebook) = stopped_by(signal);
        assert_eq!(code, Some(128 + signal));
        let cells = notebook["cells"].as_array().unwrap();
        assert_eq!(cells[0]["outputs"][0]["data"]["text/plain"], json!(["1"]));
        assert_eq!(cells[1]["outputs"][0]["text"], json!(["begun\n"]));
        assert_eq!(cells[1]["outputs"][1]["ename"], "Interrupted");
        assert_eq!((&cells[2]["outputs"], &cells[2]["execution_count"]), (&json!([]), &Value::Null));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_print_that_cannot_be_written_is_told_and_the_notebook_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ipynb");
    write(&path, &[code("print(1)"), code("2")]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_minerva"))
        .current_dir(folder.path())
        .args(["run", "--print", "a.ipynb"])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(text(&ran.stderr).contains("standard output cannot be written"), "{}", text(&ran.stderr));
    assert_eq!(read(&path)["cells"][1]["outputs"][0]["data"]["text/plain"], json!(["2"]));
}

#[test]
fn updates_clears_and_carriage_returns_are_stored_as_a_front_end_would() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ipynb");
    write(
        &path,
        &[
            code("let d = display(1); write(\"10 %\"); write(\"\\r100 %\\n\"); display(\"x\", \"name\");"),
            code("d.update(2); display(\"y\", \"name\")"),
            code("print(1); clear_output(true); print(2); write(\"end\")"),
        ],
    );
    let ran = minerva(folder.path(), &["run", "a.ipynb"]);
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    let notebook = read(&path);
    let shown = |cell: usize, output: usize| notebook["cells"][cell]["outputs"][output].clone();
    assert_eq!(shown(0, 0)["data"]["text/plain"], json!(["2"]), "updated from a later cell");
    assert_eq!(shown(0, 1)["text"], json!(["100 %\n"]));
    assert_eq!(shown(0, 2)["data"]["text/plain"], shown(1, 0)["data"]["text/plain"], "one name, one value");
    assert_eq!(notebook["cells"][1]["outputs"].as_array().unwrap().len(), 1);
    assert_eq!(
        notebook["cells"][2]["outputs"],
        json!([{ "name": "stdout", "output_type": "stream", "text": ["2\n", "end"] }])
    );
}

#[test]
fn a_notebook_that_runs_by_itself_has_nobody_to_ask() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("a.ipynb"), &[code("input(\"name? \")")]);
    let ran = minerva(folder.path(), &["run", "a.ipynb"]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(text(&ran.stderr).contains("nobody can be asked"), "{}", text(&ran.stderr));
}
