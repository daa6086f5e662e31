//! SentencePiece's unigram model, T5's: the segmentation with the highest sum of log-probabilities (Viterbi).

use super::charsmap::CharsMap;
use super::keys::Keys;
use super::trie::Trie;
use super::vocab::{Kinds, Vocab};
use crate::Token;
use crate::error::Result;

/// A unigram encoder.
#[derive(Debug)]
pub(super) struct Unigram {
    tokens: Trie,
    user_defined: Trie,
    charsmap: Option<CharsMap>,
    unknown: Token,
    /// What a character costs that is no token: ten less than the lowest score.
    unknown_score: f32,
    add_space_prefix: bool,
    merge_spaces: bool,
}

/// The best way found so far to reach a place.
#[derive(Clone, Copy)]
struct Best {
    token: Token,
    from: usize,
    score: f64,
}

impl Unigram {
    /// Reads the normalization and indexes the tokens.
    pub fn read(keys: Keys<'_>, vocab: &Vocab, unknown: Token) -> Result<Self> {
        let (mut tokens, mut user_defined) = (Trie::default(), Trie::default());
        let mut lowest = f32::MAX;
        for (id, text) in (0..).zip(&vocab.tokens) {
            let kinds = vocab.kinds(id);
            if kinds.any(Kinds::NORMAL) {
                lowest = lowest.min(vocab.score(id));
            }
            if kinds.any(Kinds::NORMAL.with(Kinds::USER_DEFINED).with(Kinds::UNUSED)) {
                tokens.insert(text.as_bytes(), id);
            }
            if kinds.any(Kinds::USER_DEFINED) {
                user_defined.insert(text.as_bytes(), id);
            }
        }
        Ok(Self {
            tokens,
            user_defined,
            charsmap: CharsMap::read(keys)?,
            unknown,
            unknown_score: lowest - 10.0,
            add_space_prefix: keys.boolean("tokenizer.ggml.add_space_prefix")?.unwrap_or(false),
            merge_spaces: keys.boolean("tokenizer.ggml.remove_extra_whitespaces")?.unwrap_or(false),
        })
    }

    /// Appends the tokens of a text.
    pub fn encode(&self, vocab: &Vocab, text: &str, out: &mut Vec<Token>) {
        let text = self.normalize(text);
        let unreached = Best { token: self.unknown, from: 0, score: f64::MIN };
        let mut best = vec![unreached; text.len() + 1];
        if let Some(first) = best.first_mut() {
            first.score = 0.0;
        }
        let mut at = 0;
        while at < text.len() {
            let rest = text.get(at..).unwrap_or_default();
            let character = utf8_length(rest).min(rest.len());
            let so_far = best.get(at).map_or(f64::MIN, |b| b.score);
            let mut reach = |length: usize, token, score: f64| {
                if let Some(slot) = best.get_mut(at + length).filter(|slot| score > slot.score) {
                    *slot = Best { token, from: at, score };
                }
            };
            let mut whole_character = false;
            for (length, token) in self.tokens.prefixes(rest) {
                whole_character |= length == character;
                let user_defined = vocab.kinds(token).any(Kinds::USER_DEFINED);
                reach(length, token, so_far + if user_defined { 0.0 } else { f64::from(vocab.score(token)) });
            }
            if !whole_character {
                reach(character, self.unknown, so_far + f64::from(self.unknown_score));
            }
            at += character;
        }
        let start = out.len();
        let mut at = text.len();
        let mut after_unknown = false;
        while at > 0 {
            let Some(step) = best.get(at) else { break };
            let unknown = step.token == self.unknown;
            // A run of unknown characters is one unknown token.
            if !(unknown && after_unknown) {
                out.push(step.token);
            }
            after_unknown = unknown;
            at = step.from;
        }
        if let Some(added) = out.get_mut(start..) {
            added.reverse();
        }
    }

    /// Applies the character map and writes spaces as `▁`. Bytes, because llama.cpp may cut a character here.
    fn normalize(&self, text: &str) -> Vec<u8> {
        const SPACE: &[u8] = "▁".as_bytes();
        let mut out = Vec::with_capacity(text.len() * 2);
        let mut rest = text.as_bytes();
        let (mut prefixed, mut in_word) = (false, false);
        while !rest.is_empty() {
            let (replacement, consumed) = self.normalize_prefix(rest);
            for &byte in replacement {
                if byte == b' ' {
                    in_word = false;
                    if !self.merge_spaces {
                        out.extend_from_slice(SPACE);
                    }
                    continue;
                }
                if !in_word {
                    in_word = true;
                    if (self.add_space_prefix && !prefixed) || self.merge_spaces {
                        out.extend_from_slice(SPACE);
                        prefixed = true;
                    }
                }
                out.push(byte);
            }
            rest = rest.get(consumed.max(1)..).unwrap_or_default();
        }
        out
    }

    /// What the start of `text` becomes, and how many bytes of it that takes.
    fn normalize_prefix<'a>(&'a self, text: &'a [u8]) -> (&'a [u8], usize) {
        let own = self.user_defined.path(text);
        if own > 0 {
            return (text.get(..own).unwrap_or_default(), own);
        }
        if let Some((replacement, length)) = self.charsmap.as_ref().and_then(|map| map.longest(text)) {
            return (replacement, length);
        }
        let length = utf8_length(text);
        match text.get(..length).filter(|c| std::str::from_utf8(c).is_ok()) {
            Some(character) => (character, length),
            None => ("\u{FFFD}".as_bytes(), 1),
        }
    }
}

/// The length of a character by its first byte.
fn utf8_length(text: &[u8]) -> usize {
    match text.first() {
        Some(0xC0..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..) => 4,
        _ => 1,
    }
}
