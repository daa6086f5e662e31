//! What the magics of one line do.

use super::table::{Call, all};
use crate::display::{Bundle, Cell, Table};
use crate::script::help as manual;
use crate::session::types::Outcome;
use crate::session::{CellError, Session, SessionEvent, similar};
use rhai::Array;
use std::path::Path;
use std::time::{Duration, Instant};

/// Characters of a value that a list of variables shows.
const SHOWN: usize = 60;

pub fn time(session: &mut Session, call: Call<'_>) -> Result<Outcome, CellError> {
    if call.code.trim().is_empty() {
        return Err(CellError::plain(
            "ArgumentError",
            "%time: expected an expression\nhelp: as in %time m.generate(\"Once\")",
        ));
    }
    timed(session, call)
}

/// Runs the code and writes how long it took, also where it failed.
pub fn timed(session: &mut Session, call: Call<'_>) -> Result<Outcome, CellError> {
    let started = Instant::now();
    let ended = session.run_code(call.code, call.request);
    let time = duration(started.elapsed());
    session.emit(SessionEvent::Stdout(format!("{}wall time: {time}\n", session.open_line.end())));
    ended
}

/// Three digits and a unit.
fn duration(time: Duration) -> String {
    let s = time.as_secs_f64();
    let digits = |x: f64, unit: &str| {
        let decimals = if x >= 100.0 {
            0
        } else if x >= 10.0 {
            1
        } else {
            2
        };
        format!("{x:.decimals$} {unit}")
    };
    match s {
        s if s >= 60.0 => format!("{} min {:.0} s", (s / 60.0).floor(), s % 60.0),
        s if s >= 1.0 => digits(s, "s"),
        s if s >= 1e-3 => digits(s * 1e3, "ms"),
        s => digits(s * 1e6, "µs"),
    }
}

pub fn vars(session: &mut Session, _: Call<'_>) -> Result<Outcome, CellError> {
    let mut table = Table::new(["name", "type", "value"]);
    for name in session.variables.names() {
        let Some(value) = session.variables.get(&name) else { continue };
        if value.is_locked() {
            table.push(vec![Cell::text(name), Cell::text("?"), Cell::text("in use")]);
            continue;
        }
        let value = value.flatten();
        // The constant `args` is there without anybody having defined it.
        if name == "args" && value.read_lock::<Array>().is_some_and(|args| args.is_empty()) {
            continue;
        }
        let text = session.host.bundle(&value).plain().lines().next().unwrap_or_default().to_owned();
        let cut = if text.chars().count() > SHOWN { "…" } else { "" };
        let text: String = text.chars().take(SHOWN).collect();
        table.push(vec![Cell::text(name), Cell::text(session.names().type_of(&value)), Cell::text(text + cut)]);
    }
    Ok(Outcome::of(Some(if table.rows.is_empty() { Bundle::text("no variables") } else { table.bundle() })))
}

pub fn reset(session: &mut Session, _: Call<'_>) -> Result<Outcome, CellError> {
    session.reset();
    Ok(Outcome::of(None))
}

pub fn load(_: &mut Session, call: Call<'_>) -> Result<Outcome, CellError> {
    let path = call.argument.trim_matches(['"', '\'']);
    if path.is_empty() {
        return Err(CellError::plain(
            "ArgumentError",
            "%load: expected the name of a file\nhelp: as in %load scripts/generate.rhai",
        ));
    }
    let path = match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => path.into(),
    };
    let text = std::fs::read(&path).map_err(|e| CellError::plain("IoError", unread(&path, &e)))?;
    match String::from_utf8(text) {
        Ok(text) => Ok(Outcome { next_input: Some(text), ..Outcome::of(None) }),
        Err(_) => Err(CellError::plain("FormatError", format!("{}: not UTF-8 text", path.display()))),
    }
}

/// Why a file cannot be loaded, and what to do.
fn unread(path: &Path, error: &std::io::Error) -> String {
    let shown = path.display();
    if path.is_dir() {
        return format!("%load: expected the name of a file, found the folder {shown}\nhelp: name a file in it");
    }
    if error.kind() != std::io::ErrorKind::NotFound {
        return format!("%load: {shown}: {error}");
    }
    let near = match similar(path) {
        near if !near.is_empty() => near,
        _ => {
            let above = path.ancestors().skip(1).find(|p| p.is_dir()).map(Path::to_owned);
            let folder = above.or_else(|| std::env::current_dir().ok());
            folder.map_or(String::new(), |f| format!("\nhelp: the nearest folder that exists is {}", f.display()))
        }
    };
    format!("%load: expected the name of a file, found nothing at {shown}{near}")
}

pub fn help(session: &mut Session, call: Call<'_>) -> Result<Outcome, CellError> {
    let name = call.argument.trim_matches(['"', '%', '?', ' ']);
    if name.is_empty() {
        let mut table = Table::new(["magic", "what it does"]);
        for magic in all() {
            table.push(vec![Cell::text(magic.usage), Cell::text(magic.doc)]);
        }
        return Ok(Outcome::of(Some(table.bundle())));
    }
    let about = about(name).or_else(|| manual::about(session.names(), name));
    let nothing =
        || CellError::plain("NotFoundError", format!("nothing is known of `{name}`\nhelp: help() lists what there is"));
    about.map(|bundle| Outcome::of(Some(bundle))).ok_or_else(nothing)
}

/// What is known of a magic by its name, as `%time` asks for it.
pub fn about(name: &str) -> Option<Bundle> {
    let name = name.trim_start_matches('%');
    let known: Vec<String> = all().filter(|m| m.name == name).map(|m| format!("{}\n    {}", m.usage, m.doc)).collect();
    (!known.is_empty()).then(|| Bundle::text(known.join("\n")))
}
