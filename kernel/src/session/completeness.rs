//! Whether a text can be run as it stands.

use super::magics::{self, Parsed};
use super::types::Completeness;
use rhai::{Engine, LexError, ParseErrorType, Token};

/// Spaces per open bracket for the next line.
const INDENT: usize = 4;

/// Whether `code` is whole, needs more lines, or has an error no line can mend.
///
/// A cell in the hands of a magic that is not Rhai ends with an empty line, since nothing else says where.
pub fn of(engine: &Engine, code: &str) -> Completeness {
    let below = |line: usize| code.split_inclusive('\n').skip(line).collect::<String>();
    match magics::parse(code) {
        None => of_code(engine, code),
        Some(Parsed::Lines { code: first }) => of_code(engine, &below(first)),
        Some(Parsed::Cell { line, name, .. }) => {
            let body = below(line + 1);
            let rhai = magics::table::CELL.iter().any(|m| m.name == name && m.rhai);
            match rhai && !body.trim().is_empty() {
                true => of_code(engine, &body),
                false if !body.trim().is_empty() && code.ends_with('\n') => Completeness::Complete,
                false => Completeness::Incomplete { indent: String::new() },
            }
        }
    }
}

fn of_code(engine: &Engine, code: &str) -> Completeness {
    let code = magics::last_question(code).map_or(code, |asked| asked.before);
    let scan = Scan::of(code);
    if scan.open_comment || scan.open_backtick {
        return Completeness::Incomplete { indent: String::new() };
    }
    let Err(error) = engine.compile(code) else { return Completeness::Complete };
    let at_end = error.position().is_none() || position_is_past(code, error.position());
    let more = match error.err_type() {
        ParseErrorType::UnexpectedEOF => true,
        // A quoted string ends on its line; only an escaped line end carries it on.
        ParseErrorType::BadInput(LexError::UnterminatedString) => code.trim_end_matches('\n').ends_with('\\'),
        _ => at_end,
    };
    match more {
        true => Completeness::Incomplete { indent: " ".repeat(INDENT * scan.depth) },
        false => Completeness::Invalid,
    }
}

/// Whether the last thing in the text, comments aside, is a semicolon: then its value is not wanted.
pub fn ends_in_semicolon(engine: &Engine, code: &str) -> bool {
    let (tokens, _) = engine.lex([&code]);
    let last = tokens
        .map(|(token, _)| token)
        .take_while(|t| !matches!(t, Token::EOF))
        .filter(|t| !matches!(t, Token::Comment(_)))
        .last();
    matches!(last, Some(Token::SemiColon))
}

/// Whether nothing but space and comments follows a position.
fn position_is_past(code: &str, position: rhai::Position) -> bool {
    let (Some(line), column) = (position.line(), position.position().unwrap_or(0)) else { return true };
    let mut lines = code.lines().skip(line.saturating_sub(1));
    let rest: String = lines.next().unwrap_or_default().chars().skip(column.saturating_sub(1)).collect();
    let tail = lines.collect::<Vec<_>>().join("\n");
    Scan::of(&format!("{rest}\n{tail}")).blank
}

/// What a look at the text alone tells.
struct Scan {
    open_comment: bool,
    open_backtick: bool,
    /// Brackets of any kind still open.
    depth: usize,
    /// Nothing but space and comments.
    blank: bool,
}

impl Scan {
    fn of(code: &str) -> Self {
        let mut scan = Self { open_comment: false, open_backtick: false, depth: 0, blank: true };
        let mut chars = code.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '/' if chars.peek() == Some(&'/') => {
                    chars.by_ref().find(|c| *c == '\n');
                    continue;
                }
                '/' if chars.peek() == Some(&'*') => {
                    chars.next();
                    scan.open_comment = !skip_comment(&mut chars);
                    continue;
                }
                c if c.is_whitespace() => continue,
                '"' | '\'' => skip_string(&mut chars, c),
                '`' => scan.open_backtick = !skip_backtick(&mut chars),
                '{' | '(' | '[' => scan.depth += 1,
                '}' | ')' | ']' => scan.depth = scan.depth.saturating_sub(1),
                _ => {}
            }
            scan.blank = false;
        }
        scan
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Skips to the end of a comment, which can contain comments; false when it has none.
fn skip_comment(chars: &mut Chars<'_>) -> bool {
    let mut depth = 1;
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('/', Some('*')) => depth += 1,
            ('*', Some('/')) => depth -= 1,
            _ => continue,
        }
        chars.next();
        if depth == 0 {
            return true;
        }
    }
    false
}

/// Skips to the end of a string, or of a character between single quotes.
fn skip_string(chars: &mut Chars<'_>, quote: char) {
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            c if c == quote || c == '\n' => return,
            _ => {}
        }
    }
}

/// Skips to the end of a backtick string, through the scripts in its `${…}`; false when it has none.
fn skip_backtick(chars: &mut Chars<'_>) -> bool {
    while let Some(c) = chars.next() {
        match c {
            // Two backticks stand for one.
            '`' if chars.peek() == Some(&'`') => drop(chars.next()),
            '`' => return true,
            '$' if chars.peek() == Some(&'{') => {
                chars.next();
                if !skip_interpolation(chars) {
                    return false;
                }
            }
            _ => {}
        }
    }
    false
}

fn skip_interpolation(chars: &mut Chars<'_>) -> bool {
    let mut depth = 1;
    while let Some(c) = chars.next() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            '"' | '\'' => skip_string(chars, c),
            '`' if !skip_backtick(chars) => return false,
            _ => {}
        }
        if depth == 0 {
            return true;
        }
    }
    false
}
