//! What the person's code writes, on its way to the kernel: text, and lines marked as news for it.

use super::stop::Stop;
use crate::rust_cells::protocol::{Event, Failure, Panic};
use crossbeam_channel::{Receiver, Select, TryRecvError};
use serde::Deserialize;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// As the crate that cells see writes them.
const MARK: &str = "\u{1}minerva ";
const OPEN: char = '\u{1}';

/// The two streams of evcxr's child and what has been learnt from them. Cloning it shares it.
#[derive(Clone)]
pub struct Streams {
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    state: Arc<Mutex<State>>,
    stop: Stop,
}

/// What the marked lines told.
#[derive(Debug, Default)]
pub struct State {
    /// Text is thrown away: it comes from something that is being stopped, which may have left very much of it.
    muted: bool,
    /// The last panic on the main thread.
    pub panicked: Option<Panicked>,
    /// The last line on stderr.
    pub last_stderr: String,
    /// A call waits for its answer.
    pub calling: bool,
    /// The text that was compiled, for the line of a panic.
    pub library: Option<std::path::PathBuf>,
}

/// A panic as the cell's own hook tells it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Panicked {
    own: bool,
    main: bool,
    line: usize,
    column: usize,
    /// What it said.
    pub message: String,
    #[serde(skip)]
    source: String,
}

impl Panicked {
    /// As the kernel is told.
    pub fn tell(&self, lost: Vec<String>) -> Failure {
        let column = if self.source.is_empty() { 0 } else { self.column };
        Failure::Panic(Panic { message: self.message.clone(), source: self.source.clone(), column, lost })
    }
}

/// Tells the kernel. One line at a time, from whichever thread.
pub fn emit(event: &Event) {
    let mut out = std::io::stdout().lock();
    if let Ok(line) = serde_json::to_string(event) {
        // A kernel that is gone is noticed where requests are read.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}

impl Streams {
    /// Passes on from now what comes, on a thread of its own; evcxr waits until its stdout has been taken.
    pub fn start(stdout: Receiver<String>, stderr: Receiver<String>, stop: Stop) -> Self {
        let streams = Self { stdout, stderr, state: Arc::default(), stop };
        let own = streams.clone();
        std::thread::spawn(move || {
            loop {
                let mut select = Select::new();
                select.recv(&own.stdout);
                select.recv(&own.stderr);
                select.ready();
                if !own.drain() {
                    return;
                }
            }
        });
        streams
    }

    /// What is known.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what is there; false when no more will come.
    pub fn drain(&self) -> bool {
        let mut state = self.state();
        state.muted = self.stop.is_stopping();
        let mut text = String::new();
        let open = loop {
            match self.stdout.try_recv() {
                Ok(line) => state.line(&line, &mut text, &self.stop),
                Err(e) => break e == TryRecvError::Empty,
            }
        };
        state.show(Event::Stdout, &mut text);
        while let Ok(line) = self.stderr.try_recv() {
            text.push_str(&line);
            text.push('\n');
            state.last_stderr = line;
        }
        state.show(Event::Stderr, &mut text);
        open
    }

    /// Passes on what is there once nothing has come for a moment. The two streams are read by threads of evcxr, which tells
    /// when stdout has arrived, but not when stderr has.
    pub fn settle(&self) {
        const MOMENT: std::time::Duration = std::time::Duration::from_millis(8);
        // What a thread of the cell goes on writing comes with the next one.
        for _ in 0..12 {
            self.drain();
            let before = self.state().last_stderr.len();
            std::thread::sleep(MOMENT);
            if self.stderr.is_empty() && self.state().last_stderr.len() == before {
                return;
            }
        }
    }
}

impl State {
    /// Forgets what was learnt while something else ran.
    pub fn forget(&mut self) {
        self.panicked = None;
        self.last_stderr.clear();
    }

    fn show(&self, event: impl Fn(String) -> Event, text: &mut String) {
        let text = std::mem::take(text);
        if !text.is_empty() && !self.muted {
            emit(&event(text));
        }
    }

    fn line(&mut self, line: &str, text: &mut String, stop: &Stop) {
        let Some((before, news)) = line.split_once(MARK) else {
            match line.strip_suffix(OPEN) {
                Some(open) => text.push_str(open),
                None => {
                    text.push_str(line);
                    text.push('\n');
                }
            }
            return;
        };
        text.push_str(before);
        self.show(Event::Stdout, text);
        let (kind, rest) = news.split_once(' ').unwrap_or((news, ""));
        let answer = match kind {
            "started" => {
                stop.runs(true);
                return;
            }
            "panicked" => {
                self.panicked(rest);
                return;
            }
            "value" => Ok(rest.to_owned()),
            "error" => Err(Failure::Error(serde_json::from_str(rest).unwrap_or_default())),
            _ => Err(self.panicked.take().unwrap_or_default().tell(Vec::new())),
        };
        self.calling = false;
        // An interrupt that comes from now on is too late, and must not end a process that waits.
        stop.answer(&Event::Returned(answer));
    }

    fn panicked(&mut self, json: &str) {
        let Ok(mut panic) = serde_json::from_str::<Panicked>(json) else { return };
        if panic.own {
            let text = self.library.as_ref().and_then(|p| std::fs::read_to_string(p).ok()).unwrap_or_default();
            panic.source = panic.line.checked_sub(1).and_then(|n| text.lines().nth(n)).unwrap_or_default().to_owned();
        }
        if panic.main {
            self.panicked = Some(panic);
        } else {
            emit(&Event::Stderr(format!("a thread of the Rust cell panicked: {}\n", panic.message)));
        }
    }
}
