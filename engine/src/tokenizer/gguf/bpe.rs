//! Byte pair encoding: the pair with the lowest rank is merged first, the leftmost of equals.

use super::keys::Keys;
use super::split::Splitter;
use super::unicode;
use super::vocab::{Model, Vocab};
use crate::Token;
use crate::error::Result;
use crate::tokenizer::bytes;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// A byte pair encoder.
#[derive(Debug)]
pub(super) struct Bpe {
    splitter: Splitter,
    /// (left, right) to (rank, what they become).
    merges: HashMap<(Token, Token), (u32, Token)>,
    /// The token of each byte: `Ġ`-style in byte-level vocabularies, `<0xNN>` in the others.
    bytes: Box<[Option<Token>; 256]>,
    /// Lower-case letters first; only Jina's variant does.
    lowercase: bool,
}

/// A symbol of a word that is being merged.
#[derive(Clone, Copy)]
struct Symbol {
    /// Its token; `None` for a character that is not in the vocabulary.
    token: Option<Token>,
    start: usize,
    /// Length in bytes; 0 once it was merged into its left neighbour.
    length: usize,
    previous: usize,
    next: usize,
}

const NONE: usize = usize::MAX;

/// Words shorter than this are remembered within one call.
const CACHED: usize = 64;

impl Bpe {
    /// Reads the merges and checks that they fit the vocabulary.
    pub fn read(keys: Keys<'_>, vocab: &Vocab) -> Result<Self> {
        let key = "tokenizer.ggml.merges";
        let lines = match keys.array(key)? {
            Some(lines) => lines,
            // Kimi's merges are implied by its ranks, which GGUF files leave out.
            None if vocab.pre.names.contains(&"kimi-k2") => &[],
            None => return Err(keys.bad(format!("{key} is missing; byte pair encoding cannot do without"))),
        };
        let mut merges = HashMap::with_capacity(lines.len());
        for (rank, line) in (0u32..).zip(lines) {
            let text = line.as_str().unwrap_or_default();
            // The first character may itself be a space.
            let first = text.chars().next().map_or(0, char::len_utf8);
            let space = text.get(first..).and_then(|rest| rest.find(' ')).map(|at| first + at);
            let parts = space.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?)));
            let Some((left, right)) = parts else {
                return Err(keys.bad(format!("{key}[{rank}]: expected two tokens with a space between, found {line}")));
            };
            let find = |piece: &str| {
                vocab
                    .id(piece)
                    .ok_or_else(|| keys.bad(format!("{key}[{rank}] ({text:?}): {piece:?} is not in the vocabulary")))
            };
            let pair = (find(left)?, find(right)?);
            let merged = find(&format!("{left}{right}"))?;
            merges.entry(pair).or_insert((rank, merged));
        }
        let bytes = if vocab.pre.byte_encode {
            let mut tokens = Box::new([None; 256]);
            for (byte, slot) in (0..=255u8).zip(tokens.iter_mut()) {
                *slot = vocab.id(bytes::to_char(byte).encode_utf8(&mut [0; 4]));
            }
            tokens
        } else {
            vocab.byte_tokens()
        };
        let lowercase = vocab.model == (Model::Bpe { whitespace: true, gemma: false })
            && keys.boolean("tokenizer.ggml.normalizer.lowercase")?.unwrap_or(!vocab.pre.names.contains(&"whitespace"));
        Ok(Self { splitter: Splitter::new(vocab.pre)?, merges, bytes, lowercase })
    }

    /// The pairs that are merged, the first to be merged first.
    pub fn merges(&self) -> Vec<(Token, Token)> {
        let mut ranked: Vec<_> = self.merges.iter().map(|(pair, (rank, _))| (*rank, *pair)).collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, pair)| pair).collect()
    }

    /// Appends the tokens of a text that holds no special tokens.
    pub fn encode(&self, vocab: &Vocab, text: &str, out: &mut Vec<Token>) -> Result<()> {
        if let Model::Bpe { whitespace: true, .. } = vocab.model {
            for word in text.split_whitespace() {
                let lowered: String =
                    word.chars().map(|c| if self.lowercase { unicode::lowercase(c) } else { c }).collect();
                self.encode_text(vocab, &lowered, out)?;
            }
            return Ok(());
        }
        if vocab.pre.escape_whitespaces {
            return self.encode_text(vocab, &text.replace(' ', "▁"), out);
        }
        self.encode_text(vocab, text, out)
    }

    fn encode_text(&self, vocab: &Vocab, text: &str, out: &mut Vec<Token>) -> Result<()> {
        // Where each cached word's tokens lie in `out`.
        let mut cache: HashMap<&str, (usize, usize)> = HashMap::new();
        for range in self.splitter.split(text)? {
            let word = text.get(range).unwrap_or_default();
            if vocab.pre.metaspace {
                metaspace(word, |part| self.encode_word(vocab, part, out));
                continue;
            }
            if let Some(&(start, end)) = cache.get(word) {
                out.extend_from_within(start..end);
                continue;
            }
            let start = out.len();
            self.encode_word(vocab, word, out);
            if word.len() < CACHED {
                cache.insert(word, (start, out.len()));
            }
        }
        Ok(())
    }

    fn encode_word(&self, vocab: &Vocab, word: &str, out: &mut Vec<Token>) {
        let pre = vocab.pre;
        if pre.ignore_merges || (pre.whole_newlines && word.bytes().all(|b| b == b'\n')) {
            let spelled: Option<String> = pre.byte_encode.then(|| word.bytes().map(bytes::to_char).collect());
            if let Some(id) = vocab.id(spelled.as_deref().unwrap_or(word)) {
                out.push(id);
                return;
            }
        }
        let mut symbols = self.symbols(vocab, word);
        self.merge(&mut symbols);
        for symbol in symbols.iter().filter(|s| s.length > 0) {
            match symbol.token {
                Some(token) => out.push(token),
                // A byte-level vocabulary without this byte: llama.cpp drops it.
                None if pre.byte_encode => {}
                None => {
                    let text = word.as_bytes().get(symbol.start..symbol.start + symbol.length).unwrap_or_default();
                    out.extend(text.iter().filter_map(|&b| self.bytes.get(usize::from(b)).copied().flatten()));
                }
            }
        }
    }

    /// The symbols a word starts as: its bytes, or its characters where the vocabulary is plain text.
    fn symbols(&self, vocab: &Vocab, word: &str) -> Vec<Symbol> {
        let symbol = |start, length, token| Symbol { token, start, length, previous: NONE, next: NONE };
        let mut symbols: Vec<Symbol> = if vocab.pre.byte_encode {
            let token = |b: u8| self.bytes.get(usize::from(b)).copied().flatten();
            word.bytes().enumerate().map(|(i, b)| symbol(i, 1, token(b))).collect()
        } else {
            word.char_indices().map(|(i, c)| symbol(i, c.len_utf8(), vocab.id(c.encode_utf8(&mut [0; 4])))).collect()
        };
        let count = symbols.len();
        for (i, symbol) in symbols.iter_mut().enumerate() {
            symbol.previous = i.checked_sub(1).unwrap_or(NONE);
            symbol.next = if i + 1 < count { i + 1 } else { NONE };
        }
        symbols
    }

    fn merge(&self, symbols: &mut [Symbol]) {
        let mut queue = BinaryHeap::with_capacity(symbols.len());
        // The merge of a symbol with its right neighbour, when there is one.
        let candidate = |symbols: &[Symbol], left: usize| {
            let l = symbols.get(left)?;
            let r = symbols.get(l.next)?;
            let &(rank, merged) = self.merges.get(&(l.token?, r.token?))?;
            Some(Reverse((rank, left, l.next, merged, l.length + r.length)))
        };
        queue.extend((0..symbols.len()).filter_map(|i| candidate(symbols, i)));
        while let Some(Reverse((_, left, right, merged, length))) = queue.pop() {
            let (Some(&l), Some(&r)) = (symbols.get(left), symbols.get(right)) else { continue };
            // Either has changed since this was queued.
            if l.length == 0 || r.length == 0 || l.length + r.length != length {
                continue;
            }
            if let Some(symbol) = symbols.get_mut(left) {
                *symbol = Symbol { token: Some(merged), length, next: r.next, ..l };
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
}

/// SentencePiece's "Metaspace" cut: a line starts with `▁`, and each `▁` starts a word.
fn metaspace(line: &str, mut each: impl FnMut(&str)) {
    if line.bytes().all(|b| b == b'\n') {
        return each(line);
    }
    let line = if line.starts_with('▁') { line.to_owned() } else { format!("▁{line}") };
    let mut start = 0;
    for (at, _) in line.match_indices('▁').skip(1).chain([(line.len(), "")]) {
        each(line.get(start..at).unwrap_or_default());
        start = at;
    }
}
