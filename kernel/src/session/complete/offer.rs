//! From the cursor to what is offered there.

use super::chain::known;
use super::cursor::Before;
use super::{strings, words};
use crate::session::Session;
use crate::session::types::{Completion, Match};

/// More than anybody scrolls through, and less than makes a front end slow.
const MOST: usize = 1000;

/// What can stand at the cursor, which is counted in characters.
pub fn complete(code: &str, cursor: usize, session: &Session) -> Completion {
    let before = Before::new(code, cursor);
    let end = before.chars.len();
    if before.comment {
        return Completion { start: end, end, matches: Vec::new() };
    }
    if let Some((start, matches)) = words::magics(&before) {
        return Completion { start, end, matches };
    }
    if let Some((start, matches)) = strings::argument_of_magic(&before) {
        return Completion { start, end, matches };
    }
    if let Some((at, typed)) = before.open_string() {
        let (start, matches) = strings::inside(&before, at, &typed, session);
        return Completion { start, end, matches: cut(matches) };
    }
    let (at, typed) = before.typed();
    let start = end - typed.chars().count();
    let (variables, names) = (&session.variables, session.names());
    let after_point = at > 0 && before.is(at - 1, '.') && !(at > 1 && before.is(at - 2, '.'));
    let matches = match after_point {
        true => words::members(known(&before, at - 1, variables, names).as_ref(), names),
        false => words::options(&before, at, names).unwrap_or_else(|| words::words(&before, at, variables, names)),
    };
    Completion { start, end, matches: cut(fitting(matches, &typed)) }
}

/// Those that begin with what was typed, each text once.
fn fitting(mut matches: Vec<Match>, typed: &str) -> Vec<Match> {
    matches.retain(|m| m.text.starts_with(typed));
    let mut seen = std::collections::HashSet::new();
    matches.retain(|m| seen.insert(m.text.clone()));
    matches
}

fn cut(mut matches: Vec<Match>) -> Vec<Match> {
    matches.truncate(MOST);
    matches
}
