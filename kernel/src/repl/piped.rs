//! Cells from a pipe: `echo '1 + 1' | minerva repl`.

use super::talk::{Shared, cell, lock};
use crate::run::script::UNREAD;
use crate::session::{Completeness, Execute, NoAnswer};
use crate::terminal::{Printer, STOPPED, Stop, line};

/// Runs what standard input holds, cell by cell: a line that is whole is a cell, and one that is not is carried on. What
/// a cell asks with `input` is answered by the line after it. Returns 0, what `exit(code)` says, or 1 after an error; the
/// cells after one that failed run all the same, as they do when they are typed.
pub fn run(session: &Shared, printer: &Printer, stop: &Stop) -> i32 {
    let interrupt = lock(session).interrupt();
    let stopped = || if printer.gone() { UNREAD } else { stop.stopped().unwrap_or(STOPPED) };
    let (mut number, mut code) = (1_u32, 0);
    let mut text = String::new();
    loop {
        let open = match line(&interrupt) {
            Ok(line) => {
                text.push_str(&line);
                true
            }
            Err(NoAnswer::Interrupted) => return stopped(),
            Err(_) => false,
        };
        match text.trim().is_empty() {
            true if open => {
                text.clear();
                continue;
            }
            true => return code,
            false if open && is_open(session, &text) => {
                text.push('\n');
                continue;
            }
            false => {}
        }
        let request = Execute::cell(std::mem::take(&mut text), format!("In[{number}]"));
        number += 1;
        lock(session).begin();
        // From here on an interrupt is the cell's; one that came before ends it all.
        if stop.stopped().is_some() {
            return stopped();
        }
        let (_, outcome) = cell(session, printer, &request);
        if let Some(code) = outcome.exit {
            return code;
        }
        if let Err(error) = &outcome.result {
            code = 1;
            if error.is_interrupt() {
                return stopped();
            }
        }
        if printer.gone() || printer.lost().is_some() || stop.stopped().is_some() {
            return stopped();
        }
        if let Some(next) = outcome.next_input {
            text = next.trim_end().to_owned() + "\n";
        }
    }
}

fn is_open(session: &Shared, text: &str) -> bool {
    matches!(lock(session).is_complete(text), Completeness::Incomplete { .. })
}
