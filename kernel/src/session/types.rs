//! What goes into a session and what comes out of it.

use super::CellError;
use crate::display::Bundle;

/// How a session behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionOptions {
    /// Generated text goes to stdout piece by piece while it is generated. Off where nobody watches.
    pub stream: bool,
    /// What the script sees as the constant `args`: the command line after the script's name.
    pub args: Vec<String>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { stream: true, args: Vec::new() }
    }
}

/// One cell to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execute {
    /// The cell's text.
    pub code: String,
    /// What errors call it: `In[3]`, or a file's name.
    pub cell_name: String,
    /// No result is wanted, only what the cell does.
    pub silent: bool,
}

impl Execute {
    /// A cell of this text and name whose result is wanted.
    pub fn cell(code: impl Into<String>, cell_name: impl Into<String>) -> Self {
        Self { code: code.into(), cell_name: cell_name.into(), silent: false }
    }
}

/// How a cell ended.
#[derive(Debug, Clone)]
#[must_use]
pub struct Outcome {
    /// The value of the last expression, where there is one to show, or the error.
    pub result: Result<Option<Bundle>, CellError>,
    /// The script called `exit(code)`: a script runner ends with this code, a REPL leaves, a kernel goes on.
    pub exit: Option<i32>,
    /// Text that the next cell shall begin with, for a person to look at and run.
    pub next_input: Option<String>,
}

impl Outcome {
    /// A cell that went well, with its value.
    pub fn of(value: Option<Bundle>) -> Self {
        Self { result: Ok(value), exit: None, next_input: None }
    }
}

/// Whether a text can be run as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// It can.
    Complete,
    /// More lines are to come.
    Incomplete {
        /// What the next line should start with.
        indent: String,
    },
    /// It has an error that no further line can mend.
    Invalid,
    /// It cannot be told.
    Unknown,
}

/// How much is wanted to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What fits a glance.
    Brief,
    /// The source of a function, what a value's type can do.
    More,
}

/// The names that can stand at the cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// Where the replaced text starts, in characters.
    pub start: usize,
    /// Where it ends, in characters: the cursor.
    pub end: usize,
    /// What can stand there, best first.
    pub matches: Vec<Match>,
}

/// One name that completes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The text to insert.
    pub text: String,
    /// What it is.
    pub kind: MatchKind,
    /// Its signature, or the type of its value; may be empty.
    pub signature: String,
    /// What it does, in a sentence; may be empty.
    pub doc: String,
}

/// What a completed name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MatchKind {
    /// A notebook variable, or one defined earlier in the text.
    Variable,
    /// A map's key or a registered property.
    Property,
    /// A function called as a method.
    Method,
    /// A function.
    Function,
    /// An option of the function whose call the cursor stands in.
    Option,
    /// A word of the language.
    Keyword,
    /// A file or folder, inside a string.
    Path,
    /// A name inside a string: of a tensor, a hook point, a model, a value of an option.
    Name,
    /// A magic.
    Magic,
}

impl MatchKind {
    /// The name Jupyter front ends show: `function`, `variable`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Variable => "variable",
            Self::Property => "property",
            Self::Method => "method",
            Self::Function => "function",
            Self::Option => "option",
            Self::Keyword => "keyword",
            Self::Path => "path",
            Self::Name => "text",
            Self::Magic => "magic",
        }
    }
}
