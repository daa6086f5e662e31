//! One language session: cells that share variables and functions, an interrupt, completion, inspection, and errors
//! that name the cell, the line and the column.
//!
//! ```
//! use minerva_kernel::session::{Execute, Session, SessionOptions};
//! use std::sync::Arc;
//!
//! let mut session = Session::new(SessionOptions::default());
//! session.execute(&Execute::cell("let x = 40; fn add(n) { x + n }", "In[1]"), Arc::new(|_| {}));
//! let outcome = session.execute(&Execute::cell("add(2)", "In[2]"), Arc::new(|_| {}));
//! assert_eq!(outcome.result.unwrap().unwrap().plain(), "42");
//! ```

mod cell_error;
mod comparison;
mod complete;
mod completeness;
mod explain;
mod inspect;
mod language;
pub mod language_info;
mod lexer;
pub mod magics;
mod memory;
mod open_line;
mod run_cell;
mod similar;
mod sources;
pub mod stack;
mod state;
mod types;
mod variables;

pub use crate::script::{Asking, NoAnswer, Question, SessionEvent};
pub use cell_error::{CellError, Frame};
pub use lexer::KEYWORDS;
pub use similar::similar;
pub use state::Session;
pub use types::{Completeness, Completion, Detail, Execute, Match, MatchKind, Outcome, SessionOptions};
pub(crate) use variables::Variables;

#[cfg(test)]
mod tests;
