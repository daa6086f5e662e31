//! Colours for the text that is being typed: a light look at it, which also copes with half of a cell.

use crate::session::{KEYWORDS, magics};
use nu_ansi_term::{Color, Style};
use reedline::{Highlighter, StyledText};

/// Colours keywords, strings, numbers, comments and calls.
pub struct CellHighlighter;

impl Highlighter for CellHighlighter {
    fn highlight(&self, text: &str, _cursor: usize) -> StyledText {
        let mut styled = StyledText::new();
        for (kind, piece) in pieces(text) {
            styled.push((style(kind), piece.to_owned()));
        }
        styled
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Keyword,
    Text,
    Number,
    Comment,
    Call,
}

fn style(kind: Kind) -> Style {
    match kind {
        Kind::Plain => Style::new(),
        Kind::Keyword => Color::Magenta.normal(),
        Kind::Text => Color::Green.normal(),
        Kind::Number => Color::Cyan.normal(),
        Kind::Comment => Style::new().fg(Color::DarkGray),
        Kind::Call => Color::LightBlue.normal(),
    }
}

/// The text cut into pieces that together are the text.
fn pieces(text: &str) -> Vec<(Kind, &str)> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let starts_line = text.get(..text.len() - rest.len()).is_none_or(|b| b.is_empty() || b.ends_with('\n'));
        let (kind, length) = next(rest, first, starts_line);
        let (piece, after) = rest.split_at(length.clamp(first.len_utf8(), rest.len()));
        out.push((kind, piece));
        rest = after;
    }
    out
}

fn next(rest: &str, first: char, starts_line: bool) -> (Kind, usize) {
    let run = |keep: fn(char) -> bool| rest.find(|c: char| !keep(c)).unwrap_or(rest.len());
    if starts_line && let Some((signs, name, _)) = magics::named(rest.lines().next().unwrap_or_default()) {
        return (Kind::Keyword, signs + name.len());
    }
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, rest.find("*/").map_or(rest.len(), |n| n + 2));
    }
    match first {
        '"' | '`' => (Kind::Text, quoted(rest, first)),
        '\'' => (Kind::Text, quoted(rest, first)),
        c if c.is_ascii_digit() => (Kind::Number, run(|c| c.is_alphanumeric() || c == '_')),
        c if c.is_alphabetic() || c == '_' => {
            let length = run(|c| c.is_alphanumeric() || c == '_');
            let (word, after) = rest.split_at(length);
            let kind = match word {
                word if KEYWORDS.contains(&word) => Kind::Keyword,
                _ if after.starts_with('(') => Kind::Call,
                _ => Kind::Plain,
            };
            (kind, length)
        }
        _ => (Kind::Plain, first.len_utf8()),
    }
}

/// Bytes up to and with the closing mark, or all where it is missing.
fn quoted(rest: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if mark != '`' => escaped = true,
            c if c == mark => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn pieces_are_the_text_and_know_their_kind() {
        let text = "let m = load(\"a\\\"b\", 1_000); // done ä\n`x ${m}` 'c' /* open";
        let pieces = pieces(text);
        assert_eq!(pieces.iter().map(|(_, p)| *p).collect::<String>(), text);
        let of = |piece: &str| pieces.iter().find(|(_, p)| *p == piece).unwrap().0;
        assert_eq!(of("let"), Kind::Keyword);
        assert_eq!(of("load"), Kind::Call);
        assert_eq!(of("\"a\\\"b\""), Kind::Text);
        assert_eq!(of("1_000"), Kind::Number);
        assert_eq!(of("// done ä"), Kind::Comment);
        assert_eq!(of("`x ${m}`"), Kind::Text);
        assert_eq!(of("/* open"), Kind::Comment);
        let magic = super::pieces("%time f(1)\n5 %time");
        assert_eq!(magic[0], (Kind::Keyword, "%time"));
        assert_eq!(magic.iter().filter(|(kind, _)| *kind == Kind::Keyword).count(), 1);
        for half in ["\"open", "`open ${", "/*", "é", "'"] {
            assert_eq!(super::pieces(half).iter().map(|(_, p)| *p).collect::<String>(), half);
        }
    }
}
