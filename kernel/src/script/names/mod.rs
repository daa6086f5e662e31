//! The functions a session knows: names, parameters, documentation.

mod all;
mod documentation;
mod function;
mod metadata;

pub use all::Names;
pub use documentation::{Documentation, Example, OptionDoc};
pub use function::{Function, Param, Role};
