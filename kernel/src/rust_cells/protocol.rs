//! What the kernel and the process that runs the cells say to each other: a line of JSON each.

use super::completions::Completions;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The argument that makes the program serve Rust cells instead of anything else.
pub const SERVE: &str = "--serve-rust-cells";

/// What the kernel asks for. Each is answered by one [`Event::Ran`], [`Event::Returned`] or [`Event::Completions`]; an
/// interrupt has no answer of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Request {
    /// Run a cell.
    Run(Cell),
    /// Call a function that a cell defined.
    Call(Call),
    /// What can stand at this byte of the text.
    Complete {
        /// The cell without its first line.
        code: String,
        /// The cursor, in bytes.
        at: usize,
    },
    /// Stop what runs.
    Interrupt,
}

/// A cell to run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Cell {
    /// Its text without the first line.
    pub body: String,
    /// Values it starts with.
    pub inputs: Vec<Input>,
    /// Variables whose values are wanted afterwards.
    pub outputs: Vec<Output>,
}

/// A value that goes in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Input {
    /// The variable it becomes.
    pub name: String,
    /// Its Rust type.
    pub kind: String,
    /// The file with its JSON.
    pub json: String,
    /// The file with its tensors; empty when there are none.
    pub tensors: String,
}

/// A variable whose value comes out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Output {
    /// The variable.
    pub name: String,
    /// The file for its JSON.
    pub json: String,
    /// The file for its tensors, written when it has any.
    pub tensors: String,
}

/// A call. Goes on to the cell's process as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Call {
    /// The function.
    pub name: String,
    /// The file with the arguments as a JSON array; in `tensors` their tensors, empty when there are none.
    pub arguments: String,
    /// See `arguments`.
    pub tensors: String,
    /// The file for the tensors of the result.
    pub answer: String,
}

/// What the kernel is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Event {
    /// Text for stdout.
    Stdout(String),
    /// Text for stderr.
    Stderr(String),
    /// A cell has ended.
    Ran(Box<Result<Ran, Failure>>),
    /// A call has ended: the result as JSON.
    Returned(Result<String, Failure>),
    /// What can stand at the cursor.
    Completions(Completions),
}

/// What a cell gave.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ran {
    /// The value of its last expression by MIME type.
    pub shown: BTreeMap<String, String>,
    /// Functions it defined with `pub fn`.
    pub functions: Vec<Function>,
}

/// A function that scripts may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its parameters: name and type.
    pub params: Vec<(String, String)>,
    /// What it returns; empty for nothing.
    pub returns: String,
    /// Its documentation.
    pub doc: String,
    /// Why scripts cannot call it.
    pub problem: Option<String>,
}

/// Why a cell or a call failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// It does not compile.
    Compile(Vec<Diagnostic>),
    /// It panicked.
    Panic(Panic),
    /// An error that is not a panic: a `?`, an `Err` that a function returned.
    Error(String),
    /// The process that ran it is gone, and its variables with it; what is known of the end.
    Died(String),
    /// It was stopped.
    Interrupted {
        /// Whether the variables are gone.
        variables_lost: bool,
    },
    /// It was stopped, and all that Rust cells hold is gone.
    Stopped,
    /// The process of all Rust cells ended; what it said last.
    Ended(String),
    /// Something else, in words of evcxr.
    Other(String),
}

/// A panic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panic {
    /// What it said.
    pub message: String,
    /// The line of a cell it happened in, as text; empty where that is not known.
    pub source: String,
    /// The column in that line, from 1.
    pub column: usize,
    /// Variables that went with it.
    pub lost: Vec<String>,
}

/// One error of the compiler. Lines count from 1 in the cell without its first line; 0 is that first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// `E0308`; may be empty.
    pub code: String,
    /// What it says.
    pub message: String,
    /// Where, the most important place first.
    pub places: Vec<Place>,
    /// What to do.
    pub help: Vec<String>,
    /// The `--in` or `--out` it is about.
    pub option: Option<String>,
}

/// A place in a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters it covers; to the end of the line where it goes on.
    pub width: usize,
    /// What the compiler says of it.
    pub label: String,
}
