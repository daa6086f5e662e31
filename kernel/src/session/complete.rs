//! Completion and inspection: what can stand at the cursor, and what is known of the name there.

use super::types::{Completion, Match, MatchKind};
use super::variables::Variables;
use crate::display::Bundle;
use crate::script::Host;
use crate::script::names::{Function, Names, Role};
use rhai::{Dynamic, Map};

/// The words of the language.
pub const KEYWORDS: &[&str] = &[
    "let", "const", "if", "else", "switch", "while", "loop", "do", "until", "for", "in", "continue", "break", "return",
    "throw", "try", "catch", "fn", "private", "import", "export", "as", "this", "true", "false", "global",
];

/// What can stand at the cursor.
pub fn complete(code: &str, cursor: usize, variables: &Variables, names: &Names) -> Completion {
    let before: Vec<char> = code.chars().take(cursor).collect();
    let end = before.len();
    let start = before.iter().rposition(|c| !is_word(*c)).map_or(0, |n| n + 1);
    let word: String = before.get(start..).unwrap_or_default().iter().collect();
    if let Some(path) = open_string(&before) {
        return paths(&path, end);
    }
    let mut matches = match before.get(start.wrapping_sub(1)) {
        Some('.') if before.get(start.wrapping_sub(2)) != Some(&'.') => {
            let head: String = before.get(..start - 1).unwrap_or_default().iter().collect();
            members(&head, variables, names)
        }
        _ => options(&before, names).unwrap_or_else(|| words(&before, variables, names)),
    };
    matches.retain(|m| m.text.starts_with(&word));
    matches.dedup_by(|a, b| a.text == b.text);
    Completion { start, end, matches }
}

/// What is known about the name at the cursor.
pub fn inspect(code: &str, cursor: usize, variables: &Variables, names: &Names, host: &Host) -> Option<Bundle> {
    let chars: Vec<char> = code.chars().collect();
    let mut at = cursor.min(chars.len());
    if !chars.get(at).copied().is_some_and(is_word) {
        // After a name, or inside the brackets of a call, the name before is meant.
        while at > 0 && !chars.get(at - 1).copied().is_some_and(is_word) {
            at -= 1;
            if chars.get(at) == Some(&'\n') {
                return None;
            }
        }
    }
    let start = chars.get(..at)?.iter().rposition(|c| !is_word(*c)).map_or(0, |n| n + 1);
    let stop = chars.get(at..)?.iter().position(|c| !is_word(*c)).map_or(chars.len(), |n| at + n);
    let word: String = chars.get(start..stop)?.iter().collect();
    let method = start > 0 && chars.get(start - 1) == Some(&'.');
    if !method && let Some(value) = variables.get(&word).filter(|v| !v.is_locked()) {
        let value = value.flatten();
        let bundle = host.bundle(&value);
        let text = format!("{word}: {}\n{}", names.type_of(&value), bundle.plain());
        return Some(Bundle { data: bundle.data, metadata: bundle.metadata }.with("text/plain", text));
    }
    names.about(&word).map(Bundle::text)
}

/// The text of the string that is open at the cursor.
fn open_string(before: &[char]) -> Option<String> {
    let line: String = before.iter().rev().take_while(|c| **c != '\n').collect::<Vec<_>>().into_iter().rev().collect();
    let mut inside: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (&mut inside, c) {
            (Some(text), '\\') => text.extend(chars.next()),
            (Some(_), '"') => inside = None,
            (Some(text), c) => text.push(c),
            (None, '"') => inside = Some(String::new()),
            (None, '/') if chars.clone().next() == Some('/') => return None,
            (None, _) => {}
        }
    }
    inside
}

/// Files and folders that continue a path; folders end in a slash.
fn paths(typed: &str, end: usize) -> Completion {
    let (folder, name) = typed.rsplit_once('/').map_or(("", typed), |(f, n)| (f, n));
    let root = match (typed.starts_with('/'), folder) {
        (true, "") => "/".to_owned(),
        (false, "") => ".".to_owned(),
        (_, folder) => match (folder.strip_prefix('~'), std::env::var("HOME")) {
            (Some(rest), Ok(home)) => format!("{home}{rest}"),
            _ => folder.to_owned(),
        },
    };
    let entries = std::fs::read_dir(root).map(|e| e.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let mut matches: Vec<Match> = entries
        .into_iter()
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let hidden = file.starts_with('.') && !name.starts_with('.');
            if !file.starts_with(name) || hidden {
                return None;
            }
            let slash = if entry.path().is_dir() { "/" } else { "" };
            Some(Match { text: format!("{file}{slash}"), kind: MatchKind::Path, doc: String::new() })
        })
        .collect();
    matches.sort_by(|a, b| a.text.cmp(&b.text));
    Completion { start: end - name.chars().count(), end, matches }
}

/// The options of the function in whose options map `#{…}` a name is being typed. Documentation lists them on a line
/// that reads `options: a, b.`
fn options(before: &[char], names: &Names) -> Option<Vec<Match>> {
    let code = without_strings(before);
    let (map, typed) = open_bracket(&code, '{')?;
    let key_comes = typed.iter().rev().find(|c| !c.is_whitespace() && !is_word(**c)).is_none_or(|c| *c == ',');
    if map.last() != Some(&'#') || !key_comes {
        return None;
    }
    let (call, _) = open_bracket(map, '(')?;
    let name: String = call.iter().rev().take_while(|c| is_word(**c)).collect::<Vec<_>>().into_iter().rev().collect();
    let option = |o: &str| Match { text: o.to_owned(), kind: MatchKind::Option, doc: format!("option of {name}") };
    let out: Vec<Match> = names.options_of(&name).into_iter().map(option).collect();
    Some(out).filter(|o| !o.is_empty())
}

/// The same text with the contents of its quoted strings blank, so that brackets in them do not count.
fn without_strings(text: &[char]) -> Vec<char> {
    let (mut inside, mut escaped) = (false, false);
    let blank = |c: &char| {
        let quote = *c == '"' && !escaped;
        escaped = *c == '\\' && inside && !escaped;
        if quote {
            inside = !inside;
        }
        if inside && !quote { ' ' } else { *c }
    };
    text.iter().map(blank).collect()
}

/// What stands before the innermost open bracket of this kind, and after it.
fn open_bracket(before: &[char], open: char) -> Option<(&[char], &[char])> {
    let mut depth = 0_usize;
    for (at, c) in before.iter().enumerate().rev() {
        match c {
            ')' | ']' | '}' => depth += 1,
            '(' | '[' | '{' if depth > 0 => depth -= 1,
            c if *c == open => return Some((before.get(..at)?, before.get(at + 1..)?)),
            '(' | '[' | '{' => return None,
            _ => {}
        }
    }
    None
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Variables, names the text itself defines, functions and keywords.
fn words(before: &[char], variables: &Variables, names: &Names) -> Vec<Match> {
    let mut out: Vec<Match> = Vec::new();
    for name in variables.names() {
        let doc = variables.get(&name).filter(|v| !v.is_locked()).map(|v| names.type_of(&v.flatten()));
        out.push(Match { text: name, kind: MatchKind::Variable, doc: doc.unwrap_or_default() });
    }
    let text: String = before.iter().collect();
    let parts: Vec<&str> = text.split(|c| !is_word(c)).filter(|w| !w.is_empty()).collect();
    for pair in parts.windows(2) {
        if let ["let" | "const" | "for", name] = pair {
            out.push(Match { text: (*name).to_owned(), kind: MatchKind::Variable, doc: String::new() });
        }
    }
    out.sort_by(|a, b| a.text.cmp(&b.text));
    out.dedup_by(|a, b| a.text == b.text);
    out.extend(named(names.all().filter(|f| f.role == Role::Call), false));
    out.extend(KEYWORDS.iter().map(|k| Match { text: (*k).to_owned(), kind: MatchKind::Keyword, doc: String::new() }));
    out
}

/// What can follow `head.`
fn members(head: &str, variables: &Variables, names: &Names) -> Vec<Match> {
    let Some(value) = value_of(head, variables) else {
        // An expression whose value is not known: every method and property there is.
        let all = names.all().filter(|f| f.role == Role::Getter || (f.role == Role::Call && !f.params.is_empty()));
        return named(all, true);
    };
    let mut out = Vec::new();
    if let Some(map) = value.read_lock::<Map>() {
        for (key, v) in map.iter().filter(|(k, _)| rhai::is_valid_identifier(k)) {
            out.push(Match { text: key.to_string(), kind: MatchKind::Property, doc: names.type_of(v) });
        }
    }
    out.extend(named(names.members(&names.type_of(&value)), true));
    out
}

fn named<'a>(functions: impl Iterator<Item = &'a Function>, method: bool) -> Vec<Match> {
    let mut out: Vec<Match> = Vec::new();
    for f in functions {
        let kind = match (f.role, method) {
            (Role::Getter, _) => MatchKind::Property,
            (_, true) => MatchKind::Method,
            _ => MatchKind::Function,
        };
        if out.last().is_none_or(|last| last.text != f.name) {
            out.push(Match { text: f.name.clone(), kind, doc: f.signature(method && !f.script) });
        }
    }
    out.sort_by(|a, b| (a.kind, &a.text).cmp(&(b.kind, &b.text)));
    out
}

/// The value of `name`, `name.key` or `name.key.key` at the end of `head`, found without running anything.
fn value_of(head: &str, variables: &Variables) -> Option<Dynamic> {
    let tail: String = head.chars().rev().take_while(|c| is_word(*c) || *c == '.').collect();
    let path: String = tail.chars().rev().collect();
    let mut parts = path.split('.');
    let value = variables.get(parts.next()?).filter(|v| !v.is_locked())?;
    parts.try_fold(value.flatten(), |value, key| value.read_lock::<Map>().and_then(|m| m.get(key).cloned()))
}
