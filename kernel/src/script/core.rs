//! What every script has: printing, showing, progress, time, the way out.

use super::error::{ScriptResult, raise_text};
use super::{Host, define, define_type};
use crate::display::{Bundle, Table, type_name};
use rhai::{Array, Dynamic, Engine, EvalAltResult, Position};

/// Token of the termination that `exit(code)` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitCode(pub i32);

/// A bundle as a script value: what `html(…)` and `markdown(…)` return, for the end of a cell or `display(…)`.
#[derive(Debug, Clone)]
pub struct Shown(pub Bundle);

/// Registers the functions of this file.
pub fn register(engine: &mut Engine, host: &Host) {
    super::error::register(engine);
    let doc = "Something to look at: HTML, Markdown or a table, shown at the end of a cell or by display.";
    define_type::<Shown>(engine, "Shown", doc, "let shown = markdown(\"**bold**\");\ndisplay(shown);");
    host.shows::<Shown>(engine, |shown| shown.0.clone());
    printing(engine, host);
    showing(engine, host);
    leaving(engine);
}

/// `print` takes any number of values up to six, as people expect of it.
fn printing(engine: &mut Engine, host: &Host) {
    let doc = "Writes values to stdout, separated by spaces, and ends the line.";
    let h = host.clone();
    define("print", &["value"], doc)
        .example("print(\"loss\", 0.25);")
        .register_into_engine(engine, move |a: Dynamic| h.text(&a));
    let h = host.clone();
    let join = move |values: &[Dynamic]| values.iter().map(|v| h.text(v)).collect::<Vec<_>>().join(" ");
    let j = join.clone();
    define("print", &["a", "b"], doc).register_into_engine(engine, move |a: Dynamic, b: Dynamic| j(&[a, b]));
    let j = join.clone();
    let three = move |a: Dynamic, b: Dynamic, c: Dynamic| j(&[a, b, c]);
    define("print", &["a", "b", "c"], doc).register_into_engine(engine, three);
    let j = join.clone();
    let four = move |a: Dynamic, b: Dynamic, c: Dynamic, d: Dynamic| j(&[a, b, c, d]);
    define("print", &["a", "b", "c", "d"], doc).register_into_engine(engine, four);
    let j = join.clone();
    let five = move |a: Dynamic, b: Dynamic, c: Dynamic, d: Dynamic, e: Dynamic| j(&[a, b, c, d, e]);
    define("print", &["a", "b", "c", "d", "e"], doc).register_into_engine(engine, five);
    let six = move |a: Dynamic, b: Dynamic, c: Dynamic, d: Dynamic, e: Dynamic, f: Dynamic| join(&[a, b, c, d, e, f]);
    define("print", &["a", "b", "c", "d", "e", "f"], doc).register_into_engine(engine, six);
}

fn showing(engine: &mut Engine, host: &Host) {
    define("html", &["source: string", "Shown"], "HTML to show: the value of a cell, or an argument of display.")
        .example("html(\"<b>bold</b>\")")
        .register_into_engine(engine, |source: &str| Shown(Bundle::html(source, source)));
    define(
        "markdown",
        &["source: string", "Shown"],
        "Markdown to show: the value of a cell, or an argument of display.",
    )
    .example("markdown(\"**bold** and `code`\")")
    .register_into_engine(engine, |source: &str| Shown(Bundle::markdown(source)));
    let h = host.clone();
    let doc = "Rows, each a map, as a table with these columns in this order.";
    define("table", &["rows: array", "columns: array", "Shown"], doc)
        .example("table([#{ n: 1, name: \"a\" }], [\"name\", \"n\"])")
        .register_into_engine(engine, move |rows: Array, columns: Array| -> ScriptResult<Shown> {
            let columns: Vec<String> = columns.iter().map(|c| h.text(c)).collect();
            let table = Table::from_rows(&rows, columns, &|v| h.text(v));
            let wrong = || raise_text("ArgumentError", "table: every row must be a map, as in [#{name: \"a\", n: 1}]");
            table.map(|t| Shown(t.bundle())).ok_or_else(wrong)
        });
}

fn leaving(engine: &mut Engine) {
    let leave = |code: i32| -> ScriptResult<()> {
        Err(Box::new(EvalAltResult::ErrorTerminated(Dynamic::from(ExitCode(code)), Position::NONE)))
    };
    define("exit", &[], "Ends the script.").example("exit();").register_into_engine(engine, move || leave(0));
    let doc = "Ends the script; the code, from 0 to 255, is what the shell sees.";
    // Of any type: the language has an `exit` of its own for those that are not taken here.
    define("exit", &["code: int"], doc)
        .example("if !file_exists(\"text.txt\") { exit(1); }")
        .register_into_engine(engine, move |code: Dynamic| -> ScriptResult<()> { leave(exit_code(&code)?) });
}

/// The code of `exit(code)`.
fn exit_code(code: &Dynamic) -> ScriptResult<i32> {
    if let Some(code) = code.as_int().ok().and_then(|code| u8::try_from(code).ok()) {
        return Ok(i32::from(code));
    }
    let found = match code.read_lock::<rhai::ImmutableString>() {
        Some(text) => format!("the string {:?}", text.as_str()),
        None if code.is_int() => code.to_string(),
        None => format!("a value of type {}", type_name(code)),
    };
    let help = "help: 0 says that all went well; print a message before";
    Err(raise_text("ArgumentError", format!("exit: expected a whole number from 0 to 255, found {found}\n{help}")))
}
