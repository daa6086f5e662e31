//! RWKV's "world" vocabulary: the longest token at each place, over bytes.

use super::trie::Trie;
use super::vocab::Vocab;
use crate::Token;

/// An RWKV encoder.
#[derive(Debug)]
pub(super) struct Rwkv {
    trie: Trie,
    unknown: Token,
}

impl Rwkv {
    /// Builds the trie. Bytes that no token starts with become `unknown`, or token 0, which RWKV reserves.
    pub fn new(vocab: &Vocab, unknown: Option<Token>) -> Self {
        let mut trie = Trie::default();
        for (id, text) in (0..).zip(&vocab.tokens) {
            trie.insert(&unescape(text), id);
        }
        Self { trie, unknown: unknown.unwrap_or(0) }
    }

    /// Appends the tokens of a text.
    pub fn encode(&self, text: &str, out: &mut Vec<Token>) {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let (length, token) = self.trie.prefixes(rest).last().unwrap_or((1, self.unknown));
            out.push(token);
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

/// The bytes of a token, which is written as a Python literal: `\n`, `\t`, `\r`, `\xNN`, `\\`.
pub(super) fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match rest.next() {
            Some(b't') => out.push(b'\t'),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b'x') => {
                let mut digit = || rest.next().and_then(|d| char::from(d).to_digit(16)).unwrap_or(0) as u8;
                let high = digit();
                out.push(high << 4 | digit());
            }
            other => out.extend(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn python_escapes() {
        assert_eq!(super::unescape(r"a\n\t\xe6\\b\'"), b"a\n\t\xe6\\b'");
    }
}
