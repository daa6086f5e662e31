//! What makes a cell a Rust cell.

/// The word that starts a Rust cell.
pub const MAGIC: &str = "%%rust";

/// A cell that starts with the magic: blank lines before it, its first line, and the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split<'a> {
    /// Lines before the first one.
    pub before: usize,
    /// The first line whole.
    pub line: &'a str,
    /// Everything after it.
    pub body: &'a str,
}

/// The parts of a Rust cell; nothing when the text is not one.
pub fn split(code: &str) -> Option<Split<'_>> {
    let start = code.len() - code.trim_start().len();
    let (blank, rest) = code.split_at_checked(start)?;
    let after = rest.strip_prefix(MAGIC)?;
    if after.chars().next().is_some_and(|c| !c.is_whitespace()) {
        return None;
    }
    let (line, body) = rest.split_once('\n').unwrap_or((rest, ""));
    Some(Split { before: blank.matches('\n').count(), line, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_magic_makes_a_rust_cell() {
        assert_eq!(
            split("\n %%rust --in x\nlet y = x;"),
            Some(Split { before: 1, line: "%%rust --in x", body: "let y = x;" })
        );
        assert_eq!(split("%%rust").map(|s| s.body), Some(""));
        assert!(split("%%rusty\n1").is_none() && split("let x = 1;\n%%rust").is_none());
    }
}
