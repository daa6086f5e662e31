//! WordPiece, BERT's algorithm: normalize, cut at white space and punctuation, then take the longest token that fits,
//! from left to right. In GGUF vocabularies the start of a word is marked (`▁`), not its continuation.

use super::keys::Keys;
use super::unicode::{self, Class};
use super::vocab::Vocab;
use crate::Token;
use crate::error::Result;

/// A WordPiece encoder.
#[derive(Debug)]
pub(super) struct WordPiece {
    lowercase: bool,
    strip_accents: bool,
    unknown: Option<Token>,
}

impl WordPiece {
    /// Reads how texts are normalized; lower case without accents unless the file says otherwise.
    pub fn read(keys: Keys<'_>, unknown: Option<Token>) -> Result<Self> {
        let lowercase = keys.boolean("tokenizer.ggml.normalizer.lowercase")?.unwrap_or(true);
        let strip_accents = keys.boolean("tokenizer.ggml.normalizer.strip_accents")?.unwrap_or(lowercase);
        Ok(Self { lowercase, strip_accents, unknown })
    }

    /// Appends the tokens of a text.
    pub fn encode(&self, vocab: &Vocab, text: &str, out: &mut Vec<Token>) {
        for word in self.words(text) {
            let start = out.len();
            let marked = format!("▁{word}");
            let mut rest = marked.as_str();
            while !rest.is_empty() {
                let Some((id, length)) = longest(vocab, rest) else {
                    // A word with a part that is no token is unknown as a whole.
                    out.truncate(start);
                    break;
                };
                out.push(id);
                rest = rest.get(length..).unwrap_or_default();
            }
            if out.len() == start {
                out.extend(self.unknown);
            }
        }
    }

    fn words(&self, text: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let start_word = |words: &mut Vec<String>| {
            if words.last().is_some_and(|word| !word.is_empty()) {
                words.push(String::new());
            }
        };
        for c in text.chars() {
            let c = if self.strip_accents { unicode::base(c) } else { c };
            let class = unicode::class(c);
            if c.is_whitespace() {
                start_word(&mut words);
                continue;
            }
            let dropped = c == '\0' || c == char::REPLACEMENT_CHARACTER || class == Class::Control;
            if dropped || (self.strip_accents && class == Class::Mark) {
                continue;
            }
            let alone = class == Class::Punctuation || (c < '\u{7F}' && class == Class::Symbol) || is_chinese(c);
            let c = if self.lowercase { unicode::lowercase(c) } else { c };
            if alone {
                start_word(&mut words);
            }
            if let Some(word) = words.last_mut() {
                word.push(c);
            }
            if alone {
                words.push(String::new());
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }
}

/// The longest token at the start of `text`, and its length in bytes.
fn longest(vocab: &Vocab, text: &str) -> Option<(Token, usize)> {
    // llama.cpp looks one byte further than the longest token; that finds no more.
    let limit = text.len().min(vocab.longest);
    (1..=limit).rev().find_map(|length| Some((vocab.id(text.get(..length)?)?, length)))
}

/// The blocks that BERT cuts into single characters, as Hugging Face's implementation has them.
fn is_chinese(c: char) -> bool {
    matches!(c, '\u{4E00}'..='\u{9FFF}' | '\u{3400}'..='\u{4DBF}' | '\u{20000}'..='\u{2A6DF}'
        | '\u{2A700}'..='\u{2B73F}' | '\u{2B740}'..='\u{2B81F}' | '\u{2B920}'..='\u{2CEAF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{2F800}'..='\u{2FA1F}')
}
