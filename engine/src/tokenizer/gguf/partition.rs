//! Finding special tokens in a text before the rest is tokenized.

use super::vocab::{Kinds, Vocab};
use crate::Token;
use crate::error::{Error, Result};
use aho_corasick::{AhoCorasick, MatchKind};
use std::collections::BTreeSet;
use std::ops::Range;

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fragment {
    /// A special token.
    Token(Token),
    /// Text that is still to be tokenized, as bytes of the whole.
    Text(Range<usize>),
}

/// The tokens that are looked for in texts: control, unknown and user-defined ones.
#[derive(Debug)]
pub(super) struct Partition {
    /// Longest first, as llama.cpp tries them.
    tokens: Vec<Token>,
    /// Which of `tokens` occur in a text at all, found in one pass.
    finder: Option<AhoCorasick>,
}

impl Partition {
    /// Collects the special tokens of a vocabulary.
    pub fn new(vocab: &Vocab) -> Result<Self> {
        let special = Kinds::CONTROL.with(Kinds::USER_DEFINED).with(Kinds::UNKNOWN);
        let mut tokens: Vec<Token> = (0..vocab.len() as Token).filter(|&id| vocab.kinds(id).any(special)).collect();
        tokens.sort_by_key(|&id| std::cmp::Reverse(vocab.text(id).map_or(0, str::len)));
        let finder = (!tokens.is_empty())
            .then(|| {
                let texts = tokens.iter().filter_map(|&id| vocab.text(id));
                AhoCorasick::builder().match_kind(MatchKind::Standard).build(texts)
            })
            .transpose()
            .map_err(|e| Error::unsupported(format!("special tokens cannot be indexed: {e}"), ""))?;
        Ok(Self { tokens, finder })
    }

    /// Cuts a text at its special tokens. Without `parse_special` only user-defined tokens count.
    pub fn split(&self, vocab: &Vocab, text: &str, parse_special: bool) -> Vec<Fragment> {
        let mut fragments = Vec::new();
        if !text.is_empty() {
            fragments.push(Fragment::Text(0..text.len()));
        }
        let Some(finder) = &self.finder else { return fragments };
        let present: BTreeSet<usize> = finder.find_overlapping_iter(text).map(|m| m.pattern().as_usize()).collect();
        // A set of positions in `tokens` is in the order of `tokens`: longest first.
        for id in present.into_iter().filter_map(|i| self.tokens.get(i).copied()) {
            let hidden = vocab.kinds(id).any(Kinds::CONTROL.with(Kinds::UNKNOWN));
            if parse_special || !hidden {
                fragments = cut(vocab, text, fragments, id);
            }
        }
        fragments
    }
}

/// Cuts out every occurrence of one token.
fn cut(vocab: &Vocab, text: &str, fragments: Vec<Fragment>, id: Token) -> Vec<Fragment> {
    let (needle, kinds) = (vocab.text(id).unwrap_or_default(), vocab.kinds(id));
    let mut out = Vec::with_capacity(fragments.len() + 2);
    for fragment in fragments {
        let Fragment::Text(Range { mut start, end }) = fragment else {
            out.push(fragment);
            continue;
        };
        while let Some(at) = text.get(start..end).and_then(|part| part.find(needle)) {
            let found = start + at;
            let left = text.get(start..found).unwrap_or_default();
            let left = if kinds.any(Kinds::LSTRIP) { left.trim_end_matches(is_space) } else { left };
            if !left.is_empty() {
                out.push(Fragment::Text(start..start + left.len()));
            }
            out.push(Fragment::Token(id));
            start = found + needle.len();
            if kinds.any(Kinds::RSTRIP) {
                let right = text.get(start..end).unwrap_or_default();
                start += right.len() - right.trim_start_matches(is_space).len();
            }
        }
        if start < end {
            out.push(Fragment::Text(start..end));
        }
    }
    out
}

/// C's `isspace`.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{B}' | '\u{C}' | '\r')
}
