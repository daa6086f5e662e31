//! What magics do, and where they may stand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{last_question, parse, question, refuse};
use crate::session::tests::Notebook;
use crate::session::{Completeness, Session, SessionEvent, SessionOptions};

#[test]
fn time_is_measured_and_the_value_stays() {
    let mut n = Notebook::new();
    assert_eq!(n.ok("%time 40 + 2"), "42");
    assert!(n.stdout().starts_with("wall time: "), "{}", n.stdout());
    assert_eq!(n.ok("%time let x = 5;"), "");
    assert_eq!(n.ok("%%time\nlet y = x * 2;\ny + 1"), "11");
    assert!(n.stdout().starts_with("wall time: "));
    assert_eq!(n.ok("\n// first\n%time x\nlet z = 7;\nz"), "7");
    assert_eq!(n.err("%time").ename, "ArgumentError");
    assert!(n.err("%time missing(1)").to_string().contains("In[6]:1:7"), "the column is that of the cell");
    assert!(n.stdout().starts_with("wall time: "), "also of what failed");
}

#[test]
fn time_begins_a_line_of_its_own() {
    let mut n = Notebook::new();
    n.ok("%time write(\"open\")");
    assert!(n.stdout().starts_with("open\nwall time: "), "{}", n.stdout());
    n.ok("%%time\nprint(\"whole\");");
    assert!(n.stdout().starts_with("whole\nwall time: "), "{}", n.stdout());
}

#[test]
fn what_stands_beside_a_cell_magic_is_not_dropped() {
    let mut n = Notebook::new();
    let e = n.err("%%time 5 + 5").to_string();
    assert!(e.contains("found `5 + 5` beside it") && e.contains("%time 5 + 5 runs that line"), "{e}");
    assert!(n.err("%%html <b>\n<i>").to_string().contains("found `<b>`"));
}

#[test]
fn a_question_may_end_a_cell() {
    let mut n = Notebook::new();
    let said = n.ok("let asked = [1, 2];\n1 + 1\nasked?\n");
    assert!(said.starts_with("asked: array, 2 items"), "{said}");
    assert!(n.ok("%time let b = 1;\n?generate").contains("temperature"));
    assert_eq!(n.err("let c = ;\nasked?").frames[0].line, 1);
    n.err("asked?\n1");
    assert_eq!(n.outcome("exit(3)\nasked?").exit, Some(3));
    assert_eq!(last_question("let a = 1;\na"), None);
    assert_eq!(last_question("// why?"), None);
    let of = |code: &str| n.session.is_complete(code);
    assert_eq!(of("let a = 1;\na?"), Completeness::Complete);
    assert_eq!(of("fn f() {\na?"), Completeness::Incomplete { indent: " ".repeat(4) });
}

#[test]
fn places_in_errors_stay_right() {
    let mut n = Notebook::new();
    let e = n.err("%%time\n\nlet a = 1;\n  missing(a)");
    assert_eq!((e.frames[0].line, e.frames[0].column), (4, 3), "{e}");
    assert_eq!(e.frames[0].source.as_deref(), Some("  missing(a)"));
    let e = n.err("%vars\n%time 1\nlet b = ;");
    assert_eq!((e.ename.as_str(), e.frames[0].line), ("SyntaxError", 3), "{e}");
    n.ok("%%time\nfn late(x) {\n    x % 0\n}");
    let e = n.err("late(1)");
    assert_eq!((e.frames[0].cell.as_str(), e.frames[0].line), ("In[3]", 3), "{e}");
}

#[test]
fn variables_are_listed_and_reset() {
    let mut n = Notebook::new();
    n.ok(
        "let number = 5; const WORD = \"abc\"; let many = []; many.pad(500, 0); fn f() { 1 } let m = load(\"sample\");",
    );
    let list = n.ok("%vars");
    assert!(
        list.contains("number") && list.contains("int") && list.contains("\"abc\"") && list.contains("Model"),
        "{list}"
    );
    n.ok("%reset");
    assert_eq!(n.ok("%vars"), "no variables");
    assert_eq!(n.err("number").ename, "VariableNotFound");
    assert_eq!(n.err("f()").ename, "FunctionNotFound");
    assert!(!n.ok("help()").contains("Defined in cells"));
    assert_eq!(n.ok("let number = 6; fn f() { number } f()"), "6");
    assert_eq!(n.ok("load(\"sample\").name"), "\"sample\"");
    // A model is gone with its variable: a second handle to the same one is not.
    assert_eq!(n.ok("%vars\n1"), "1");
}

#[test]
fn a_file_becomes_the_next_cell() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.rhai");
    std::fs::write(&path, "let a = 1;\na").unwrap();
    let mut n = Notebook::new();
    let outcome = n.outcome(&format!("%load {}", path.display()));
    assert_eq!(outcome.next_input.as_deref(), Some("let a = 1;\na"));
    assert!(outcome.result.unwrap().is_none());
    assert_eq!(n.outcome("1").next_input, None);
    assert_eq!(n.err("%load no/such/file").ename, "IoError");
    let e = n.err(&format!("%load {}", folder.path().join("scrpt.rhai").display())).to_string();
    assert!(e.contains("expected the name of a file, found nothing at") && e.contains("script.rhai?"), "{e}");
    let e = n.err(&format!("%load {}", folder.path().join("no/such/file").display())).to_string();
    assert!(e.contains(&format!("the nearest folder that exists is {}", folder.path().display())), "{e}");
    assert!(n.err(&format!("%load {}", folder.path().display())).to_string().contains("found the folder"));
    assert_eq!(n.err("%load").ename, "ArgumentError");
}

#[test]
fn cells_of_other_languages_are_shown() {
    let mut n = Notebook::new();
    let shown = |n: &Notebook, mime: &str| {
        let events = n.events.lock().unwrap();
        let Some(SessionEvent::Display { bundle, .. }) = events.first() else { panic!("{events:?}") };
        bundle.data[mime].as_str().unwrap().to_owned()
    };
    n.ok("%%html\n<b>let x = </b>\n%time");
    assert_eq!(shown(&n, "text/html"), "<b>let x = </b>\n%time");
    n.ok("%%markdown\n# Title\n");
    assert_eq!(shown(&n, "text/markdown"), "# Title");
    assert!(n.ok("%help").contains("%%markdown"));
    assert!(n.ok("%help generate").contains("temperature") && n.ok("%help time").contains("%%time"));
    assert!(n.err("%help nothing_such").evalue.contains("nothing is known"));
    assert!(n.ok("%time?").contains("Runs an expression") && n.ok("?%%html").contains("HTML"));
}

#[test]
fn an_unknown_magic_names_the_nearest() {
    let mut n = Notebook::new();
    let e = n.err("%tiem 1");
    assert_eq!(e.ename, "MagicNotFound");
    assert!(e.to_string().contains("did you mean %time expression?") && e.to_string().contains("^^^^^"), "{e}");
    assert!(n.err("%html").to_string().contains("it is written %%html"));
    assert!(n.err("%%vars").to_string().contains("it is written %vars"));
    assert!(n.err("%%zzzzzz\n1").to_string().contains("%help lists"));
    let e = n.err("let a = 1;\n%time a");
    assert!(e.to_string().contains("first lines of a cell"), "{e}");
    // A remainder is no magic.
    assert_eq!(n.ok("let a = 7;\na\n  % 4"), "3");
}

#[test]
fn scripts_have_no_magics() {
    let e = refuse("// a script\n%time f()\n", "file.rhai").unwrap();
    assert!(e.to_string().contains("file.rhai:2:1") && e.to_string().contains("`%time` is a magic"), "{e}");
    assert!(refuse("%%html\n<b>", "file.rhai").is_some());
    assert!(refuse("let a = 5 % 3;", "file.rhai").is_none());
}

#[test]
fn is_complete_knows_magics() {
    let session = Session::new(SessionOptions::default());
    let of = |code: &str| session.is_complete(code);
    for whole in
        ["%vars", "%time 1 + 1", "%%time\nlet x = 1;", "%%html\n<b>\n", "x?", "?x", "m.generate??", "%vars\nlet x = 1;"]
    {
        assert_eq!(of(whole), Completeness::Complete, "{whole:?}");
    }
    let open = |indent: usize| Completeness::Incomplete { indent: " ".repeat(indent) };
    assert_eq!(of("%%time"), open(0));
    assert_eq!(of("%%time\nfn f() {"), open(4));
    assert_eq!(of("%%html\n<b>"), open(0));
    assert_eq!(of("%vars\nfn f() {"), open(4));
    assert_eq!(of("%vars\nlet 1 = 2;"), Completeness::Invalid);
}

#[test]
fn questions_and_percent_signs_are_told_from_code() {
    assert_eq!(question("name?"), Some(("name", false)));
    assert_eq!(question(" ?m.generate "), Some(("m.generate", false)));
    assert_eq!(question("name??"), Some(("name", true)));
    for no in ["name", "a + b?", "?", "???a", "\"what?\"", "a?b"] {
        assert_eq!(question(no), None, "{no}");
    }
    for no in ["", "a % b", "% 5", "%", "%%", "%%%x", "\n\nlet x = 1;\n%time x", "%1"] {
        assert_eq!(parse(no), None, "{no:?}");
    }
}
