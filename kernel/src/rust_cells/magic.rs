//! What front ends ask about a Rust cell that is being written.

use super::split::MAGIC;
use super::{RustCells, split};
use crate::display::Bundle;
use crate::session::{Completeness, Completion, Match, MatchKind, Variables};

const HELP: &str = "Rust cell: %%rust [--in name[:Type]]… [--out name]…

The cell is Rust, run through evcxr: variables, functions, `use` and `:dep crate = \"version\"` stay for later Rust cells.
    --in x            the notebook's x becomes a variable: bool, i64, f64, String, Vec<…>, BTreeMap<String, …>,
                      minerva::Tensor { shape, data: Vec<f32> }; values of mixed kinds become minerva::Value
    --in x:Vec<f32>   … of this type; a Tensor is taken as Vec, or Vec of Vec, too
    --out y           the cell's y becomes a variable of the notebook
A `pub fn` whose parameters are of such types can be called from scripts; the Err of a Result is an error there.";

/// Whether a Rust cell can be run as it stands: in a terminal it ends with an empty line, for only the compiler knows more.
pub fn is_complete(code: &str) -> Option<Completeness> {
    let cell = split(code)?;
    let depth = open_brackets(cell.body);
    let mut last = cell.body.rsplit('\n').map(|line| line.trim().is_empty());
    let (ended, insists) = (cell.body.contains('\n') && last.next() == Some(true), last.next() == Some(true));
    // Two empty lines run it whatever the brackets: the compiler says what is wrong with them.
    Some(match ended && (depth == 0 || insists) {
        true => Completeness::Complete,
        false => Completeness::Incomplete { indent: " ".repeat(4 * depth) },
    })
}

/// Brackets still open, those in strings, characters and comments aside.
fn open_brackets(code: &str) -> usize {
    let (mut depth, mut chars) = (0_usize, code.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '/' if chars.peek() == Some(&'/') => drop(chars.by_ref().find(|c| *c == '\n')),
            '/' if chars.peek() == Some(&'*') => {
                let mut star = false;
                chars.by_ref().find(|c| std::mem::replace(&mut star, *c == '*') && *c == '/');
            }
            '"' => {
                while let Some(c) = chars.next().filter(|c| *c != '"') {
                    if c == '\\' {
                        chars.next();
                    }
                }
            }
            // A character; a lifetime has no second quote.
            '\'' => {
                let mut ahead = chars.clone();
                let first = ahead.next();
                let escaped = first == Some('\\') && ahead.next().is_some();
                if ahead.next() == Some('\'') {
                    chars = ahead;
                } else if escaped {
                    chars.by_ref().find(|c| *c == '\'');
                }
            }
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    depth
}

/// What can stand at the cursor, in characters, of a Rust cell: in its first line options and variables, below it what evcxr
/// knows, once a Rust cell has run.
pub fn complete(code: &str, cursor: usize, variables: &Variables, cells: &RustCells) -> Option<Completion> {
    let cell = split(code)?;
    let byte = |n: usize| code.char_indices().nth(n).map_or(code.len(), |(at, _)| at);
    let body = code.len() - cell.body.len();
    let at = byte(cursor);
    if cell.body.is_empty() && !code.ends_with('\n') || at < body {
        return Some(first_line(code.get(..at).unwrap_or_default(), cursor, variables));
    }
    let none = Completion { start: cursor, end: cursor, matches: Vec::new() };
    let Some(found) = cells.complete(cell.body, at - body) else { return Some(none) };
    let chars = |byte: usize| code.get(..body + byte).map_or(cursor, |s| s.chars().count());
    let kind = |kind: &str| match kind {
        "function" => MatchKind::Function,
        "variable" => MatchKind::Variable,
        "keyword" => MatchKind::Keyword,
        _ => MatchKind::Property,
    };
    let one = |(text, k, signature): (String, String, String)| {
        let (kind, doc) = (kind(&k), String::new());
        Match { text, kind, signature, doc }
    };
    let matches = found.matches.into_iter().map(one).collect();
    Some(Completion { start: chars(found.start), end: chars(found.end), matches })
}

fn first_line(before: &str, cursor: usize, variables: &Variables) -> Completion {
    let word = before.rsplit([' ', ',', '=']).next().unwrap_or_default();
    let named = before.trim_end_matches(word).trim_end();
    let wants = |option: &str| named.ends_with(option) || named.ends_with(',') || named.ends_with('=');
    let of = |text: String, kind, doc: &str| Match { text, kind, signature: String::new(), doc: doc.to_owned() };
    let mut matches = Vec::new();
    if word.starts_with('-') || !wants("--in") && !wants("--out") {
        let doc = ["variables that go into the cell", "variables that come out of it"];
        let options = ["--in", "--out"].into_iter().zip(doc);
        matches.extend(options.map(|(o, d)| of(o.into(), MatchKind::Option, d)));
    } else {
        let names = variables.names().into_iter();
        matches.extend(names.map(|text| of(text, MatchKind::Variable, "")));
    }
    matches.retain(|m| m.text.starts_with(word));
    Completion { start: cursor - word.chars().count(), end: cursor, matches }
}

/// What a Rust cell is, for its first line; a word below is looked up by whoever asked.
pub fn inspect(code: &str, cursor: usize) -> Option<Bundle> {
    let cell = split(code)?;
    let first = code.chars().count() - cell.body.chars().count();
    (cursor < first.max(MAGIC.len() + 1)).then(|| Bundle::text(HELP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rust_cell_ends_with_an_empty_line_and_closed_brackets() {
        let complete = |code| is_complete(code) == Some(Completeness::Complete);
        assert!(
            complete("%%rust\nlet x = 1;\n") && complete("%%rust\nlet c = '{'; let s: &'static str = \"{\"; // {\n")
        );
        assert!(!complete("%%rust") && !complete("%%rust\nlet x = 1;"));
        let open = is_complete("%%rust\nfn f() {\n");
        assert_eq!(open, Some(Completeness::Incomplete { indent: "    ".into() }));
        assert_eq!(is_complete("let x = 1;"), None);
    }
}
