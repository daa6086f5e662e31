//! What is known of a name: of a value what it is and holds, of a function how it is called and what it does.

use super::Session;
use super::complete::{Before, Known, known};
use super::magics;
use super::types::Detail;
use crate::display::{Bundle, escape_html};
use crate::script::help;
use crate::script::names::{Names, Role};
use crate::script::reference::{Reference, wrapped};
use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map};

/// What is known of the name at the cursor, which is counted in characters: the name it stands in or after, or the call
/// whose brackets it stands in.
pub fn inspect(code: &str, cursor: usize, session: &Session, detail: Detail) -> Option<Bundle> {
    let all: Vec<char> = code.chars().collect();
    let mut end = cursor.min(all.len());
    while all.get(end).copied().is_some_and(super::lexer::is_word) {
        end += 1;
    }
    if let Some(bundle) = magic(&all, end) {
        return Some(bundle);
    }
    let before = Before::new(code, end);
    let (at, word) = before.typed();
    if !word.is_empty() {
        return named(&before, at, &word, session, detail);
    }
    // Inside the brackets of a call the call is meant; after a value, the value.
    let call = before.call(before.pieces.len().saturating_sub(usize::from(before.open_string().is_some())));
    if let Some(call) = call {
        let name = before.word(call.name)?;
        return named(&before, call.name, &name, session, detail);
    }
    let last = before.pieces.iter().rposition(|p| p.kind == super::lexer::Kind::Word)?;
    let same_line = !before.chars.get(before.pieces.get(last)?.end..)?.contains(&'\n');
    same_line.then(|| before.word(last)).flatten().and_then(|name| named(&before, last, &name, session, detail))
}

/// What is known of `name`, `value.name`, `%magic`, for `name?`.
pub fn about(name: &str, session: &Session, detail: Detail) -> Option<Bundle> {
    inspect(name, name.chars().count(), session, detail)
}

fn magic(all: &[char], end: usize) -> Option<Bundle> {
    let line_start = all.get(..end)?.iter().rposition(|c| *c == '\n').map_or(0, |n| n + 1);
    let line: String = all.get(line_start..end)?.iter().collect();
    let word = line.trim_start().strip_prefix('%')?.trim_start_matches('%');
    magics::about(word)
}

fn named(before: &Before, at: usize, name: &str, session: &Session, detail: Detail) -> Option<Bundle> {
    let names = session.names();
    if at > 0 && before.is(at - 1, '.') {
        let receiver = known(before, at - 1, &session.variables, names);
        if let Some(Known::Value(value)) = &receiver
            && let Some(map) = value.read_lock::<Map>()
            && let Some(inner) = map.get(name)
        {
            return Some(of_value(name, inner, session, detail));
        }
        let kind = receiver.map(|r| r.kind(names));
        let exact = kind.and_then(|kind| help::about(names, &format!("{kind}.{name}")));
        return exact.or_else(|| help::about(names, name));
    }
    if let Some(value) = session.variables.get(name) {
        if value.is_locked() {
            return Some(Bundle::text(format!("{name}: in use by what runs now")));
        }
        return Some(of_value(name, &value.flatten(), session, detail));
    }
    let said = help::about(names, name)?;
    let sources = session.sources.functions(name);
    Some(if sources.is_empty() { said } else { with_source(said, &sources) })
}

/// A function of a cell is short, and its text says most.
fn with_source(said: Bundle, sources: &[&str]) -> Bundle {
    let text = format!("{}\n\n{}", said.plain(), sources.join("\n\n"));
    let markdown = said.data.get("text/markdown").and_then(|v| v.as_str()).unwrap_or_default();
    let markdown = format!("{markdown}\n\n```rhai\n{}\n```", sources.join("\n\n"));
    Bundle::markdown(markdown).with("text/plain", text)
}

fn of_value(name: &str, value: &Dynamic, session: &Session, detail: Detail) -> Bundle {
    let names = session.names();
    let kind = names.type_of(value);
    let size = size(value).map(|s| format!(", {s}")).unwrap_or_default();
    let head = format!("{name}: {kind}{size}");
    let shown = session.host.bundle(value);
    let mut text = format!("{head}\n{}", shown.plain());
    let mut html = shown
        .data
        .get("text/html")
        .and_then(|v| v.as_str())
        .map(|h| format!("<div><code>{}</code></div>{h}", escape_html(&head)));
    if let Some(function) = value.read_lock::<FnPtr>() {
        let sources = session.sources.functions(function.fn_name());
        text = format!("{head}\n{}", if sources.is_empty() { shown.plain().to_owned() } else { sources.join("\n\n") });
    }
    if detail == Detail::More {
        let can = abilities(&kind, names);
        text.push_str(&format!("\n\n{can}"));
        html = html.map(|h| format!("{h}<pre>{}</pre>", escape_html(&can)));
    }
    match html {
        Some(html) => Bundle::html(html, text),
        None => Bundle::text(text),
    }
}

fn size(value: &Dynamic) -> Option<String> {
    let many = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    if let Some(array) = value.read_lock::<Array>() {
        return Some(many(array.len(), "item"));
    }
    if let Some(map) = value.read_lock::<Map>() {
        return Some(match map.len() {
            1 => "1 entry".to_owned(),
            n => format!("{n} entries"),
        });
    }
    value.read_lock::<ImmutableString>().map(|s| many(s.chars().count(), "character"))
}

/// What a type is and what can follow its values.
fn abilities(kind: &str, names: &Names) -> String {
    let reference = Reference::of(names);
    let about = reference.section(kind).and_then(|s| s.about).map(|f| f.documentation().text);
    let mut members: Vec<&str> =
        names.members(kind).filter(|f| f.role != Role::Other && !f.script).map(|f| f.name.as_str()).collect();
    members.dedup();
    let list = wrapped(&members.join(", "), "  ");
    match about {
        Some(about) => format!("{}\n\nIt has\n{list}", wrapped(&about, "")),
        None => format!("It has\n{list}"),
    }
}
