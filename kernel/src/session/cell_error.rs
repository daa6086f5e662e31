//! A cell's error as a person reads it: what, where, the source line with a caret, and what to do.

use nu_ansi_term::{Color, Style};

/// What stopped a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellError {
    /// Its kind, one word: `SyntaxError`, `VariableNotFound`, `ArgumentError`, `Interrupted`.
    pub ename: String,
    /// What happened, without place and advice.
    pub evalue: String,
    /// The whole report in lines, with ANSI colours, as Jupyter wants it.
    pub traceback: Vec<String>,
    /// What to do next, each without its `help:`.
    pub help: Vec<String>,
    /// Where it happened, innermost first, then where that was called from.
    pub frames: Vec<Frame>,
}

/// One place in a cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// The cell's name.
    pub cell: String,
    /// Line, from 1; 0 where it is not known.
    pub line: usize,
    /// Column in characters, from 1; 0 where it is not known.
    pub column: usize,
    /// Characters the caret underlines.
    pub width: usize,
    /// The line's text.
    pub source: Option<String>,
    /// What happened there when it is not the error itself: `in a call of f`.
    pub note: String,
}

impl CellError {
    /// An error with a place. `message` may end in lines that start with `help: `.
    pub fn new(kind: &str, message: &str, frames: Vec<Frame>) -> Self {
        let lines: Vec<&str> = message.lines().collect();
        // What follows the first line of help belongs to it.
        let (text, help) = lines.split_at(lines.iter().position(|l| l.starts_with("help: ")).unwrap_or(lines.len()));
        let mut error = Self {
            ename: kind.to_owned(),
            evalue: text.join("\n"),
            traceback: Vec::new(),
            help: help.iter().map(|h| h.trim_start_matches("help: ").to_owned()).collect(),
            frames,
        };
        error.traceback = error.lines(true);
        error
    }

    /// An error that has no place in a cell.
    pub fn plain(kind: &str, message: impl AsRef<str>) -> Self {
        Self::new(kind, message.as_ref(), Vec::new())
    }

    /// Whether the cell was stopped on request.
    pub fn is_interrupt(&self) -> bool {
        self.ename == "Interrupted"
    }

    /// The report in lines, with or without ANSI colours.
    pub fn lines(&self, colour: bool) -> Vec<String> {
        let paint = |style: Style, text: &str| if colour { style.paint(text).to_string() } else { text.to_owned() };
        let red = Style::new().bold().fg(Color::Red);
        let blue = Style::new().bold().fg(Color::Blue);
        let mut out = Vec::new();
        let mut message = self.evalue.lines();
        let first = message.next().unwrap_or_default();
        let head = format!("{}: ", self.ename);
        out.push(format!("{}{}", paint(red, &head), paint(Style::new().bold(), first)));
        out.extend(message.map(str::to_owned));
        let margin = self.frames.iter().map(|f| f.line.to_string().len()).max().unwrap_or(1);
        let pad = " ".repeat(margin);
        let shown = shown(&self.frames);
        for frame in &shown {
            let Some(frame) = frame else {
                out.push(format!("{pad} … and so on, {} calls in all", self.frames.len() - 1));
                continue;
            };
            let place = match (frame.line, frame.column) {
                (0, _) => frame.cell.clone(),
                (line, 0) => format!("{}:{line}", frame.cell),
                (line, column) => format!("{}:{line}:{column}", frame.cell),
            };
            let note = if frame.note.is_empty() { String::new() } else { format!(" {}", frame.note) };
            out.push(format!("{pad}{} {place}{note}", paint(blue, "-->")));
            let Some((source, column)) = frame.excerpt() else { continue };
            let bar = paint(blue, "|");
            out.push(format!("{} {bar} {source}", paint(blue, &format!("{:>margin$}", frame.line))));
            if column > 0 {
                // Tabs stay tabs, so that the caret stands under its character.
                let before = source.chars().take(column - 1);
                let space: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
                let mark = if frame.note.is_empty() {
                    paint(red, &"^".repeat(frame.width.max(1)))
                } else {
                    paint(blue, &"-".repeat(frame.width.max(1)))
                };
                out.push(format!("{pad} {bar} {space}{mark}"));
            }
        }
        for help in &self.help {
            out.push(format!("{pad} {} {help}", paint(Style::new().bold().fg(Color::Cyan), "help:")));
        }
        out
    }
}

impl Frame {
    /// The line and the column in it; of a long line the part around the column.
    fn excerpt(&self) -> Option<(String, usize)> {
        const MOST: usize = 120;
        let source = self.source.as_ref()?;
        let start = self.column.saturating_sub(MOST / 2);
        if source.chars().count() <= MOST {
            return Some((source.clone(), self.column));
        }
        let part: String = source.chars().skip(start).take(MOST).collect();
        let after = if source.chars().count() > start + MOST { "…" } else { "" };
        match start {
            0 => Some((format!("{part}{after}"), self.column)),
            _ => Some((format!("…{part}{after}"), self.column - start + 1)),
        }
    }
}

/// A long chain of calls shows its innermost and outermost places.
fn shown(frames: &[Frame]) -> Vec<Option<&Frame>> {
    const MOST: usize = 8;
    if frames.len() <= MOST {
        return frames.iter().map(Some).collect();
    }
    let inner = frames.iter().take(MOST / 2).map(Some);
    let outer = frames.iter().skip(frames.len() - MOST / 4).map(Some);
    inner.chain([None]).chain(outer).collect()
}

/// The report as plain text.
impl std::fmt::Display for CellError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.lines(false).join("\n"))
    }
}

impl std::error::Error for CellError {}
