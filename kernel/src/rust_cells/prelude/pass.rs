//! The ways between a cell and the kernel: files for what goes in and out, marked lines for what is told.

use super::json;
use super::tensor;
use super::{FromScript, ToScript, Value};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Starts a line, or the rest of one, that is for the kernel.
const MARK: &str = "\u{1}minerva ";
/// Ends a line that the program has not ended.
const OPEN: &str = "\u{1}";

/// Says that the cell runs now: until here an interrupt ends the compiler and loses nothing. Panics are told to the kernel,
/// which knows the cell and the line; nothing is printed.
pub fn start() {
    say(&format!("{MARK}started"));
    // The thread that runs the cell has no name here: it was started by another copy of the standard library.
    let cell = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".into());
        let (file, line, column) = info.location().map_or(("", 0, 0), |l| (l.file(), l.line(), l.column()));
        let own = file == "src/lib.rs";
        let main = std::thread::current().id() == cell;
        let mut out =
            format!("{MARK}panicked {{\"own\":{own},\"main\":{main},\"line\":{line},\"column\":{column},\"message\":");
        json::quote(&text, &mut out);
        say(&(out + "}"));
    }));
}

/// What was printed last is shown, though its line is not ended.
pub fn flush() {
    say(OPEN);
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn read(text: &str, tensors: &str) -> Result<Value, String> {
    let mut tensors = if tensors.is_empty() { Vec::new() } else { tensor::read(tensors)? };
    json::parse(text, &mut tensors)
}

fn write(value: &Value, tensors: &str) -> Result<String, String> {
    let (mut text, mut found) = (String::new(), Vec::new());
    json::write(value, &mut text, &mut found);
    if !found.is_empty() {
        tensor::write(tensors, &found)?;
    }
    Ok(text)
}

/// The value of a `--in`. A path without tensors is empty.
#[expect(clippy::panic, reason = "this runs in the cell, and a panic is how a cell fails")]
pub fn input<T: FromScript>(name: &str, path: &str, tensors: &str) -> T {
    let value = std::fs::read_to_string(path).map_err(|e| e.to_string()).and_then(|text| read(&text, tensors));
    match value.and_then(T::from_script) {
        Ok(value) => value,
        Err(e) => panic!("--in {name}: {e}"),
    }
}

/// Takes a `--out` out of the cell.
#[expect(clippy::panic, reason = "this runs in the cell, and a panic is how a cell fails")]
pub fn output<T: ToScript + ?Sized>(name: &str, value: &T, path: &str, tensors: &str) {
    let text = value.to_script().and_then(|value| write(&value, tensors));
    if let Err(e) = text.and_then(|text| std::fs::write(path, text).map_err(|e| e.to_string())) {
        panic!("--out {name}: {e}");
    }
}

/// The arguments of a call, in order.
pub struct Arguments(std::vec::IntoIter<Value>);

impl Arguments {
    /// The next one.
    pub fn take<T: FromScript>(&mut self, name: &str) -> Result<T, String> {
        T::from_script(self.0.next().unwrap_or_default()).map_err(|e| format!("{name}: {e}"))
    }
}

/// A function that scripts call: its name, and how.
pub type Function = (&'static str, fn(&mut Arguments) -> Result<Value, String>);

/// Answers calls until the kernel has something else to run.
pub fn serve(functions: &[Function]) {
    loop {
        say(OPEN);
        say("EVCXR_INPUT_REQUEST:minerva");
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).unwrap_or(0) == 0 || line.trim() == "done" {
            return;
        }
        let answer = catch_unwind(AssertUnwindSafe(|| call(functions, &line)));
        let mut out = String::new();
        let kind = match answer {
            Ok(Ok(text)) => {
                out = text;
                "value"
            }
            Ok(Err(e)) => {
                json::quote(&e, &mut out);
                "error"
            }
            Err(_) => {
                out.push_str("null");
                "panic"
            }
        };
        say(OPEN);
        say(&format!("{MARK}{kind} {out}"));
    }
}

fn call(functions: &[Function], request: &str) -> Result<String, String> {
    let request = json::parse(request, &mut [])?;
    let text = |key: &str| request.get(key).and_then(Value::as_str).unwrap_or_default();
    let name = text("name");
    let function = functions.iter().find(|(n, _)| *n == name).ok_or_else(|| format!("no function {name}"))?.1;
    let Value::Array(arguments) = read(text("arguments"), text("tensors"))? else {
        return Err("arguments are an array".into());
    };
    write(&function(&mut Arguments(arguments.into_iter()))?, text("answer"))
}
