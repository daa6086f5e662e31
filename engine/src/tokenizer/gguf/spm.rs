//! SentencePiece with byte pairs: the pair that makes the token with the highest score is merged first, the leftmost
//! of equals; characters that make no token fall back to bytes.

use super::vocab::Vocab;
use crate::Token;
use crate::error::{Error, Result};
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

/// A SentencePiece encoder.
#[derive(Debug)]
pub(super) struct Spm {
    bytes: Box<[Option<Token>; 256]>,
    unknown: Option<Token>,
    /// Whether no token spans the start of a word, so that words can be merged one by one.
    by_words: bool,
}

/// Words shorter than this are remembered within one call.
const CACHED: usize = 64;

#[derive(Clone, Copy)]
struct Symbol {
    start: usize,
    /// Length in bytes; 0 once it was merged into its left neighbour.
    length: usize,
    previous: usize,
    next: usize,
}

const NONE: usize = usize::MAX;

/// A possible merge, ordered so that the heap's greatest is the next to do.
struct Candidate {
    score: f32,
    left: usize,
    right: usize,
    length: usize,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

impl Spm {
    /// An encoder; `unknown` stands for characters whose bytes the vocabulary lacks.
    pub fn new(vocab: &Vocab, unknown: Option<Token>) -> Self {
        let by_words = vocab.tokens.iter().all(|text| words(text).count() <= 1);
        Self { bytes: vocab.byte_tokens(), unknown, by_words }
    }

    /// Appends the tokens of a text, in which spaces are already `▁`.
    pub fn encode(&self, vocab: &Vocab, text: &str, out: &mut Vec<Token>) -> Result<()> {
        if !self.by_words {
            return self.encode_word(vocab, text, out);
        }
        // Where each cached word's tokens lie in `out`.
        let mut cache: HashMap<&str, (usize, usize)> = HashMap::new();
        for word in words(text) {
            if let Some(&(start, end)) = cache.get(word) {
                out.extend_from_within(start..end);
                continue;
            }
            let start = out.len();
            self.encode_word(vocab, word, out)?;
            if word.len() < CACHED {
                cache.insert(word, (start, out.len()));
            }
        }
        Ok(())
    }

    fn encode_word(&self, vocab: &Vocab, text: &str, out: &mut Vec<Token>) -> Result<()> {
        let mut symbols: Vec<Symbol> = text
            .char_indices()
            .enumerate()
            .map(|(i, (start, c))| Symbol {
                start,
                length: c.len_utf8(),
                previous: i.checked_sub(1).unwrap_or(NONE),
                next: i + 1,
            })
            .collect();
        if let Some(last) = symbols.last_mut() {
            last.next = NONE;
        }
        merge(vocab, text, &mut symbols);
        for symbol in symbols.iter().filter(|s| s.length > 0) {
            let piece = text.get(symbol.start..symbol.start + symbol.length).unwrap_or_default();
            match vocab.id(piece) {
                Some(id) => out.push(id),
                None => self.fall_back(piece, out)?,
            }
        }
        Ok(())
    }

    fn fall_back(&self, piece: &str, out: &mut Vec<Token>) -> Result<()> {
        for byte in piece.bytes() {
            let id = self.bytes.get(usize::from(byte)).copied().flatten().or(self.unknown);
            out.push(id.ok_or_else(|| {
                Error::argument("text", "characters that the vocabulary can spell", format!("{piece:?}"))
                    .with_help("this vocabulary has neither byte tokens nor an unknown token")
            })?);
        }
        Ok(())
    }
}

/// The words of a text: each starts at a `▁` that follows something else.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let spaces = rest.len() - rest.trim_start_matches('▁').len();
        let end = rest.get(spaces..).and_then(|word| word.find('▁')).map_or(rest.len(), |at| spaces + at);
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

fn merge(vocab: &Vocab, text: &str, symbols: &mut [Symbol]) {
    let candidate = |symbols: &[Symbol], left: usize| {
        let l = symbols.get(left)?;
        let r = symbols.get(l.next)?;
        let length = l.length + r.length;
        let id = vocab.id(text.get(l.start..l.start + length)?)?;
        Some(Candidate { score: vocab.score(id), left, right: l.next, length })
    };
    let mut queue: BinaryHeap<Candidate> = (0..symbols.len()).filter_map(|i| candidate(symbols, i)).collect();
    while let Some(Candidate { left, right, length, .. }) = queue.pop() {
        let (Some(&l), Some(&r)) = (symbols.get(left), symbols.get(right)) else { continue };
        // Either has changed since this was queued.
        if l.length == 0 || r.length == 0 || l.length + r.length != length {
            continue;
        }
        if let Some(symbol) = symbols.get_mut(left) {
            *symbol = Symbol { length, next: r.next, ..l };
        }
        if let Some(symbol) = symbols.get_mut(right) {
            symbol.length = 0;
        }
        if let Some(symbol) = symbols.get_mut(r.next) {
            symbol.previous = left;
        }
        queue.extend(candidate(symbols, l.previous));
        queue.extend(candidate(symbols, left));
    }
}
