//! A running cell's events, written to stdout and stderr.

use super::colour::{Stream, colour, is_terminal};
use super::graphics::{Graphics, graphics, picture, window};
use super::say::unwritten;
use super::written::Written;
use crate::display::Bundle;
use crate::display::measure::width_of;
use crate::session::{CellError, SessionEvent};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use minerva_engine::Interrupt;
use nu_ansi_term::{Color, Style};
use std::collections::HashMap;
use std::io::{ErrorKind, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Work that is done sooner than this shows no bar.
const SHOW_AFTER: Duration = Duration::from_millis(200);

/// Writes events in order; cloning it shares it. Progress bars stand on stderr, and only where that is a terminal.
#[derive(Clone)]
pub struct Printer(Arc<Mutex<State>>);

struct State {
    interrupt: Interrupt,
    bars: MultiProgress,
    running: HashMap<String, Bar>,
    watched: bool,
    /// The last text on stdout did not end its line.
    line_open: bool,
    /// Nobody reads stdout any more.
    gone: bool,
    /// Why stdout cannot be written, where somebody would read it.
    lost: Option<String>,
    /// What the running cell has written.
    written: Written,
    /// The cell asked that it be cleared when more comes.
    clear: bool,
    /// A question whose answer is awaited stands on stderr.
    asked: bool,
    /// The display that stands right above the cursor, and its lines.
    last: Option<(String, usize)>,
    graphics: Graphics,
}

struct Bar {
    started: Instant,
    /// Counts from the start, so that its rate is right when it is shown.
    bar: ProgressBar,
    shown: bool,
}

impl Bar {
    fn new(label: String, done: u64, total: u64, unit: &str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden())
            .with_style(style(total, unit))
            .with_message(label);
        // What was done before it was heard of says nothing of the pace.
        bar.set_position(done);
        bar.reset_eta();
        Self { started: Instant::now(), bar, shown: false }
    }
}

impl Printer {
    /// A printer for a session; its `interrupt` is raised when stdout takes no more.
    pub fn new(interrupt: Interrupt) -> Self {
        let watched = is_terminal(Stream::Err);
        let bars = MultiProgress::with_draw_target(match watched {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        });
        Self(Arc::new(Mutex::new(State {
            interrupt,
            bars,
            running: HashMap::new(),
            watched,
            line_open: false,
            gone: false,
            lost: None,
            written: Written::default(),
            clear: false,
            asked: false,
            last: None,
            graphics: graphics(),
        })))
    }

    /// Where a session sends the events of a cell that begins now.
    pub fn events(&self) -> Arc<dyn Fn(SessionEvent) + Send + Sync> {
        let printer = self.clone();
        {
            let mut state = self.state();
            (state.written, state.clear) = (Written::default(), false);
        }
        Arc::new(move |event| printer.event(event))
    }

    /// Writes one event.
    pub fn event(&self, event: SessionEvent) {
        let mut state = self.state();
        match event {
            SessionEvent::Stdout(text) => state.out(&text),
            SessionEvent::Stderr(text) => state.err(&text),
            SessionEvent::Display { bundle, display_id, update } => state.display(&bundle, display_id, update),
            SessionEvent::Progress { label, done, total, unit } => state.progress(label, done, total, &unit),
            SessionEvent::ClearOutput { wait: true } => state.clear = true,
            SessionEvent::ClearOutput { wait: false } => state.clear(),
            SessionEvent::Warning(text) => {
                let head = paint(colour(Stream::Err), Style::new().bold().fg(Color::Yellow), "warning:");
                state.err(&format!("{head} {text}\n"));
            }
        }
    }

    /// Writes a question; its answer is typed behind it. Where stdout is kept in a file or a pipe, the question goes to
    /// stderr.
    pub fn prompt(&self, text: &str) {
        let mut state = self.state();
        match is_terminal(Stream::Out) {
            true => state.out(text),
            false => {
                state.err(text);
                state.asked = !text.is_empty() && !text.ends_with('\n');
            }
        }
    }

    /// The answer has come; `line_ended` says whether whoever typed it has moved the cursor to a new line.
    pub fn answered(&self, line_ended: bool) {
        let mut state = self.state();
        let asked = std::mem::take(&mut state.asked);
        // What was typed took room as well.
        state.written.lose();
        if line_ended {
            state.line_open = false;
        } else if is_terminal(Stream::Out) {
            state.out("\n");
        } else if asked {
            state.err("\n");
        }
    }

    /// Writes text that does not come from a cell.
    pub fn text(&self, text: &str) {
        self.state().out(text);
    }

    /// What to tell the person when stdout could not be written.
    pub fn lost(&self) -> Option<String> {
        self.state().lost.clone()
    }

    /// Whether nobody reads stdout any more, as after `| head`.
    pub fn gone(&self) -> bool {
        self.state().gone
    }

    /// Writes a cell's result on lines of its own.
    pub fn result(&self, bundle: &Bundle) {
        self.state().show(bundle);
    }

    /// Writes a cell's error to stderr.
    pub fn error(&self, error: &CellError) {
        let mut state = self.state();
        state.end_line();
        if error.is_interrupt() && (state.gone || state.lost.is_some()) {
            return;
        }
        if error.is_interrupt() && state.watched {
            // The terminal wrote ^C where the cursor was.
            state.err("\n");
        }
        state.err(&format!("{}\n", error.lines(colour(Stream::Err)).join("\n")));
    }

    /// Ends a cell: bars vanish, and an open line is ended.
    pub fn finish(&self) {
        let mut state = self.state();
        for (_, bar) in state.running.drain() {
            bar.bar.finish_and_clear();
        }
        state.end_line();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn out(&mut self, text: &str) {
        if text.is_empty() || self.gone || self.lost.is_some() {
            return;
        }
        if std::mem::take(&mut self.clear) {
            self.clear();
        }
        self.line_open = !text.ends_with('\n');
        self.last = None;
        if is_terminal(Stream::Out) {
            self.written.add(text, window().unwrap_or_default().columns);
        }
        let written = self.bars.suspend(|| {
            let mut out = std::io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        });
        if let Err(e) = written {
            match e.kind() {
                // `minerva run x.rhai | head`: the reader is gone, and there is nobody left to work for.
                ErrorKind::BrokenPipe => self.gone = true,
                _ => self.lost = Some(unwritten(&e)),
            }
            self.interrupt.raise();
        }
    }

    /// Clears what the running cell has written, where that is a terminal and can still be reached; else leaves it.
    fn clear(&mut self) {
        self.clear = false;
        if !is_terminal(Stream::Out) {
            return;
        }
        let rows = crossterm::terminal::size().map_or(0, |(_, rows)| usize::from(rows));
        if let Some(clearing) = self.written.clearing(rows) {
            self.out(&clearing);
            (self.written, self.line_open) = (Written::default(), false);
        }
    }

    /// Shows a display, in its old place where that stands right above the cursor of a terminal.
    fn display(&mut self, bundle: &Bundle, id: Option<String>, update: bool) {
        let above = self.last.take().filter(|(last, _)| update && id.as_ref() == Some(last) && !self.line_open);
        if let Some((_, lines)) = above
            && is_terminal(Stream::Out)
        {
            let written = self.written.up(lines);
            self.out(&format!("\x1b[{lines}A\x1b[J"));
            (self.written, self.line_open) = (written, false);
        }
        let window = window().unwrap_or_default();
        if let Some(picture) = picture(bundle, self.graphics, window) {
            return self.line(&picture);
        }
        let text = bundle.plain();
        self.line(text);
        // A line that the terminal breaks takes more room than is known here.
        let (width, lines) = (window.columns, text.lines().collect::<Vec<_>>());
        if !lines.is_empty() && lines.iter().all(|l| width_of(l) < width) {
            self.last = id.map(|id| (id, lines.len()));
        }
    }

    fn err(&mut self, text: &str) {
        self.last = None;
        if is_terminal(Stream::Err) {
            self.written.lose();
        }
        self.bars.suspend(|| {
            let mut err = std::io::stderr().lock();
            let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
        });
    }

    /// A picture where the terminal shows them, else text.
    fn show(&mut self, bundle: &Bundle) {
        match picture(bundle, self.graphics, window().unwrap_or_default()) {
            Some(picture) => self.line(&picture),
            None => self.line(bundle.plain()),
        }
    }

    fn line(&mut self, text: &str) {
        self.end_line();
        self.out(text);
        self.end_line();
    }

    fn end_line(&mut self) {
        if self.line_open {
            // The end of a line is no output that clears what was before it.
            let clear = std::mem::take(&mut self.clear);
            self.out("\n");
            self.clear = clear;
        }
    }

    fn progress(&mut self, label: String, done: u64, total: u64, unit: &str) {
        if !self.watched {
            return;
        }
        if total > 0 && done >= total {
            if let Some(bar) = self.running.remove(&label) {
                bar.bar.finish_and_clear();
            }
            return;
        }
        let new = || Bar::new(label.clone(), done, total, unit);
        let entry = self.running.entry(label.clone()).or_insert_with(new);
        entry.bar.set_length(total);
        entry.bar.set_position(done);
        if !entry.shown && entry.started.elapsed() >= SHOW_AFTER {
            entry.bar = self.bars.add(entry.bar.clone());
            entry.bar.enable_steady_tick(Duration::from_millis(100));
            entry.shown = true;
        }
    }
}

fn style(total: u64, unit: &str) -> ProgressStyle {
    let amount = match (unit, total) {
        ("B", 0) => "{bytes}, {bytes_per_sec}".to_owned(),
        ("B", _) => "{bytes} of {total_bytes}, {bytes_per_sec}, {eta} left".to_owned(),
        (unit, 0) => format!("{{pos}} {unit}, {{per_sec}}"),
        (unit, _) => format!("{{pos}} of {{len}} {unit}, {{per_sec}}, {{eta}} left"),
    };
    let bar = if total == 0 { "{spinner}" } else { "{bar:30.cyan/dim}" };
    ProgressStyle::with_template(&format!("{{msg}} {bar} {amount}"))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━━─")
}

fn paint(colour: bool, style: Style, text: &str) -> String {
    if colour { style.paint(text).to_string() } else { text.to_owned() }
}
