//! Names of the language: variables, functions, methods, options, magics.

use super::chain::Known;
use super::cursor::Before;
use crate::script::names::{Function, Names, OptionDoc, Role};
use crate::session::lexer::{KEYWORDS, Kind};
use crate::session::magics::table;
use crate::session::types::{Match, MatchKind};
use crate::session::variables::Variables;
use rhai::Map;

/// Variables, names the text itself defines, functions and keywords.
pub fn words(before: &Before, at: usize, variables: &Variables, names: &Names) -> Vec<Match> {
    let mut out: Vec<Match> = Vec::new();
    let variable =
        |text: String, kind: String| Match { text, kind: MatchKind::Variable, signature: kind, doc: String::new() };
    for name in variables.names() {
        let kind = variables.get(&name).filter(|v| !v.is_locked()).map(|v| names.type_of(&v.flatten()));
        out.push(variable(name, kind.unwrap_or_default()));
    }
    for n in 1..at {
        let defines = matches!(before.word(n - 1).as_deref(), Some("let" | "const" | "for"));
        if let Some(name) = before.word(n).filter(|_| defines) {
            out.push(variable(name, String::new()));
        }
    }
    out.sort_by(|a, b| (&a.text, a.signature.is_empty()).cmp(&(&b.text, b.signature.is_empty())));
    out.dedup_by(|a, b| a.text == b.text);
    out.extend(named(names.all().filter(|f| f.role == Role::Call), false));
    let keyword = |k: &&str| {
        let (signature, doc) = (String::new(), String::new());
        Match { text: (*k).to_owned(), kind: MatchKind::Keyword, signature, doc }
    };
    out.extend(KEYWORDS.iter().map(keyword));
    out
}

/// What can follow the point after an expression of which this is known: keys of a map, properties, methods.
pub fn members(known: Option<&Known>, names: &Names) -> Vec<Match> {
    let Some(known) = known else {
        // Every method and property there is.
        let all = names.all().filter(|f| f.role == Role::Getter || (f.role == Role::Call && !f.params.is_empty()));
        return named(all, true);
    };
    let mut out = Vec::new();
    if let Known::Value(value) = known
        && let Some(map) = value.read_lock::<Map>()
    {
        for (key, v) in map.iter().filter(|(k, _)| rhai::is_valid_identifier(k)) {
            let (kind, signature) = (MatchKind::Property, names.type_of(v));
            out.push(Match { text: key.to_string(), kind, signature, doc: String::new() });
        }
    }
    out.extend(named(names.members(&known.kind(names)), true));
    out
}

/// The options that can be typed here, where the cursor is at the place of a key in an options map of a call. Keys that
/// the map has already are left out.
pub fn options(before: &Before, at: usize, names: &Names) -> Option<Vec<Match>> {
    let call = before.call(at)?;
    let (open, _) = before.open_bracket(at)?;
    let key_comes = before.is(at - 1, ',') || at - 1 == open;
    if call.option.is_none() || !before.is(open, '{') || !key_comes {
        return None;
    }
    let given: Vec<String> = (open + 1..at).filter(|n| before.is(n + 1, ':')).filter_map(|n| before.word(n)).collect();
    let all = names.options_of(&before.word(call.name)?);
    let option = |o: OptionDoc| Match { kind: MatchKind::Option, signature: o.signature(), text: o.name, doc: o.doc };
    let out: Vec<Match> = all.into_iter().filter(|o| !given.contains(&o.name)).map(option).collect();
    (!out.is_empty()).then_some(out)
}

/// The magics that a line can begin with, where the cursor stands after percent signs at its start.
pub fn magics(before: &Before) -> Option<(usize, Vec<Match>)> {
    let line_start = before.chars.iter().rposition(|c| *c == '\n').map_or(0, |n| n + 1);
    let line = before.chars.get(line_start..)?;
    let indent = line.iter().take_while(|c| c.is_whitespace()).count();
    let typed: String = line.get(indent..)?.iter().collect();
    let first = before.pieces.iter().all(|p| p.start >= line_start || p.kind == Kind::Mark('%'));
    let word = typed.trim_start_matches('%');
    if !typed.starts_with('%') || word.chars().any(|c| !c.is_alphanumeric()) {
        return None;
    }
    let magic = |m: &table::Magic| {
        let text = m.usage.split_whitespace().next().unwrap_or_default().to_owned();
        Match { text, kind: MatchKind::Magic, signature: m.usage.to_owned(), doc: m.doc.to_owned() }
    };
    let all = table::all().filter(|m| first || !m.usage.starts_with("%%")).map(magic);
    Some((line_start + indent, all.filter(|m| m.text.starts_with(&typed)).collect()))
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
            let doc = f.documentation().summary().to_owned();
            out.push(Match { text: f.name.clone(), kind, signature: f.signature(method && !f.script), doc });
        }
    }
    out.sort_by(|a, b| (a.kind, &a.text).cmp(&(b.kind, &b.text)));
    out
}
