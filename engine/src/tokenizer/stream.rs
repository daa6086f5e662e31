//! Text from tokens as they come, in whole characters.

use super::unified::{Kind, Tokenizer};
use crate::Token;
use crate::error::Result;

/// Turns tokens into text one at a time. Bytes wait until they make a whole character, so that what
/// [`TextStream::push`] returns can be shown at once; the pieces and [`TextStream::finish`] together are the text.
///
/// The tokens are taken as the middle of a text: a leading space stays.
#[derive(Debug, Clone)]
pub struct TextStream {
    tokenizer: Tokenizer,
    skip_special: bool,
    /// The start of a character whose end has not come.
    pending: Vec<u8>,
    /// For tokenizers whose tokens have no bytes of their own: the last tokens, and how many of them were shown.
    window: Vec<Token>,
    shown: usize,
}

impl TextStream {
    pub(super) fn new(tokenizer: Tokenizer, skip_special: bool) -> Self {
        Self { tokenizer, skip_special, pending: Vec::new(), window: Vec::new(), shown: 0 }
    }

    /// The characters that this token completes; often a word, sometimes nothing. An id outside the vocabulary is an
    /// error, and leaves the stream as it was.
    pub fn push(&mut self, id: Token) -> Result<String> {
        let bytes = match self.tokenizer.kind() {
            Kind::Gguf(t) => Some(t.bytes(id, self.skip_special)?),
            Kind::Hub(t) => t.bytes(id, self.skip_special)?,
        };
        match bytes {
            Some(bytes) => {
                self.pending.extend(bytes);
                Ok(whole_characters(&mut self.pending))
            }
            None => self.push_to_window(id),
        }
    }

    /// What is left: bytes that never made a character become U+FFFD. The stream is empty afterwards.
    pub fn finish(&mut self) -> String {
        let decode = |ids: &[Token]| self.tokenizer.decode(ids, self.skip_special).unwrap_or_default();
        let before = decode(self.window.get(..self.shown).unwrap_or_default());
        let after = decode(&self.window);
        let withheld = after.strip_prefix(before.as_str()).unwrap_or_default().to_owned();
        self.shown = 0;
        self.window.clear();
        let rest = std::mem::take(&mut self.pending);
        withheld + &String::from_utf8_lossy(&rest)
    }

    /// Decodes the last tokens with and without this one; the difference is its text.
    fn push_to_window(&mut self, id: Token) -> Result<String> {
        self.window.push(id);
        let before = self.tokenizer.decode(self.window.get(..self.shown).unwrap_or_default(), self.skip_special)?;
        let after = self.tokenizer.decode(&self.window, self.skip_special)?;
        let new = after.strip_prefix(before.as_str()).unwrap_or_default();
        if new.is_empty() || new.ends_with(char::REPLACEMENT_CHARACTER) {
            return Ok(String::new());
        }
        let new = new.to_owned();
        // The tokens shown now are the context of the next ones.
        self.window.drain(..self.shown);
        self.shown = self.window.len();
        Ok(new)
    }
}

/// Takes the whole characters from the front. Bytes that cannot become a character are U+FFFD.
fn whole_characters(pending: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut taken = 0;
    for chunk in pending.utf8_chunks() {
        text.push_str(chunk.valid());
        taken += chunk.valid().len();
        let invalid = chunk.invalid();
        let at_end = taken + invalid.len() == pending.len();
        if invalid.is_empty() || (at_end && may_continue(invalid)) {
            break;
        }
        text.push(char::REPLACEMENT_CHARACTER);
        taken += invalid.len();
    }
    pending.drain(..taken);
    text
}

/// Whether more bytes could make this a character.
fn may_continue(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|e| e.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(parts: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
        let mut pending = Vec::new();
        let shown = parts
            .iter()
            .map(|part| {
                pending.extend_from_slice(part);
                whole_characters(&mut pending)
            })
            .collect();
        (shown, pending)
    }

    #[test]
    fn a_character_waits_for_its_last_byte() {
        let (shown, rest) = feed(&[b"a\xF0", b"\x9F", b"\xA6", b"\x99b"]);
        assert_eq!(shown, ["a", "", "", "🦙b"]);
        assert!(rest.is_empty());
    }

    #[test]
    fn bytes_that_cannot_become_a_character_do_not_wait() {
        let (shown, rest) = feed(&[b"\xFFa", b"\xE6\x88", b"x", b"\xE6"]);
        assert_eq!(shown, ["\u{FFFD}a", "", "\u{FFFD}x", ""]);
        assert_eq!(rest, b"\xE6");
    }
}
