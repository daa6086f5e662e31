//! Every script and every notebook of the repository runs to its end, with the sample model.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const MINERVA: &str = env!("CARGO_BIN_EXE_minerva");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no .{extension} in {folder}");
    files
}

fn minerva(args: &[&std::ffi::OsStr]) -> Output {
    Command::new(MINERVA).args(args).current_dir(root()).output().unwrap()
}

fn check(path: &Path, output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{out}\n{err}", path.display());
    out
}

#[test]
fn scripts_run() {
    for path in files("scripts", "rhai") {
        let output = minerva(&["run".as_ref(), path.as_os_str()]);
        let out = check(&path, &output);
        assert!(out.lines().count() > 1, "{} printed next to nothing: {out:?}", path.display());
    }
}

#[test]
fn notebooks_run_and_show_something_in_every_cell_that_ends_in_a_value() {
    let folder = tempfile::tempdir().unwrap();
    for path in files("notebooks", "ipynb") {
        if !cfg!(feature = "rust-cells") && path.ends_with("rust-cells.ipynb") {
            continue;
        }
        let done = folder.path().join(path.file_name().unwrap());
        let output = minerva(&["run".as_ref(), path.as_os_str(), "-o".as_ref(), done.as_os_str()]);
        check(&path, &output);
        let notebook: serde_json::Value = serde_json::from_slice(&std::fs::read(&done).unwrap()).unwrap();
        for cell in notebook["cells"].as_array().unwrap().iter().filter(|c| c["cell_type"] == "code") {
            assert!(cell["execution_count"].is_u64(), "{}: {cell}", path.display());
            let outputs = cell["outputs"].as_array().unwrap();
            assert!(outputs.iter().all(|o| o["output_type"] != "error"), "{}: {cell}", path.display());
            let source: String = cell["source"].as_array().unwrap().iter().filter_map(|l| l.as_str()).collect();
            let value = !source.trim_end().ends_with([';', '}']);
            assert!(!value || outputs.iter().any(|o| o["output_type"] == "execute_result"), "{source}");
        }
    }
}

/// The same seed gives the same text in another process.
#[test]
fn a_seed_repeats_across_processes() {
    let code = r#"print(load("sample").generate("ROMEO:", #{ max_tokens: 30, seed: 5, stream: false }).text)"#;
    let run = || check(Path::new("-e"), &minerva(&["-e".as_ref(), code.as_ref()]));
    let first = run();
    assert!(first.trim().len() > 10, "{first:?}");
    assert_eq!(first, run());
}
