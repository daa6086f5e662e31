//! From the language's error to a report: what happened in plain words, each place on the way, the nearest name.

use super::cell_error::{CellError, Frame};
use super::magics;
use super::memory::OutOfMemory;
use super::sources::Sources;
use super::variables::Variables;
use crate::display::plain_type_name;
use crate::rust_cells::Interrupted;
use crate::script::Host;
use crate::script::error::ScriptError;
use crate::script::names::{Names, Role};
use minerva_engine::error::bytes;
use rhai::{EvalAltResult, LexError, ParseErrorType, Position};
use std::path::Path;

/// What is known while an error is explained.
pub struct Context<'a> {
    /// Texts of the cells.
    pub sources: &'a Sources,
    /// Functions.
    pub names: &'a Names,
    /// Notebook variables.
    pub variables: &'a Variables,
    /// For the text of a thrown value.
    pub host: &'a Host,
}

/// Kind and message.
type Said = (&'static str, String);

impl Context<'_> {
    /// The report of an error that ended `cell`.
    pub fn explain(&self, error: EvalAltResult, cell: &str) -> CellError {
        let mut frames = Vec::new();
        let mut source = cell.to_owned();
        let mut error = error;
        loop {
            match error {
                EvalAltResult::ErrorInFunctionCall(name, inside, inner, position) => {
                    let note = match name.starts_with("anon$") {
                        true => "calls a closure".to_owned(),
                        false => format!("calls `{name}`"),
                    };
                    frames.push(self.frame(&source, position, note));
                    if !inside.is_empty() {
                        source = inside;
                    }
                    error = *inner;
                }
                EvalAltResult::ErrorInModule(name, inner, position) => {
                    frames.push(self.frame(&source, position, format!("imports {name:?}")));
                    if !name.is_empty() {
                        source = name;
                    }
                    error = *inner;
                }
                leaf => {
                    let frame = self.frame(&source, leaf.position(), String::new());
                    let (kind, message) = self.leaf(leaf, &frame);
                    frames.push(frame);
                    frames.reverse();
                    return CellError::new(kind, &message, frames);
                }
            }
        }
    }

    fn frame(&self, cell: &str, position: Position, note: String) -> Frame {
        let (line, column) = (position.line().unwrap_or(0), position.position().unwrap_or(0));
        let text = self.sources.line(cell, line).map(str::to_owned);
        let width = text.as_deref().map_or(1, |t| token_width(t, column));
        Frame { cell: cell.to_owned(), line, column, width, source: text.filter(|_| line > 0), note }
    }

    /// The innermost error in plain words. Lines that start with `help: ` are advice.
    fn leaf(&self, error: EvalAltResult, place: &Frame) -> Said {
        use EvalAltResult as E;
        match error {
            E::ErrorParsing(error, _) => match place.source.as_deref().and_then(magics::named) {
                Some((signs, name, _)) if magics::find(signs, name).is_ok() => {
                    ("SyntaxError", format!("`{name}` is a magic here\nhelp: magics stand in the first lines of a cell"))
                }
                _ => self.syntax(&error),
            },
            E::ErrorVariableNotFound(name, _) => self.variable(&name),
            E::ErrorFunctionNotFound(signature, _) => self.function(&signature, place),
            E::ErrorModuleNotFound(name, _) => ("ModuleNotFound", no_module(&name, &place.cell)),
            E::ErrorMismatchDataType(expected, found, _) | E::ErrorMismatchOutputType(expected, found, _) => {
                let (expected, mut found) = (types(&expected), types(&found));
                if found.contains("Arc") || found.contains("RwLock") {
                    found = self.type_at(place).unwrap_or_default();
                }
                ("TypeError", match expected.as_str() {
                    "" => format!("a value of type {found} cannot stand here"),
                    _ if found.is_empty() => format!("expected {expected}"),
                    _ => format!("expected {expected}, found {found}"),
                })
            }
            E::ErrorDotExpr(text, _) => self.property(&text),
            E::ErrorIndexingType(text, _) => ("TypeError", indexing(&text)),
            E::ErrorArrayBounds(length, index, _) => ("IndexError", bounds("the array", "items", length, index)),
            E::ErrorStringBounds(length, index, _) => ("IndexError", bounds("the string", "characters", length, index)),
            E::ErrorBitFieldBounds(length, index, _) => ("IndexError", bounds("the number", "bits", length, index)),
            E::ErrorFor(_) => ("TypeError", "`for` needs something to go through: an array, a range, a map's keys".into()),
            E::ErrorStackOverflow(_) => (
                "StackOverflow",
                "functions call each other too deeply\nhelp: a function that calls itself needs a case in which it does not".into(),
            ),
            E::ErrorTerminated(token, _) if token.read_lock::<OutOfMemory>().is_some() => {
                let left = token.read_lock::<OutOfMemory>().map_or(0, |o| o.0);
                let text = "the script has taken nearly all memory";
                ("MemoryError", format!("{text}: {} are left\nhelp: variables keep their values; free large ones with x = ()", bytes(left)))
            }
            E::ErrorTerminated(token, _) if token.read_lock::<Interrupted>().is_some() => {
                ("Interrupted", token.read_lock::<Interrupted>().map_or(String::new(), |i| i.0.clone()))
            }
            E::ErrorTerminated(..) => ("Interrupted", "stopped on request; variables are as the cell left them".into()),
            E::ErrorDataRace(name, _) => ("VariableInUse", in_use(&name)),
            E::ErrorAssignmentToConstant(name, _) => (
                "AssignmentError",
                format!("`{name}` is a constant and cannot be assigned\nhelp: define it with `let {name} = …`"),
            ),
            E::ErrorRuntime(value, _) => match value.read_lock::<ScriptError>() {
                Some(error) => (error.kind, error.message.clone()),
                None if value.is_unit() => ("RuntimeError", "thrown without a value".into()),
                None => ("RuntimeError", self.host.text(&value)),
            },
            E::ErrorArithmetic(text, _) => ("ArithmeticError", text),
            mut other => {
                other.set_position(Position::NONE);
                ("RuntimeError", other.to_string())
            }
        }
    }

    /// The type of the variable that stands at this place: rhai does not look inside a shared one.
    fn type_at(&self, place: &Frame) -> Option<String> {
        let rest = place.source.as_ref()?.chars().skip(place.column.checked_sub(1)?);
        let name: String = rest.take(place.width).collect();
        let value = self.variables.get(&name).filter(|v| !v.is_locked())?;
        Some(self.names.type_of(&value.flatten()))
    }

    fn variable(&self, name: &str) -> Said {
        let mut text = format!("variable `{name}` not found");
        let calls = self.names.calls(name);
        if let Some(function) = calls.first() {
            text = format!("`{name}` is a function, not a variable\nhelp: call it: {}", function.signature(false));
        } else {
            let known = self.variables.names();
            let functions = self.names.all().filter(|f| f.role == Role::Call).map(|f| f.name.as_str());
            if let Some(near) = nearest(name, known.iter().map(String::as_str).chain(functions)) {
                text.push_str(&format!("\nhelp: did you mean `{near}`?"));
            } else if known.len() > 1 {
                text.push_str(&format!("\nhelp: define it with `let {name} = …`"));
            } else {
                text.push_str(&format!("\nhelp: define it with `let {name} = …`; no cell has defined a variable yet"));
            }
        }
        ("VariableNotFound", text)
    }

    /// `foo (i64, map)`: which functions of that name exist, or the nearest name.
    fn function(&self, signature: &str, place: &Frame) -> Said {
        let (name, arguments) = signature.split_once(" (").unwrap_or((signature, ""));
        let arguments: Vec<String> = split_arguments(arguments.strip_suffix(')').unwrap_or(arguments));
        if !rhai::is_valid_identifier(name) {
            return ("TypeError", operator(name, &arguments));
        }
        let method = called_as_method(place) && !arguments.is_empty();
        let calls = self.names.calls(name);
        if self.variables.get(name).is_some_and(|v| !v.is_locked() && v.is_fnptr()) && calls.is_empty() {
            let help = format!("`{name}` is a variable that holds a function\nhelp: call it with {name}.call(…)");
            return ("FunctionNotFound", help);
        }
        let receiver = arguments.first().map(String::as_str).unwrap_or_default();
        if calls.is_empty() {
            let mut text = match method {
                true => format!("{receiver} has no method `{name}`"),
                false => format!("function `{name}` not found"),
            };
            let near = match method {
                true => nearest(name, self.names.members(receiver).map(|f| f.name.as_str())),
                false => nearest(name, self.names.all().filter(|f| f.role == Role::Call).map(|f| f.name.as_str())),
            };
            match near {
                Some(near) => text.push_str(&format!("\nhelp: did you mean `{near}`?")),
                None if method => text.push_str(&self.members(receiver)),
                None => {}
            }
            return ("FunctionNotFound", text);
        }
        let shown: Vec<&str> = arguments.iter().skip(usize::from(method)).map(String::as_str).collect();
        let mut text = match (method, shown.is_empty()) {
            (true, true) => format!("{receiver} has no method `{name}` without arguments"),
            (true, false) => format!("{receiver} has no method `{name}` that takes ({})", shown.join(", ")),
            (false, true) => format!("`{name}` cannot be called without arguments"),
            (false, false) => format!("`{name}` cannot be called with ({})", shown.join(", ")),
        };
        let fitting: Vec<_> = calls.iter().filter(|f| !method || f.takes(receiver)).collect();
        let (list, as_method) = if fitting.is_empty() { (calls.iter().collect(), false) } else { (fitting, method) };
        const MOST: usize = 6;
        for function in list.iter().take(MOST) {
            let object = if as_method { "." } else { "" };
            text.push_str(&format!("\nhelp: there is {object}{}", function.signature(as_method && !function.script)));
        }
        if list.len() > MOST {
            text.push_str(&format!("\nhelp: and {} more", list.len() - MOST));
        }
        ("FunctionNotFound", text)
    }

    /// The names that can follow a value of this type, as advice.
    fn members(&self, receiver: &str) -> String {
        let mut names: Vec<&str> = self.names.members(receiver).map(|f| f.name.as_str()).collect();
        names.dedup();
        match names.len() {
            0 => String::new(),
            1..=24 => format!("\nhelp: it has {}", names.join(", ")),
            n => format!("\nhelp: it has {n} methods and properties; press Tab after the point to see them"),
        }
    }

    /// rhai says: `Unknown property 'foo' - a getter is not registered for type 'Tensor'`.
    fn property(&self, text: &str) -> Said {
        let mut quoted = text.split('\'').skip(1).step_by(2);
        let (Some(name), Some(kind)) = (quoted.next(), quoted.next()) else { return ("RuntimeError", text.to_owned()) };
        let kind = plain_type_name(kind);
        let writing = text.contains("setter");
        let mut said = match writing {
            true => format!("property `{name}` of {kind} cannot be set"),
            false => format!("{kind} has no property `{name}`"),
        };
        let members: Vec<_> = self.names.members(kind).collect();
        if let Some(method) = members.iter().find(|f| f.name == name && f.role == Role::Call) {
            said.push_str(&format!("\nhelp: it is a method: .{}", method.signature(true)));
        } else if let Some(near) = nearest(name, members.iter().map(|f| f.name.as_str())) {
            said.push_str(&format!("\nhelp: did you mean `{near}`?"));
        } else if !writing {
            said.push_str(&self.members(kind));
        }
        ("PropertyNotFound", said)
    }

    fn syntax(&self, error: &ParseErrorType) -> Said {
        use ParseErrorType as P;
        let text = match error {
            P::UnexpectedEOF => "the text ends too early\nhelp: something opened is not closed".into(),
            P::BadInput(LexError::UnterminatedString) => {
                "a string is not closed\nhelp: text over several lines stands in backticks: `…`".into()
            }
            P::BadInput(LexError::UnexpectedInput(s)) => format!("unexpected `{s}`"),
            P::BadInput(e) => sentence(&e.to_string()),
            P::UnknownOperator(s) => format!("unknown operator `{s}`"),
            P::MissingToken(token, what) => format!("expected `{token}` {what}"),
            P::Reserved(s) => format!("`{s}` is a reserved word and cannot be a name"),
            P::AssignmentToConstant(s) => format!("`{s}` is a constant and cannot be assigned"),
            P::MismatchedType(expected, found) => format!("expected {}, found {}", types(expected), types(found)),
            P::ExprTooDeep => "the expression is nested too deeply\nhelp: split it with `let`".into(),
            P::LoopBreak => "`break` and `continue` stand inside loops".into(),
            other => sentence(&other.to_string()),
        };
        ("SyntaxError", text)
    }
}

/// The nearest name; of one or two letters only when it differs in case alone, since every letter is near every other.
fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
    if name.chars().count() < 3 {
        return known.into_iter().find(|k| k.eq_ignore_ascii_case(name)).map(str::to_owned);
    }
    minerva_engine::error::nearest(name, known)
}

/// The first letter small, as the other messages have it.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_lowercase().chain(chars).collect())
}

fn types(text: &str) -> String {
    text.split('|').map(|t| plain_type_name(t.trim())).fold(String::new(), |all, t| match all {
        _ if all.is_empty() => t.to_owned(),
        _ if all.split(" or ").any(|known| known == t) => all,
        _ => format!("{all} or {t}"),
    })
}

/// Splits `i64, &str | ImmutableString | String, map` into plain names.
fn split_arguments(text: &str) -> Vec<String> {
    let text = text.trim();
    if text.is_empty() { Vec::new() } else { text.split(", ").map(types).collect() }
}

fn operator(name: &str, arguments: &[String]) -> String {
    match arguments {
        [one] => format!("operator `{name}` is not defined for {one}"),
        [left, right] => format!("operator `{name}` is not defined for {left} and {right}"),
        _ => format!("`{name}` is not defined for ({})", arguments.join(", ")),
    }
}

/// rhai says `Tensor [string]`, the value's type and the index's.
fn indexing(text: &str) -> String {
    match text.trim_end_matches(']').split_once('[') {
        Some((value, "")) => format!("a value of type {} has no items to index", plain_type_name(value)),
        Some((value, index)) => {
            let value = plain_type_name(value.trim());
            format!(
                "a value of type {value} cannot be indexed with {}",
                types(index.split(']').next().unwrap_or(index))
            )
        }
        None => format!("a value of type {} cannot be indexed", plain_type_name(text)),
    }
}

/// `import` looks for a file beside the text that imports it; a cell stands where the session runs.
fn no_module(name: &str, importing: &str) -> String {
    let folder = Path::new(importing).parent().unwrap_or(Path::new(""));
    let file = folder.join(Path::new(name).with_extension("rhai"));
    let file = std::path::absolute(&file).unwrap_or(file);
    format!(
        "module `{name}` not found\nhelp: there is no file {}; give another path, as in import \"folder/name\" as name\nhelp: in a notebook %load puts the text of a file into a cell",
        file.display()
    )
}

fn bounds(what: &str, items: &str, length: usize, index: i64) -> String {
    match length {
        0 => format!("index {index} is out of range: {what} is empty"),
        n => format!("index {index} is out of range: {what} has {n} {items}, 0 to {} or -1 to -{n}", n - 1),
    }
}

fn in_use(name: &str) -> String {
    match rhai::is_valid_identifier(name) {
        true => format!(
            "`{name}` is in use by the method that is running on it\nhelp: work on a copy: let copy = {name}; then use `copy` inside the function"
        ),
        false => format!(
            "{}\nhelp: a function inside this call uses the variable that the call runs on; copy that first (let copy = m;) and use the copy inside",
            sentence(name)
        ),
    }
}

/// Whether the name at this place stands after a point.
fn called_as_method(place: &Frame) -> bool {
    let Some(source) = &place.source else { return false };
    let before: Vec<char> = source.chars().take(place.column.saturating_sub(1)).collect();
    let at = source.chars().nth(place.column.saturating_sub(1));
    at == Some('.') || before.iter().rev().find(|c| !c.is_whitespace()) == Some(&'.')
}

/// How many characters the name, number or string at this column has.
fn token_width(line: &str, column: usize) -> usize {
    let rest: Vec<char> = line.chars().skip(column.saturating_sub(1)).collect();
    let word = rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
    match rest.first() {
        Some('"') => rest.iter().skip(1).position(|c| *c == '"').map_or(1, |n| n + 2),
        _ => word.max(1),
    }
}
