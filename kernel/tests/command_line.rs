//! The program as a shell sees it: what it prints, on which stream, and with which code it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const MINERVA: &str = env!("CARGO_BIN_EXE_minerva");

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the program in `folder`; `input` comes through a pipe.
fn minerva(folder: &Path, args: &[&str], input: &str) -> Ran {
    let mut child = Command::new(MINERVA)
        .current_dir(folder)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that reads nothing may have ended.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    ran(child.wait_with_output().unwrap())
}

fn here(args: &[&str], input: &str) -> Ran {
    minerva(Path::new("."), args, input)
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_printed_is_told() {
    let into_full = |args: &[&str]| {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(MINERVA);
        command.args(args).stdin(Stdio::null()).stdout(full).stderr(Stdio::piped());
        ran(command.spawn().unwrap().wait_with_output().unwrap())
    };
    for args in [&["-e", "print(1)"][..], &["-e", "1 + 1"], &["-e", "loop { print(1) }"], &["docs", "-o", "-"]] {
        let ran = into_full(args);
        assert_eq!(ran.code, Some(1), "{args:?}: {}", ran.err);
        assert!(ran.err.contains("standard output cannot be written"), "{args:?}: {}", ran.err);
        assert!(!ran.err.contains("Interrupted"), "{args:?}: {}", ran.err);
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let mut child = Command::new(MINERVA)
        .args(["-e", "loop { print(1) }"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = ran(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.err.as_str()), (Some(141), ""));
}

/// Runs a script for ever, with SIGHUP as `hangup` says, and sends it signals.
#[cfg(unix)]
fn stopped_by(hangup: libc::sighandler_t, signals: &[i32]) -> Ran {
    use std::os::unix::process::CommandExt;
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(MINERVA);
    command.current_dir(folder.path()).args(["-e", "write_text(\"begun\", \"\"); loop { }"]).stderr(Stdio::piped());
    // SAFETY: `signal` may be called between fork and exec.
    unsafe {
        command.pre_exec(move || {
            libc::signal(libc::SIGHUP, hangup);
            Ok(())
        });
    }
    let mut child = command.spawn().unwrap();
    while !folder.path().join("begun").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    for signal in signals {
        // SAFETY: a signal to a child that has not been waited for.
        unsafe { libc::kill(child.id() as libc::pid_t, *signal) };
    }
    ran(child.wait_with_output().unwrap())
}

#[cfg(unix)]
#[test]
fn a_script_that_is_asked_to_end_says_by_what() {
    for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT] {
        let ran = stopped_by(libc::SIG_DFL, &[signal]);
        assert_eq!(ran.code, Some(128 + signal), "{}", ran.err);
    }
}

#[cfg(unix)]
#[test]
fn under_nohup_a_hangup_ends_nothing() {
    let ran = stopped_by(libc::SIG_IGN, &[libc::SIGHUP, libc::SIGTERM]);
    assert_eq!(ran.code, Some(128 + libc::SIGTERM), "{}", ran.err);
}

#[test]
fn cells_come_through_a_pipe() {
    let ran = here(&["repl"], "1 + 1\n\nfn twice(x) {\n    x * 2\n}\nlet a = twice(20);\na + 2\n\"last\"");
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), "2\n42\n\"last\"\n", ""));
    let ran = here(&["repl"], "let kept = 7;\nmissing_name\nkept\n");
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "7\n"), "the cells after an error run");
    assert!(ran.err.contains("missing_name") && ran.err.contains("In[2]:1:1"), "{}", ran.err);
    let ran = here(&["repl", "x"], "args[0]\nexit(3)\nprint(\"never\")\n");
    assert_eq!((ran.code, ran.out.as_str()), (Some(3), "\"x\"\n"));
    let ran = here(&["repl"], "fn open() {\n    1\n");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("SyntaxError"), "what is left open at the end is told: {}", ran.err);
}

#[test]
fn questions_in_piped_cells_take_the_next_line() {
    let ran = here(&["repl"], "let name = input(\"who? \");\nAda\nname\ninput(\"more? \")\n");
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "\"Ada\"\n"));
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(lines[..2], ["who? ", "more? "], "an error begins a line of its own");
    assert!(lines[2].starts_with("InputError") && lines[2].contains("the end of the input"), "{}", ran.err);
}

#[test]
fn what_is_neither_a_command_nor_a_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let said = |args: &[&str]| {
        let ran = minerva(folder.path(), args, "");
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{}", ran.err);
        ran.err
    };
    let err = said(&["instal"]);
    assert!(err.contains("instal: neither a command nor a file") && err.contains("`minerva install`?"), "{err}");
    assert!(said(&["qqqqqqqq", "more"]).contains("minerva --help lists"));
    let err = said(&["--evil", "1"]);
    assert!(err.contains("no such option") && err.contains("--eval?"), "{err}");
    std::fs::write(folder.path().join("story.rhai"), "print(args[0])").unwrap();
    assert!(said(&["story"]).contains("story.rhai?"));
    let ran = minerva(folder.path(), &["story.rhai", "--once"], "");
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "--once\n"), "a file is run: {}", ran.err);
}

#[test]
fn options_behind_a_file_are_those_of_run_and_a_notebook_ends_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let cell = |code: &str| {
        serde_json::json!({
            "cell_type": "code", "metadata": {}, "source": code, "outputs": [], "execution_count": null, "id": code.len().to_string()
        })
    };
    let notebook = serde_json::json!({
        "cells": [cell("1"), cell("exit(5)"), cell("\"never\"")], "metadata": {}, "nbformat": 4, "nbformat_minor": 5
    });
    let (before, after) = (folder.path().join("a.ipynb"), folder.path().join("b.ipynb"));
    std::fs::write(&before, notebook.to_string()).unwrap();
    let ran = minerva(folder.path(), &["a.ipynb", "-o", "b.ipynb", "--print"], "");
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(ran.out.contains("exit(5)") && !ran.out.contains("never"), "{}", ran.out);
    assert_eq!(std::fs::read_to_string(&before).unwrap(), notebook.to_string(), "it is left as it is");
    assert!(std::fs::read_to_string(&after).unwrap().contains("execute_result"));
}

#[test]
fn exit_codes_are_those_that_a_shell_can_see() {
    assert_eq!(here(&["-e", "exit(255)"], "").code, Some(255));
    for (call, found) in [("exit(300)", "found 300"), ("exit(-1)", "found -1"), ("exit(\"a\")", "the string \"a\"")] {
        let ran = here(&["-e", call], "");
        assert_eq!(ran.code, Some(1), "{call}");
        assert!(ran.err.contains("from 0 to 255") && ran.err.contains(found), "{call}: {}", ran.err);
    }
}
