//! What was run before, in any session of this user: kept in one file that every kernel and REPL shares.

mod glob;
mod log;
mod store;

pub use glob::fits;
pub use log::{Entry, Line};
pub use store::{History, folder};

#[cfg(test)]
mod tests;
