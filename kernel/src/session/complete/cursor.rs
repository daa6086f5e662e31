//! Where the cursor stands: in which string, argument, options map.

use crate::session::lexer::{Kind, Piece, pieces};

/// The text before the cursor, in pieces.
pub struct Before {
    /// Its characters.
    pub chars: Vec<char>,
    /// Its pieces, comments left out.
    pub pieces: Vec<Piece>,
    /// The cursor stands in a comment.
    pub comment: bool,
}

/// The call whose brackets a place stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The piece that is its name.
    pub name: usize,
    /// Arguments before the one the place is in.
    pub argument: usize,
    /// Where the place is in an options map of the call: the piece that is the key before it, if one is.
    pub option: Option<Option<usize>>,
}

impl Before {
    /// Looks at the text before a cursor that is counted in characters.
    pub fn new(code: &str, cursor: usize) -> Self {
        let chars: Vec<char> = code.chars().take(cursor).collect();
        let mut pieces = pieces(&chars);
        let comment = pieces.last().is_some_and(|p| p.kind == Kind::Comment { closed: false });
        pieces.retain(|p| !matches!(p.kind, Kind::Comment { .. }));
        Self { chars, pieces, comment }
    }

    /// The text of a piece.
    pub fn text(&self, piece: &Piece) -> String {
        self.chars.get(piece.start..piece.end).unwrap_or_default().iter().collect()
    }

    /// The text of the piece of this number, when it is a word.
    pub fn word(&self, at: usize) -> Option<String> {
        self.pieces.get(at).filter(|p| p.kind == Kind::Word).map(|p| self.text(p))
    }

    /// Whether the piece of this number is a mark.
    pub fn is(&self, at: usize, mark: char) -> bool {
        self.pieces.get(at).is_some_and(|p| p.is(mark))
    }

    /// The string that is open at the cursor: its piece, and what has been typed of it.
    pub fn open_string(&self) -> Option<(usize, String)> {
        let at = self.pieces.len().checked_sub(1)?;
        let piece = self.pieces.get(at)?;
        let quoted = self.chars.get(piece.start) == Some(&'"');
        (piece.kind == Kind::Text { closed: false } && quoted)
            .then(|| (at, self.chars.get(piece.start + 1..).unwrap_or_default().iter().collect()))
    }

    /// The number of pieces before the word that is being typed, and the word.
    pub fn typed(&self) -> (usize, String) {
        match self.pieces.split_last() {
            Some((last, before)) if last.kind == Kind::Word && last.end == self.chars.len() => {
                (before.len(), self.text(last))
            }
            _ => (self.pieces.len(), String::new()),
        }
    }

    /// The bracket that is open before the piece of this number, and the commas between.
    pub fn open_bracket(&self, at: usize) -> Option<(usize, usize)> {
        let (mut depth, mut commas) = (0_usize, 0);
        for n in (0..at.min(self.pieces.len())).rev() {
            match self.pieces.get(n)?.kind {
                Kind::Mark(')' | ']' | '}') => depth += 1,
                Kind::Mark('(' | '[' | '{') if depth > 0 => depth -= 1,
                Kind::Mark('(' | '[' | '{') => return Some((n, commas)),
                Kind::Mark(',') if depth == 0 => commas += 1,
                Kind::Mark(';') if depth == 0 => return None,
                _ => {}
            }
        }
        None
    }

    /// The call around the piece of this number: through arrays, and through one options map.
    pub fn call(&self, at: usize) -> Option<Call> {
        let mut place = at;
        let mut option = None;
        loop {
            let (open, commas) = self.open_bracket(place)?;
            match self.pieces.get(open)?.kind {
                Kind::Mark('(') => {
                    let name = open.checked_sub(1)?;
                    self.word(name)?;
                    return Some(Call { name, argument: commas, option });
                }
                Kind::Mark('{') if option.is_none() && open > 0 && self.is(open - 1, '#') => {
                    option = Some(self.key(open, place));
                    place = open - 1;
                }
                Kind::Mark('[') => place = open,
                _ => return None,
            }
        }
    }

    /// The key of a map before the value that a place is in: the word before the last colon.
    fn key(&self, open: usize, place: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for n in (open + 1..place).rev() {
            match self.pieces.get(n)?.kind {
                Kind::Mark(')' | ']' | '}') => depth += 1,
                Kind::Mark('(' | '[' | '{') if depth > 0 => depth -= 1,
                Kind::Mark(',') if depth == 0 => return None,
                Kind::Mark(':') if depth == 0 => return n.checked_sub(1),
                _ => {}
            }
        }
        None
    }
}
