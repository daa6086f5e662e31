//! What a program says for itself: an answer on stdout, a complaint on stderr.

use super::colour::{Stream, colour};
use nu_ansi_term::{Color, Style};
use std::io::{Error, ErrorKind, Write};

/// An error on stderr; lines that start with `help:` stay lines.
pub fn complain(text: &str) {
    let red = if colour(Stream::Err) { Style::new().bold().fg(Color::Red) } else { Style::new() };
    let _ = writeln!(std::io::stderr(), "{} {text}", red.paint("error:"));
}

/// Writes an answer to stdout. A reader that has seen enough, as in `| head`, is no fault.
///
/// # Errors
/// What to tell the person when stdout cannot be written.
pub fn answer(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(unwritten(&e)),
        _ => Ok(()),
    }
}

/// What to tell the person when stdout cannot be written.
pub fn unwritten(error: &Error) -> String {
    let help = "help: what was printed is not complete; make room or write it elsewhere";
    format!("standard output cannot be written: {error}\n{help}")
}
