//! What the magics of a whole cell do.

use super::line::timed;
use super::table::Call;
use crate::display::Bundle;
use crate::session::types::Outcome;
use crate::session::{CellError, Session, SessionEvent};

pub fn time(session: &mut Session, call: Call<'_>) -> Result<Outcome, CellError> {
    timed(session, call)
}

pub fn html(session: &mut Session, call: Call<'_>) -> Result<Outcome, CellError> {
    show(session, Bundle::html(call.body, call.body.trim_end()))
}

pub fn markdown(session: &mut Session, call: Call<'_>) -> Result<Outcome, CellError> {
    show(session, Bundle::markdown(call.body.trim_end()))
}

fn show(session: &mut Session, bundle: Bundle) -> Result<Outcome, CellError> {
    session.emit(SessionEvent::Display { bundle, display_id: None, update: false });
    Ok(Outcome::of(None))
}
