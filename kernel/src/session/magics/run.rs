//! Running a cell that begins with magics.

use super::parse::{Parsed, find, frame, named};
use super::table::Call;
use crate::session::types::{Execute, Outcome};
use crate::session::{CellError, Session, SessionEvent};

/// Runs the magics of a cell, then its code. Of the values of several lines the last is the cell's, the others are shown
/// as they come.
pub fn run(session: &mut Session, request: &Execute, parsed: Parsed<'_>) -> Result<Outcome, CellError> {
    match parsed {
        Parsed::Cell { line, name, argument, body } => {
            let magic = find(2, name).map_err(|text| unknown(request, line, &text))?;
            let code = blank(&request.code, |n, _| n <= line);
            (magic.run)(session, Call { request, argument, body, code: &code })
        }
        Parsed::Lines { code } => lines(session, request, code),
    }
}

fn lines(session: &mut Session, request: &Execute, first: usize) -> Result<Outcome, CellError> {
    let mut last = Outcome::of(None);
    for (n, line) in request.code.lines().enumerate().take(first) {
        let Some((_, name, argument)) = named(line) else { continue };
        let magic = find(1, name).map_err(|text| unknown(request, n, &text))?;
        // Of the magic's line the argument stays where it is.
        let start = line.trim_end().chars().count() - argument.chars().count();
        let code = blank(&request.code, |at, column| at != n || column < start);
        show(session, last);
        last = (magic.run)(session, Call { request, argument, body: "", code: &code })?;
        if last.exit.is_some() {
            return Ok(last);
        }
    }
    let code = blank(&request.code, |n, _| n < first);
    if code.trim().is_empty() {
        return Ok(last);
    }
    let next = last.next_input.take();
    show(session, last);
    let mut ended = session.run_code(&code, request)?;
    ended.next_input = next;
    Ok(ended)
}

fn show(session: &Session, outcome: Outcome) {
    if let Ok(Some(bundle)) = outcome.result {
        session.emit(SessionEvent::Display { bundle, display_id: None, update: false });
    }
}

/// The text with a space for each character that is to go; lines stay lines.
fn blank(code: &str, goes: impl Fn(usize, usize) -> bool) -> String {
    let mut out = String::with_capacity(code.len());
    for (n, line) in code.split_inclusive('\n').enumerate() {
        let kept = line.chars().enumerate().map(|(column, c)| if c != '\n' && goes(n, column) { ' ' } else { c });
        out.extend(kept);
    }
    out
}

fn unknown(request: &Execute, line: usize, text: &str) -> CellError {
    let source = request.code.lines().nth(line).unwrap_or_default();
    CellError::new("MagicNotFound", text, vec![frame(&request.cell_name, source, line)])
}
