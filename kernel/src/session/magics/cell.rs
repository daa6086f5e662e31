//! What the magics of a whole cell do.

use super::line::timed;
use super::table::Call;
use crate::display::Bundle;
use crate::rust_cells;
use crate::session::types::Outcome;
use crate::session::{CellError, Session, SessionEvent};

pub fn time(session: &mut Session, call: Call<'_>) -> Result<Outcome, CellError> {
    alone("%%time", call, "the code", &format!("\nhelp: %time {} runs that line", call.argument))?;
    timed(session, call)
}

pub fn html(session: &mut Session, call: Call<'_>) -> Result<Outcome, CellError> {
    alone("%%html", call, "the HTML", "")?;
    show(session, Bundle::html(call.body, call.body.trim_end()))
}

pub fn markdown(session: &mut Session, call: Call<'_>) -> Result<Outcome, CellError> {
    alone("%%markdown", call, "the Markdown", "")?;
    show(session, Bundle::markdown(call.body.trim_end()))
}

pub fn rust(session: &mut Session, call: Call<'_>) -> Result<Outcome, CellError> {
    match rust_cells::split(&call.request.code) {
        Some(cell) => session.run_rust(call.request, &cell),
        None => Ok(Outcome::of(None)),
    }
}

/// Refuses what stands beside a magic that takes only what is below its line: it would be lost.
fn alone(magic: &str, call: Call<'_>, what: &str, help: &str) -> Result<(), CellError> {
    if call.argument.is_empty() {
        return Ok(());
    }
    let text = format!("{magic}: expected {what} on the lines below, found `{}` beside it{help}", call.argument);
    Err(CellError::plain("ArgumentError", text))
}

fn show(session: &mut Session, bundle: Bundle) -> Result<Outcome, CellError> {
    session.emit(SessionEvent::Display { bundle, display_id: None, update: false });
    Ok(Outcome::of(None))
}
