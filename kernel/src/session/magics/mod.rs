//! Magics: lines that are no Rhai but speak to the session, as notebooks know them.
//!
//! A cell may begin with lines `%name …`; what follows them is code. A cell whose first line is `%%name …` belongs to
//! that magic as a whole. Which there are stands in [`table`]: a cell magic of another language is one entry there.

mod cell;
mod line;
mod parse;
mod run;
pub mod table;
#[cfg(test)]
mod tests;

pub use line::about;
pub use parse::{Asked, Parsed, find, last_question, named, parse, question, refuse};
pub use run::run;
