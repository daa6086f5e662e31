//! The documentation of the script API: complete, and true. Every example runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use minerva_kernel::script::names::{Names, Role};
use minerva_kernel::script::reference::Reference;
use minerva_kernel::session::{Execute, Session, SessionOptions};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the names in examples are, as the reference says at its beginning.
const BEFORE: &str = "let m = MODEL; let c = CANDLE;";
/// The same of a session, which only some of them want.
const SESSION: &str = "let s = m.session(); s.feed(\"To be\");";

/// Examples that need a model or a file that not everybody has.
const NOT_RUN: usize = 5;

fn session() -> Session {
    let mut session = Session::new(SessionOptions { stream: false, ..SessionOptions::default() });
    run(&mut session, "const MODEL = load(\"sample\"); const CANDLE = load(\"sample\", #{ backend: \"candle\" });")
        .unwrap();
    session
}

fn run(session: &mut Session, code: &str) -> Result<String, String> {
    let outcome = session.execute(&Execute::cell(code, "example"), Arc::new(|_| {}));
    match outcome.exit {
        Some(_) => Ok(String::new()),
        None => outcome.result.map(|b| b.unwrap_or_default().plain().to_owned()).map_err(|e| e.to_string()),
    }
}

/// Runs an example piece by piece: up to each line that says after `// →` what it gives.
fn example(session: &mut Session, code: &str) -> Result<(), String> {
    run(session, BEFORE)?;
    if code.split(|c: char| !c.is_alphanumeric()).any(|word| word == "s") {
        run(session, SESSION)?;
    }
    let mut piece = String::new();
    for line in code.lines() {
        piece.push_str(line);
        piece.push('\n');
        let Some((_, expected)) = line.split_once("// → ") else { continue };
        let given = run(session, &piece)?;
        if given != expected.trim() {
            return Err(format!("{line}\ngave {given}"));
        }
        piece.clear();
    }
    if piece.is_empty() { Ok(()) } else { run(session, &piece).map(|_| ()) }
}

#[test]
fn every_example_runs_and_gives_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    std::env::set_current_dir(folder.path()).unwrap();
    std::fs::write("text.txt", "To be, or not to be, that is the question.\n".repeat(8)).unwrap();
    let mut session = session();
    let reference_of = session.names().clone();
    let reference = Reference::of(&reference_of);
    let types = reference.sections.iter().filter_map(|s| Some((s.title.clone(), s.about?.documentation())));
    let entries = reference.entries().map(|e| (e.key(), e.documentation()));
    let (mut ran, mut skipped, mut failed) = (0, 0, Vec::new());
    for (name, doc) in types.chain(entries) {
        for e in doc.examples {
            if !e.runs {
                skipped += 1;
                continue;
            }
            ran += 1;
            if let Err(problem) = example(&mut session, &e.code) {
                failed.push(format!("── {name}\n{}\n{problem}\n", e.code));
            }
        }
    }
    assert!(failed.is_empty(), "{} of {ran} examples failed\n{}", failed.len(), failed.join("\n"));
    assert!(ran > 200, "{ran}");
    assert_eq!(skipped, NOT_RUN, "an example that is not run must be meant");
}

#[test]
fn everything_is_documented() {
    let session = session();
    // These replace functions of the language, whose documentation holds for them.
    let standing_in = ["sort", "dedup"];
    let shows = ["to_string", "to_debug", "print", "debug"];
    let mut engine = rhai::Engine::new_raw();
    let host = minerva_kernel::script::Host::new(Default::default(), false);
    minerva_kernel::script::register(&mut engine, &host);
    let ours = Names::of_ours(&engine);
    let bare: BTreeSet<String> = ours
        .all()
        .filter(|f| f.role != Role::Other && f.doc.is_empty())
        .filter(|f| !shows.contains(&f.name.as_str()))
        .filter(|f| !f.from.is_empty() || !standing_in.contains(&f.name.as_str()))
        .map(|f| format!("{} ({}): no documentation", f.signature(false), f.from))
        .collect();
    assert!(bare.is_empty(), "{bare:#?}");
    let reference = Reference::of(session.names());
    let mut missing = Vec::new();
    for section in &reference.sections {
        if section.about.is_some_and(|f| f.documentation().examples.is_empty()) {
            missing.push(format!("{}: no example", section.title));
        }
        for entry in &section.entries {
            let doc = entry.documentation();
            if doc.text.is_empty() {
                missing.push(format!("{}: nothing is said", entry.key()));
            }
            if doc.examples.is_empty() && entry.role() == Role::Call {
                missing.push(format!("{}: no example", entry.key()));
            }
            let takes_options = entry.overloads.iter().any(|f| f.params.iter().any(|p| p.name == "options"));
            if takes_options && doc.options.iter().all(|o| o.doc.is_empty()) {
                missing.push(format!("{}: its options are in no table", entry.key()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
