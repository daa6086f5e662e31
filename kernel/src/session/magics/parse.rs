//! Which magics a cell begins with.

use super::table::{CELL, LINE, Magic};
use crate::session::CellError;
use crate::session::cell_error::Frame;

/// What a cell with magics consists of. Lines count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// Lines `%name argument`, then code from line `code` on.
    Lines {
        /// The first line that is no magic.
        code: usize,
    },
    /// `%%name argument` and what is below.
    Cell {
        /// The line it stands on.
        line: usize,
        /// Its name.
        name: &'a str,
        /// The rest of its line.
        argument: &'a str,
        /// The lines below.
        body: &'a str,
    },
}

/// Looks at how a cell begins; `None` for a cell of code alone.
pub fn parse(code: &str) -> Option<Parsed<'_>> {
    let mut magics = false;
    let mut offset = 0;
    for (n, line) in code.split_inclusive('\n').enumerate() {
        offset += line.len();
        let text = line.trim();
        if text.is_empty() || text.starts_with("//") {
            continue;
        }
        match named(text) {
            Some((2, name, argument)) if !magics => {
                return Some(Parsed::Cell { line: n, name, argument, body: code.get(offset..).unwrap_or_default() });
            }
            Some((1, ..)) => magics = true,
            _ if magics => return Some(Parsed::Lines { code: n }),
            _ => return None,
        }
    }
    magics.then_some(Parsed::Lines { code: code.lines().count() })
}

/// Percent signs, name and argument of a line that calls a magic.
pub fn named(line: &str) -> Option<(usize, &str, &str)> {
    let text = line.trim();
    let rest = text.trim_start_matches('%');
    let signs = text.len() - rest.len();
    let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic()) && rhai::is_valid_identifier(name);
    ((signs == 1 || signs == 2) && is_name).then_some((signs, name, argument.trim()))
}

/// The name in `name?` or `?name`, and whether more is asked for by a second question mark.
pub fn question(code: &str) -> Option<(&str, bool)> {
    let code = code.trim();
    let name = code.trim_start_matches('?');
    let before = code.len() - name.len();
    let inner = name.trim_end_matches('?');
    let marks = before + name.len() - inner.len();
    let (name, percent) = (inner.trim(), inner.trim().trim_start_matches('%'));
    let path = !percent.is_empty() && percent.split('.').all(rhai::is_valid_identifier);
    (marks == 1 || marks == 2).then_some((name, marks == 2)).filter(|_| path)
}

/// A question in the last line of some code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The code before that line.
    pub before: &'a str,
    /// What is asked about.
    pub name: &'a str,
    /// Whether more is asked for.
    pub more: bool,
}

/// The `name?` or `?name` that some code ends with, on a line of its own.
pub fn last_question(code: &str) -> Option<Asked<'_>> {
    let code = code.trim_end();
    let start = code.rfind('\n').map_or(0, |at| at + 1);
    let (before, line) = code.split_at_checked(start)?;
    question(line).map(|(name, more)| Asked { before, name, more })
}

/// A magic by its percent signs and its name, or what to say where there is none.
pub fn find(signs: usize, name: &str) -> Result<&'static Magic, String> {
    let (table, other, marks) = if signs == 2 { (CELL, LINE, "%%") } else { (LINE, CELL, "%") };
    if let Some(magic) = table.iter().find(|m| m.name == name) {
        return Ok(magic);
    }
    let mut text = format!("there is no magic `{marks}{name}`");
    if let Some(magic) = other.iter().find(|m| m.name == name) {
        text.push_str(&format!("\nhelp: it is written {}", magic.usage));
    } else if let Some(near) = minerva_engine::error::nearest(name, table.iter().chain(other).map(|m| m.name)) {
        let usage = table.iter().chain(other).find(|m| m.name == near).map_or("", |m| m.usage);
        text.push_str(&format!("\nhelp: did you mean {usage}?"));
    } else {
        text.push_str("\nhelp: %help lists the magics");
    }
    Err(text)
}

/// The error of a script file, which has no magics, that uses one all the same.
pub fn refuse(code: &str, name: &str) -> Option<CellError> {
    let line = match parse(code)? {
        Parsed::Cell { line, .. } => line,
        Parsed::Lines { .. } => code.lines().position(|l| named(l).is_some())?,
    };
    let source = code.lines().nth(line)?;
    let word = source.split_whitespace().next()?;
    let text =
        format!("`{word}` is a magic, and a script has none\nhelp: magics work in notebooks and in `minerva repl`");
    Some(CellError::new("SyntaxError", &text, vec![frame(name, source, line)]))
}

/// The place of the magic on a line.
pub fn frame(cell: &str, source: &str, line: usize) -> Frame {
    let column = source.chars().take_while(|c| c.is_whitespace()).count() + 1;
    let width = source.split_whitespace().next().map_or(1, |w| w.chars().count());
    Frame { cell: cell.to_owned(), line: line + 1, column, width, source: Some(source.to_owned()), note: String::new() }
}
