//! What can stand at the cursor: names, options, what belongs into a string. Nothing is run to find it.

mod chain;
mod cursor;
mod offer;
mod strings;
#[cfg(test)]
mod tests;
mod words;

pub use chain::{Known, known};
pub use cursor::Before;
pub use offer::complete;
