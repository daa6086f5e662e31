//! What belongs into a string: names of tensors and hook points, values of options, models, files.

use super::chain::{Known, known};
use super::cursor::{Before, Call};
use crate::script::model::ModelHandle;
use crate::script::names::{Names, Role};
use crate::script::tensor::{OpenFile, TensorList};
use crate::script::trace::{GradientsHandle, TraceHandle};
use crate::session::Session;
use crate::session::types::{Match, MatchKind};
use minerva_engine::format::DType;
use minerva_engine::hub::cached_names;
use rhai::{Dynamic, Map};
use std::path::{Path, PathBuf};

/// Entries of a folder that are looked at.
const ENTRIES: usize = 20_000;

/// What an argument is made of.
enum Contents {
    Paths,
    Models,
    Hooks,
    Tensors,
    Types,
    Functions,
    Words(Vec<String>),
    Nothing,
}

/// What can stand in the string that is piece `at`, of which `typed` is there; and where it starts, in characters.
pub fn inside(before: &Before, at: usize, typed: &str, session: &Session) -> (usize, Vec<Match>) {
    let names = session.names();
    let whole = before.chars.len() - typed.chars().count();
    let indexes = at > 0 && before.is(at - 1, '[');
    if indexes && let Some(Known::Value(value)) = known(before, at - 1, &session.variables, names) {
        return (whole, among(keys(&value), typed));
    }
    let Some(call) = before.call(at) else { return paths(typed, whole) };
    let receiver = match call.name.checked_sub(1) {
        Some(point) if before.is(point, '.') => known(before, point, &session.variables, names),
        _ => None,
    };
    let value = match &receiver {
        Some(Known::Value(value)) => Some(value),
        _ => None,
    };
    let listed = match contents(before, call, receiver.as_ref(), names) {
        Contents::Paths => return paths(typed, whole),
        Contents::Models => return models(typed, whole),
        Contents::Hooks => value.map(hooks).unwrap_or_default(),
        Contents::Tensors => tensors_of(before, call, value),
        Contents::Types => DType::ALL.iter().map(|d| d.name().to_owned()).collect(),
        Contents::Functions => names.all().filter(|f| f.role != Role::Other).map(|f| f.name.clone()).collect(),
        Contents::Words(words) => words,
        Contents::Nothing => Vec::new(),
    };
    (whole, among(listed, typed))
}

/// What the argument is by the name of its parameter, and an option by its documentation.
fn contents(before: &Before, call: Call, receiver: Option<&Known>, names: &Names) -> Contents {
    let Some(function) = before.word(call.name) else { return Contents::Nothing };
    if let Some(option) = call.option {
        let Some(key) = option.and_then(|at| before.word(at)) else { return Contents::Nothing };
        let known = names.options_of(&function).into_iter().find(|o| o.name == key);
        let values: Vec<String> = known.iter().flat_map(|o| o.values()).map(str::to_owned).collect();
        return match key.as_str() {
            "hooks" => Contents::Hooks,
            "path" | "file" | "save" => Contents::Paths,
            _ if !values.is_empty() => Contents::Words(values),
            _ => Contents::Nothing,
        };
    }
    let calls = names.calls(&function);
    if calls.is_empty() {
        return Contents::Paths;
    }
    let kind = receiver.map(|r| r.kind(names));
    let method = call.name > 0 && before.is(call.name - 1, '.');
    let at = call.argument + usize::from(method);
    let fits = |first: &str| kind.as_deref().is_none_or(|k| k == first);
    let param = calls
        .iter()
        .filter(|f| f.script || !method || f.params.first().is_some_and(|p| fits(&p.kind)))
        .filter_map(|f| f.params.get(at - usize::from(f.script && method)))
        .map(|p| p.name.as_str())
        .next();
    match (function.as_str(), param.unwrap_or_default()) {
        ("load", "path") => Contents::Models,
        ("sample_path", "form") => Contents::Words(vec!["gguf".into(), "safetensors".into()]),
        ("help", _) => Contents::Functions,
        ("tensor", "name") | ("tensors", "pattern") => Contents::Tensors,
        (_, "pattern" | "patterns" | "hook" | "hooks" | "point" | "points") => Contents::Hooks,
        (_, "dtype") => Contents::Types,
        (_, "path" | "from" | "to" | "file" | "folder") => Contents::Paths,
        _ => Contents::Nothing,
    }
}

fn hooks(model: &Dynamic) -> Vec<String> {
    let points = model.read_lock::<ModelHandle>().and_then(|m| m.get().ok()).map(|m| m.backend().hook_points());
    points.and_then(Result::ok).unwrap_or_default().into_iter().map(|p| p.name.to_string()).collect()
}

/// The tensors of a value; of `open("file").tensor("…")` those of the file, whose listing alone is read.
fn tensors_of(before: &Before, call: Call, value: Option<&Dynamic>) -> Vec<String> {
    match value {
        Some(value) => keys(value),
        None => opened(before, call).map(|f| names_in(&f)).unwrap_or_default(),
    }
}

fn opened(before: &Before, call: Call) -> Option<OpenFile> {
    let close = call.name.checked_sub(2).filter(|at| before.is(*at, ')'))?;
    let (open, _) = before.open_bracket(close)?;
    let path = before.pieces.get(open + 1).filter(|_| open + 2 == close).map(|p| before.text(p))?;
    let function = before.word(open.checked_sub(1)?)?;
    let path = path.strip_prefix('"')?.strip_suffix('"')?;
    (function == "open").then(|| minerva_engine::format::open(path).ok().map(OpenFile)).flatten()
}

/// What can stand in the brackets after a value.
fn keys(value: &Dynamic) -> Vec<String> {
    if let Some(map) = value.read_lock::<Map>() {
        return map.keys().map(ToString::to_string).collect();
    }
    if let Some(model) = value.read_lock::<ModelHandle>() {
        return model.get().map(|m| names_in(&OpenFile(m.file()))).unwrap_or_default();
    }
    if let Some(file) = value.read_lock::<OpenFile>() {
        return names_in(&file);
    }
    if let Some(list) = value.read_lock::<TensorList>() {
        return list.0.iter().filter_map(|t| t.name().map(str::to_owned)).collect();
    }
    if let Some(trace) = value.read_lock::<TraceHandle>() {
        return trace.names();
    }
    value.read_lock::<GradientsHandle>().map(|g| g.names()).unwrap_or_default()
}

fn names_in(file: &OpenFile) -> Vec<String> {
    file.0.tensors().iter().map(|t| t.name.clone()).collect()
}

/// The names that begin with what was typed; where none does, those that contain it.
fn among(all: Vec<String>, typed: &str) -> Vec<Match> {
    let begins = |name: &String| name.starts_with(typed);
    let any = all.iter().any(begins);
    let chosen = all.into_iter().filter(|name| if any { begins(name) } else { name.contains(typed) });
    chosen.map(|text| entry(text, MatchKind::Name)).collect()
}

fn entry(text: String, kind: MatchKind) -> Match {
    Match { text, kind, signature: String::new(), doc: String::new() }
}

/// Models by name: the built-in one, those in the hub's cache, files and folders.
fn models(typed: &str, whole: usize) -> (usize, Vec<Match>) {
    let known = std::iter::once("sample".to_owned()).chain(cached_names());
    let named: Vec<Match> = known.filter(|n| n.starts_with(typed)).map(|text| entry(text, MatchKind::Name)).collect();
    let (start, files) = paths(typed, whole);
    match (named.is_empty(), start == whole) {
        (true, _) => (start, files),
        (false, true) => (whole, named.into_iter().chain(files).collect()),
        // Both replace the same text: the folder that was typed stands before each file.
        (false, false) => {
            let folder: String = typed.chars().take(start - whole).collect();
            let files = files.into_iter().map(|m| Match { text: format!("{folder}{}", m.text), ..m });
            (whole, named.into_iter().chain(files).collect())
        }
    }
}

/// Files and folders that continue a path; folders end in a slash. Only what comes after the last slash is replaced.
fn paths(typed: &str, whole: usize) -> (usize, Vec<Match>) {
    let (folder, name) = typed.rsplit_once('/').map_or(("", typed), |(f, n)| (f, n));
    let start = whole + typed.chars().count() - name.chars().count();
    let root = match (typed.starts_with('/'), folder) {
        (true, "") => PathBuf::from("/"),
        (false, "") => PathBuf::from("."),
        (_, folder) => match (folder.strip_prefix('~'), std::env::home_dir()) {
            (Some(rest), Some(home)) => home.join(rest.trim_start_matches('/')),
            _ => PathBuf::from(folder),
        },
    };
    let mut matches: Vec<Match> = listed(&root, name).into_iter().map(|text| entry(text, MatchKind::Path)).collect();
    matches.sort_by(|a, b| a.text.cmp(&b.text));
    (start, matches)
}

fn listed(root: &Path, name: &str) -> Vec<String> {
    // A pipe or a device in the place of a folder is not opened.
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten().take(ENTRIES);
    let fits = |file: &String| file.starts_with(name) && (!file.starts_with('.') || name.starts_with('.'));
    entries
        .filter_map(|entry| Some((entry.file_name().into_string().ok().filter(fits)?, entry)))
        .map(|(file, entry)| if entry.path().is_dir() { format!("{file}/") } else { file })
        .collect()
}

/// The file that a `%load` on this line is to load.
pub fn argument_of_magic(before: &Before) -> Option<(usize, Vec<Match>)> {
    let line_start = before.chars.iter().rposition(|c| *c == '\n').map_or(0, |n| n + 1);
    let line: String = before.chars.get(line_start..)?.iter().collect();
    let typed = line.trim_start().strip_prefix("%load ")?.trim_start();
    Some(paths(typed, before.chars.len() - typed.chars().count()))
}
