//! The conversation: read a cell, run it, show what it gave, until Ctrl-D.

use super::completer::CellCompleter;
use super::highlighter::CellHighlighter;
use super::history::history;
use super::piped;
use super::prompt::CellPrompt;
use super::validator::CellValidator;
use crate::display::set_width;
use crate::history::History;
use crate::session::{Execute, Outcome, Session, SessionOptions};
use crate::terminal::{Printer, Stop, Stream, asking, colour, complain, is_terminal, window};
use nu_ansi_term::{Color, Style};
use reedline::{
    DefaultHinter, DescriptionMode, EditCommand, Emacs, IdeMenu, KeyCode, KeyModifiers, MenuBuilder, Reedline,
    ReedlineEvent, ReedlineMenu, Signal, default_emacs_keybindings,
};
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The session, which the editor asks while a cell is typed and the conversation runs between them.
pub type Shared = Arc<Mutex<Session>>;

/// The session; what a panic left behind is still the session.
pub fn lock(session: &Shared) -> MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

const MENU: &str = "completion_menu";

/// Talks until the person leaves, or runs the cells that come through a pipe; returns the exit code.
pub fn run(args: Vec<String>) -> i32 {
    let typed = std::io::stdin().is_terminal();
    let mut session = Session::new(SessionOptions { stream: typed || is_terminal(Stream::Out), args });
    let interrupt = session.interrupt();
    let stop = Stop::listen(interrupt.clone());
    let printer = Printer::new(interrupt);
    session.ask_through(asking(&printer));
    let session: Shared = Arc::new(Mutex::new(session));
    let code = if typed { talk(&session, &printer, &stop) } else { piped::run(&session, &printer, &stop) };
    match printer.lost() {
        Some(problem) => {
            complain(&problem);
            1
        }
        None => code,
    }
}

fn talk(session: &Shared, printer: &Printer, stop: &Stop) -> i32 {
    let ended = stop.clone();
    stop.last_words(move || {
        // While the editor waits, the keys are raw and pasting is bracketed.
        if ended.is_idle() {
            let _ = crossterm::terminal::disable_raw_mode();
            let _ = writeln!(std::io::stdout(), "\x1b[?2004l");
        }
    });
    let mut past = History::of_user();
    let mut editor = editor(session, &mut past);
    greet();
    let mut number = 1;
    loop {
        stop.set_idle(true);
        let read = editor.read_line(&CellPrompt { number });
        stop.set_idle(false);
        match read {
            Ok(Signal::Success(code)) if code.trim().is_empty() => {}
            Ok(Signal::Success(code)) => {
                let request = Execute::cell(code, format!("In[{number}]"));
                let (shown, ended) = cell(session, printer, &request);
                past.push(number, &request.code, shown.as_deref());
                if let Some(code) = ended.exit.or(stop.ended()) {
                    return code;
                }
                if printer.lost().is_some() || printer.gone() {
                    return 1;
                }
                if let Some(text) = ended.next_input {
                    editor.run_edit_commands(&[EditCommand::InsertString(text.trim_end().to_owned())]);
                }
                number += 1;
            }
            Ok(Signal::CtrlC) => {}
            Ok(Signal::CtrlD) => return 0,
            Ok(_) => {}
            Err(e) => {
                complain(&format!("the terminal cannot be read: {e}"));
                return 1;
            }
        }
    }
}

/// Runs one cell and shows its result; the text of its value, and what else came of it.
pub fn cell(session: &Shared, printer: &Printer, request: &Execute) -> (Option<String>, Outcome) {
    // The window may have another size by now.
    if let Some(window) = window() {
        set_width(window.columns);
    }
    let outcome = lock(session).execute(request, printer.events());
    printer.finish();
    let shown = match &outcome.result {
        Ok(Some(bundle)) => {
            printer.result(bundle);
            Some(bundle.plain().to_owned())
        }
        Ok(None) => None,
        Err(error) => {
            printer.error(error);
            None
        }
    };
    (shown, outcome)
}

fn greet() {
    let dim = if colour(Stream::Out) { Style::new().dimmed() } else { Style::new() };
    let keys = dim.paint("Tab completes, name? explains, help() and %help list, Ctrl-C stops, Ctrl-D leaves");
    let version = env!("CARGO_PKG_VERSION");
    let mut out = std::io::stdout();
    let _ = writeln!(out, "Minerva {version} — a session in Rhai for local language models\n{keys}");
}

fn editor(session: &Shared, past: &mut History) -> Reedline {
    let mut keys = default_emacs_keybindings();
    let complete = vec![ReedlineEvent::Menu(MENU.into()), ReedlineEvent::MenuNext];
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, ReedlineEvent::UntilFound(complete));
    keys.add_binding(KeyModifiers::SHIFT, KeyCode::BackTab, ReedlineEvent::MenuPrevious);
    keys.add_binding(KeyModifiers::ALT, KeyCode::Enter, ReedlineEvent::Edit(vec![EditCommand::InsertNewline]));
    let menu = IdeMenu::default()
        .with_name(MENU)
        .with_marker(": ")
        .with_max_completion_height(12)
        .with_description_mode(DescriptionMode::PreferRight)
        .with_max_description_width(60)
        .with_text_style(Style::new())
        .with_selected_text_style(Style::new().reverse())
        .with_description_text_style(Color::DarkGray.normal());
    let mut editor = Reedline::create()
        .with_validator(Box::new(CellValidator(Arc::clone(session))))
        .with_completer(Box::new(CellCompleter(Arc::clone(session))))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_quick_completions(true)
        .with_partial_completions(true)
        .with_ansi_colors(colour(Stream::Out))
        .use_bracketed_paste(true);
    if colour(Stream::Out) {
        editor = editor
            .with_highlighter(Box::new(CellHighlighter))
            .with_hinter(Box::new(DefaultHinter::default().with_style(Color::DarkGray.normal())));
    }
    match history(&past.tail(None)) {
        Some(history) => editor.with_history(history),
        None => editor,
    }
}
