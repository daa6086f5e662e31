//! A script function's options map: a table that says which there are, typed values by name, and an error for what is
//! misspelt or of the wrong type.

mod call;
mod from_option;
mod spec;

pub use call::Options;
pub use from_option::FromOption;
pub use spec::OptionSpec;
