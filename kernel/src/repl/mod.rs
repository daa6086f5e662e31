//! The terminal front end: a conversation, cell by cell, with a person or through a pipe.

mod completer;
mod highlighter;
mod history;
mod piped;
mod prompt;
mod talk;
mod validator;

pub use talk::run;
