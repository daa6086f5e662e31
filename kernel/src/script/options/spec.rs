//! One option of a function, described once: documentation, completion and errors all read this.

use super::FromOption;
use std::fmt;

/// An option as its function's table has it. It prints as documentation has it: `name: type = default: what it does`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionSpec {
    /// Its name.
    pub name: &'static str,
    /// Other spellings that are understood.
    pub aliases: &'static [&'static str],
    /// Its type as signatures call it.
    pub kind: &'static str,
    /// What an error says was expected.
    pub expected: &'static str,
    /// Words it can be.
    pub values: &'static [&'static str],
    /// Whether it can be nothing but one of `values`.
    pub closed: bool,
    /// What it is when it is not given, as a script writes it or in a few words; may be empty.
    pub default: &'static str,
    /// What it does.
    pub doc: &'static str,
}

impl OptionSpec {
    /// An option of type `T`.
    pub const fn new<T: FromOption>(name: &'static str, doc: &'static str) -> Self {
        let (kind, expected) = (T::KIND, T::EXPECTED);
        Self { name, aliases: &[], kind, expected, values: &[], closed: false, default: "", doc }
    }

    /// With a default.
    #[must_use]
    pub const fn or(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// With what an error says was expected, where that is less than the whole type.
    #[must_use]
    pub const fn expecting(mut self, expected: &'static str) -> Self {
        self.expected = expected;
        self
    }

    /// With other spellings.
    #[must_use]
    pub const fn also(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// With the words that it can be, upper or lower case.
    #[must_use]
    pub const fn one_of(mut self, values: &'static [&'static str]) -> Self {
        self.values = values;
        self.closed = true;
        self
    }

    /// With words to suggest; others are possible.
    #[must_use]
    pub const fn such_as(mut self, values: &'static [&'static str]) -> Self {
        self.values = values;
        self
    }
}

impl fmt::Display for OptionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        match self.values {
            [] => f.write_str(self.kind)?,
            values => {
                let words: Vec<String> = values.iter().map(|v| format!("{v:?}")).collect();
                write!(f, "{}{}", words.join("|"), if self.closed { "" } else { "|…" })?;
            }
        }
        if !self.default.is_empty() {
            write!(f, " = {}", self.default)?;
        }
        write!(f, ": {}", self.doc)?;
        if !self.aliases.is_empty() {
            write!(f, " (also {})", self.aliases.join(", "))?;
        }
        Ok(())
    }
}
