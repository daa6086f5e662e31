//! The terminal front end: a conversation, cell by cell.

mod completer;
mod highlighter;
mod history;
mod prompt;
mod talk;
mod validator;

pub use talk::run;
