//! Which magics there are.

use super::{cell, line};
use crate::session::types::{Execute, Outcome};
use crate::session::{CellError, Session};

/// A call of a magic.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The cell it stands in.
    pub request: &'a Execute,
    /// What follows the name on its line, without space around it.
    pub argument: &'a str,
    /// Of a cell magic, the lines below its own.
    pub body: &'a str,
    /// The whole cell with everything blank that is not code for the magic to run, so that lines and columns stay.
    pub code: &'a str,
}

/// What a magic does.
pub type Run = fn(&mut Session, Call<'_>) -> Result<Outcome, CellError>;

/// One magic.
#[derive(Debug, Clone, Copy)]
pub struct Magic {
    /// Its name, without percent signs.
    pub name: &'static str,
    /// How it is written: `%time expression`.
    pub usage: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// Whether what it is given is Rhai, which decides when it is complete.
    pub rhai: bool,
    /// What it does.
    pub run: Run,
}

/// Magics of one line.
pub const LINE: &[Magic] = &[
    Magic {
        name: "time",
        usage: "%time expression",
        doc: "Runs an expression and says how long it took.",
        rhai: true,
        run: line::time,
    },
    Magic {
        name: "vars",
        usage: "%vars",
        doc: "Lists the variables: name, type, value.",
        rhai: false,
        run: line::vars,
    },
    Magic {
        name: "reset",
        usage: "%reset",
        doc: "Forgets all variables and functions; models among them give their memory back.",
        rhai: false,
        run: line::reset,
    },
    Magic {
        name: "load",
        usage: "%load file",
        doc: "Puts the text of a file into the next cell, to look at and to run.",
        rhai: false,
        run: line::load,
    },
    Magic {
        name: "help",
        usage: "%help [name]",
        doc: "Lists the magics; with a name, what help(\"name\") says.",
        rhai: false,
        run: line::help,
    },
];

/// Magics of a whole cell. A Rust cell is completed, inspected and told to be whole in `rust_cells`, before magics are.
pub const CELL: &[Magic] = &[
    Magic {
        name: "time",
        usage: "%%time",
        doc: "Runs the cell and says how long it took.",
        rhai: true,
        run: cell::time,
    },
    Magic { name: "html", usage: "%%html", doc: "Shows the cell as HTML.", rhai: false, run: cell::html },
    Magic {
        name: "markdown",
        usage: "%%markdown",
        doc: "Shows the cell as Markdown.",
        rhai: false,
        run: cell::markdown,
    },
    Magic {
        name: "rust",
        usage: "%%rust [--in x]… [--out y]…",
        doc: "Runs the cell as Rust.",
        rhai: false,
        run: cell::rust,
    },
];

/// Every magic, those of lines first.
pub fn all() -> impl Iterator<Item = &'static Magic> {
    LINE.iter().chain(CELL)
}
