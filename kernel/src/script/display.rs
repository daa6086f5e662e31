//! `display` and what follows from it: a place on the screen that a script can show something else in.

use super::error::{ScriptResult, raise_text};
use super::{Host, SessionEvent, define, define_type, property};
use rhai::{Dynamic, Engine};

/// A place where something is shown. As the value of a cell it shows nothing: it is on the screen already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Display {
    id: String,
}

/// Registers the functions of this file.
pub fn register(engine: &mut Engine, host: &Host) {
    let about = "A place where something is shown, and where a script can show something else.";
    define_type::<Display>(engine, "Display", about, "let d = display(1);\nd.update(2);");
    for name in ["to_string", "to_debug", "print", "debug"] {
        engine.register_fn(name, |d: &mut Display| format!("display {:?}", d.id));
    }
    property("id", &["d: Display", "string"], "The name of the place.")
        .register_into_engine(engine, |d: &mut Display| d.id.clone());
    let h = host.clone();
    let doc = "Shows a value now: a table, a tensor, a chart, HTML or plain text. What it returns can show another \
               value in the same place: `let d = display(1); d.update(2);`";
    define("display", &["value", "Display"], doc)
        .example("display([#{ name: \"a\", n: 1 }, #{ name: \"b\", n: 2 }]);")
        .register_into_engine(engine, move |value: Dynamic| {
            let id = uuid::Uuid::new_v4().simple().to_string();
            show(&h, &value, &id, false);
            Display { id }
        });
    let h = host.clone();
    let doc = "Shows a value under a name; another value that the same cell shows under that name replaces it.";
    define("display", &["value", "id: string", "Display"], doc)
        .example("for i in 0..3 { display(`step ${i}`, \"counter\"); }")
        .register_into_engine(engine, move |value: Dynamic, id: &str| -> ScriptResult<Display> {
            if id.is_empty() {
                return Err(raise_text("ArgumentError", "display: the name is empty\nhelp: display(value) needs none"));
            }
            show(&h, &value, id, h.shown_before(id));
            Ok(Display { id: id.to_owned() })
        });
    let h = host.clone();
    let doc = "Shows another value in the place of the first, wherever that was shown, also from a later cell.";
    define("update", &["display: Display", "value"], doc)
        .example("let d = display(1);\nd.update(2);")
        .register_into_engine(engine, move |d: &mut Display, value: Dynamic| show(&h, &value, &d.id, true));
    let h = host.clone();
    let doc = "Writes text to stdout as it is: no line end is added, and `\\r` goes back to the beginning of the line.";
    define("write", &["text: string"], doc)
        .example("for i in 0..3 { write(`${i} `); }")
        .register_into_engine(engine, move |text: &str| h.emit(SessionEvent::Stdout(text.to_owned())));
    let h = host.clone();
    let doc = "Clears what this cell has shown so far. A terminal clears what is still in its window, as far as that is \
               known; a file or a pipe keeps all.";
    define("clear_output", &[], doc)
        .example("print(\"soon gone\");\nclear_output();")
        .register_into_engine(engine, move || h.emit(SessionEvent::ClearOutput { wait: false }));
    let h = host.clone();
    let doc =
        "Clears what this cell has shown so far; with `true`, when the next output comes, so that nothing flickers.";
    define("clear_output", &["wait: bool"], doc)
        .register_into_engine(engine, move |wait: bool| h.emit(SessionEvent::ClearOutput { wait }));
}

fn show(host: &Host, value: &Dynamic, id: &str, update: bool) {
    host.emit(SessionEvent::Display { bundle: host.bundle(value), display_id: Some(id.to_owned()), update });
}
