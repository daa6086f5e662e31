//! A light look at a text that is being typed: pieces with their places, also where the text is half of a cell.

/// The words of the language.
pub const KEYWORDS: &[&str] = &[
    "let", "const", "if", "else", "switch", "while", "loop", "do", "until", "for", "in", "continue", "break", "return",
    "throw", "try", "catch", "fn", "private", "import", "export", "as", "this", "true", "false", "global",
];

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name or a word of the language.
    Word,
    /// A number.
    Number,
    /// A quoted string or a part of a backtick string; `closed` when its end is there.
    Text {
        /// Whether the closing mark is there.
        closed: bool,
    },
    /// A comment; `closed` when nothing that follows can belong to it.
    Comment {
        /// Whether it has ended.
        closed: bool,
    },
    /// One character of anything else; of a backtick string's `${` the brace.
    Mark(char),
}

/// A piece of text: what it is, and from which character to which it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: Kind,
    /// Its first character.
    pub start: usize,
    /// The character after its last.
    pub end: usize,
}

impl Piece {
    /// Whether it is this mark.
    pub fn is(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }
}

/// The pieces of a text; space is left out.
pub fn pieces(text: &[char]) -> Vec<Piece> {
    let mut out = Vec::new();
    // For each open `${…}` of a backtick string the braces that are open inside.
    let mut inside: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        let start = at;
        let next = text.get(at + 1).copied();
        let kind = match c {
            c if c.is_whitespace() => {
                at += 1;
                continue;
            }
            '/' if next == Some('/') => {
                at = text.iter().skip(at).position(|c| *c == '\n').map_or(text.len(), |n| at + n);
                Kind::Comment { closed: at < text.len() }
            }
            '/' if next == Some('*') => {
                let (end, closed) = comment(text, at);
                at = end;
                Kind::Comment { closed }
            }
            '"' | '\'' => {
                let (end, closed) = quoted(text, at, c);
                at = end;
                Kind::Text { closed }
            }
            '`' => {
                let (end, kind, opens) = backtick(text, at + 1);
                at = end;
                if opens {
                    inside.push(0);
                }
                kind
            }
            '}' if inside.last() == Some(&0) => {
                out.push(Piece { kind: Kind::Mark('}'), start, end: at + 1 });
                inside.pop();
                let from = at + 1;
                let (end, kind, opens) = backtick(text, from);
                at = end;
                if opens {
                    inside.push(0);
                }
                out.push(Piece { kind, start: from, end });
                if opens {
                    out.push(Piece { kind: Kind::Mark('{'), start: end - 1, end });
                }
                continue;
            }
            c if is_word(c) => {
                while text.get(at).copied().is_some_and(is_word) {
                    at += 1;
                }
                if c.is_ascii_digit() { Kind::Number } else { Kind::Word }
            }
            c => {
                at += 1;
                match (c, inside.last_mut()) {
                    ('{', Some(open)) => *open += 1,
                    ('}', Some(open)) => *open = open.saturating_sub(1),
                    _ => {}
                }
                Kind::Mark(c)
            }
        };
        out.push(Piece { kind, start, end: at });
        if c == '`' && matches!(text.get(at.wrapping_sub(1)), Some('{')) && kind == (Kind::Text { closed: true }) {
            out.push(Piece { kind: Kind::Mark('{'), start: at - 1, end: at });
        }
    }
    out
}

/// A character of a name or a number.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where a comment ends, comments inside it included.
fn comment(text: &[char], from: usize) -> (usize, bool) {
    let (mut depth, mut at) = (0_usize, from);
    while at < text.len() {
        match (text.get(at), text.get(at + 1)) {
            (Some('/'), Some('*')) => depth += 1,
            (Some('*'), Some('/')) => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return (at, true);
        }
    }
    (text.len(), false)
}

/// Where a quoted string ends: at its mark, or with its line, over which only a backslash carries it.
fn quoted(text: &[char], from: usize, mark: char) -> (usize, bool) {
    let mut at = from + 1;
    while let Some(&c) = text.get(at) {
        match c {
            '\\' => at += 1,
            '\n' => return (at, true),
            c if c == mark => return (at + 1, true),
            _ => {}
        }
        at += 1;
    }
    (text.len(), false)
}

/// Where a part of a backtick string ends, and whether a `${` opened there.
fn backtick(text: &[char], from: usize) -> (usize, Kind, bool) {
    let mut at = from;
    while let Some(&c) = text.get(at) {
        match (c, text.get(at + 1)) {
            ('`', Some('`')) => at += 1,
            ('`', _) => return (at + 1, Kind::Text { closed: true }, false),
            ('$', Some('{')) => return (at + 2, Kind::Text { closed: true }, true),
            _ => {}
        }
        at += 1;
    }
    (text.len(), Kind::Text { closed: false }, false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn of(text: &str) -> Vec<(String, Kind)> {
        let chars: Vec<char> = text.chars().collect();
        pieces(&chars).iter().map(|p| (chars[p.start..p.end].iter().collect(), p.kind)).collect()
    }

    #[test]
    fn a_text_comes_apart_into_pieces() {
        let words = |text: &str| of(text).into_iter().map(|(t, _)| t).collect::<Vec<_>>();
        assert_eq!(
            words("let ä = f(\"a\\\"b\", 1_0); // x\ny"),
            ["let", "ä", "=", "f", "(", "\"a\\\"b\"", ",", "1_0", ")", ";", "// x", "y"]
        );
        assert_eq!(words("/* a /* b */ c */ d"), ["/* a /* b */ c */", "d"]);
        assert_eq!(
            words("`a ${x + #{y: 1}.y} b` z"),
            ["`a ${", "{", "x", "+", "#", "{", "y", ":", "1", "}", ".", "y", "}", " b`", "z"]
        );
    }

    #[test]
    fn what_is_open_says_so() {
        let last = |text: &str| of(text).last().unwrap().1;
        assert_eq!(last("f(\"ab"), Kind::Text { closed: false });
        assert_eq!(last("f(\"ab\""), Kind::Text { closed: true });
        assert_eq!(last("`ab"), Kind::Text { closed: false });
        assert_eq!(last("`a${b} c"), Kind::Text { closed: false });
        assert_eq!(last("`a${b"), Kind::Word);
        assert_eq!(last("// ab"), Kind::Comment { closed: false });
        assert_eq!(last("/* ab"), Kind::Comment { closed: false });
        assert_eq!(last("/* ab */"), Kind::Comment { closed: true });
    }

    #[test]
    fn any_text_has_pieces_within_it() {
        let alphabet = ['"', '`', '$', '{', '}', '/', '*', '\\', '\n', 'a', '\'', 'é', '#', '('];
        let mut seed = 7_u64;
        for _ in 0..3000 {
            let text: Vec<char> = (0..14)
                .map(|_| {
                    seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    alphabet[(seed >> 33) as usize % alphabet.len()]
                })
                .collect();
            assert!(pieces(&text).iter().all(|p| p.start <= p.end && p.end <= text.len()), "{text:?}");
        }
    }
}
