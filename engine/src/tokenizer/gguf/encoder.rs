//! One interface over the algorithms: special tokens, the algorithm of the vocabulary, and back to bytes.

use super::bpe::Bpe;
use super::keys::Keys;
use super::partition::{Fragment, Partition};
use super::rwkv::{self, Rwkv};
use super::special::Special;
use super::spm::Spm;
use super::unigram::Unigram;
use super::vocab::{Kinds, Model, Vocab};
use super::wordpiece::WordPiece;
use crate::Token;
use crate::error::{Error, Result};
use crate::format::Metadata;
use crate::tokenizer::bytes;
use std::collections::BTreeSet;
use std::path::Path;

/// The tokenizer of a GGUF file.
#[derive(Debug)]
pub(in crate::tokenizer) struct GgufTokenizer {
    pub(super) vocab: Vocab,
    pub(super) special: Special,
    partition: Partition,
    pub(super) algorithm: Algorithm,
    pub(super) add_space_prefix: bool,
}

#[derive(Debug)]
pub(super) enum Algorithm {
    Bpe(Bpe),
    Spm(Spm),
    WordPiece(WordPiece),
    Unigram(Unigram),
    Rwkv(Rwkv),
}

impl GgufTokenizer {
    /// Reads the `tokenizer.*` keys. `path` names the file in errors.
    pub fn read(metadata: &Metadata, path: &Path) -> Result<Self> {
        let keys = Keys { metadata, path };
        let mut vocab = Vocab::read(keys)?;
        let special = Special::read(keys, &mut vocab)?;
        let unknown = special.unk;
        let algorithm = match vocab.model {
            Model::Bpe { .. } => Algorithm::Bpe(Bpe::read(keys, &vocab)?),
            Model::Spm => Algorithm::Spm(Spm::new(&vocab, unknown)),
            Model::WordPiece => Algorithm::WordPiece(WordPiece::read(keys, unknown)?),
            Model::Unigram => Algorithm::Unigram(Unigram::read(keys, &vocab, unknown.unwrap_or(0))?),
            Model::Rwkv => Algorithm::Rwkv(Rwkv::new(&vocab, unknown)),
        };
        let add_space_prefix = keys.boolean("tokenizer.ggml.add_space_prefix")?.unwrap_or(vocab.model == Model::Spm);
        let partition = Partition::new(&vocab)?;
        Ok(Self { vocab, special, partition, algorithm, add_space_prefix })
    }

    /// The tokens of a text.
    pub fn encode(&self, text: &str, add_special: bool, parse_special: bool) -> Result<Vec<Token>> {
        let mut out = Vec::with_capacity(text.len() / 3 + 2);
        let word_piece = self.vocab.model == Model::WordPiece;
        let (before, after) = match self.vocab.model {
            // BERT's frame is always both; RWKV has none.
            Model::WordPiece => (self.special.bos, self.special.sep),
            Model::Rwkv => (None, None),
            _ => (self.special.bos.filter(|_| self.special.add_bos), self.special.eos.filter(|_| self.special.add_eos)),
        };
        out.extend(before.filter(|_| add_special));
        // SentencePiece puts a space before a text, and again after each special token.
        let mut at_start = true;
        for fragment in self.partition.split(&self.vocab, text, parse_special) {
            match fragment {
                Fragment::Token(id) => {
                    out.push(id);
                    at_start = true;
                }
                Fragment::Text(range) => {
                    self.encode_fragment(text.get(range).unwrap_or_default(), at_start && !word_piece, &mut out)?;
                    at_start = false;
                }
            }
        }
        out.extend(after.filter(|_| add_special));
        Ok(out)
    }

    fn encode_fragment(&self, text: &str, at_start: bool, out: &mut Vec<Token>) -> Result<()> {
        match &self.algorithm {
            Algorithm::Bpe(bpe) => bpe.encode(&self.vocab, text, out)?,
            Algorithm::Spm(spm) => {
                let prefix = if self.add_space_prefix && at_start { "▁" } else { "" };
                spm.encode(&self.vocab, &format!("{prefix}{}", text.replace(' ', "▁")), out)?;
            }
            Algorithm::WordPiece(word_piece) => word_piece.encode(&self.vocab, text, out),
            Algorithm::Unigram(unigram) => unigram.encode(&self.vocab, text, out),
            Algorithm::Rwkv(rwkv) => rwkv.encode(text, out),
        }
        Ok(())
    }

    /// What a token adds to a text. Control and unknown tokens add nothing with `skip_special`.
    pub fn bytes(&self, id: Token, skip_special: bool) -> Result<Vec<u8>> {
        let text = self.vocab.text(id).ok_or_else(|| outside(id, self.vocab.len()))?;
        let kinds = self.vocab.kinds(id);
        let special = kinds.any(Kinds::CONTROL.with(Kinds::UNKNOWN));
        if special && skip_special {
            return Ok(Vec::new());
        }
        if let Model::Rwkv = self.vocab.model {
            return Ok(rwkv::unescape(text));
        }
        if special || kinds.any(Kinds::USER_DEFINED) {
            return Ok(text.as_bytes().to_vec());
        }
        if kinds.any(Kinds::NORMAL) {
            let byte_level = matches!(self.vocab.model, Model::Bpe { .. })
                && self.vocab.pre.byte_encode
                && !self.vocab.pre.escape_whitespaces;
            return Ok(if byte_level { spelled(text) } else { text.replace('▁', " ").into_bytes() });
        }
        if kinds.any(Kinds::BYTE) {
            return Ok(bytes::from_hex(text).map_or_else(|| text.as_bytes().to_vec(), |byte| vec![byte]));
        }
        // Unused and undefined tokens add nothing.
        Ok(Vec::new())
    }

    /// The text of tokens that start a text: without the space that encoding puts in front.
    pub fn decode(&self, ids: &[Token], skip_special: bool) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(ids.len() * 4);
        let spaced = self.add_space_prefix && matches!(self.vocab.model, Model::Spm | Model::Unigram);
        let mut at_start = spaced || self.vocab.model == Model::WordPiece;
        for &id in ids {
            let piece = self.bytes(id, skip_special)?;
            let unspaced = piece.strip_prefix(b" ").filter(|_| at_start);
            // Special tokens before the text, shown or not, leave it at its start.
            at_start &= self.vocab.kinds(id).any(Kinds::CONTROL.with(Kinds::UNKNOWN));
            out.extend_from_slice(unspaced.unwrap_or(&piece));
        }
        Ok(out)
    }

    /// The vocabulary's own spelling of a token.
    pub fn piece(&self, id: Token) -> Option<&str> {
        self.vocab.text(id)
    }

    /// The token of that spelling.
    pub fn id(&self, piece: &str) -> Option<Token> {
        self.vocab.id(piece)
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.vocab.len()
    }

    /// Whether a token is a control or unknown token.
    pub fn is_special(&self, id: Token) -> bool {
        self.vocab.kinds(id).any(Kinds::CONTROL.with(Kinds::UNKNOWN))
    }

    /// Beginning of sequence.
    pub fn bos(&self) -> Option<Token> {
        self.special.bos
    }

    /// End of sequence.
    pub fn eos(&self) -> Option<Token> {
        self.special.eos
    }

    /// Named special tokens, as chat templates call them.
    pub fn named_special(&self) -> Vec<(&'static str, Token)> {
        let s = &self.special;
        [
            ("bos_token", s.bos),
            ("eos_token", s.eos),
            ("unk_token", s.unk),
            ("sep_token", s.sep),
            ("pad_token", s.pad),
            ("mask_token", s.mask),
        ]
        .into_iter()
        .filter_map(|(name, id)| Some((name, id?)))
        .collect()
    }

    /// Whether encoding with special tokens puts BOS in front.
    pub fn add_bos(&self) -> bool {
        self.special.add_bos && self.vocab.model != Model::Rwkv
    }

    /// Tokens that end a generation.
    pub fn end_of_generation(&self) -> &BTreeSet<Token> {
        &self.special.end_of_generation
    }
}

/// The bytes of a byte-level token. A character that spells no byte stands for itself.
fn spelled(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        match bytes::from_char(c) {
            Some(byte) => out.push(byte),
            None => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out
}

/// A token that is not in the vocabulary.
pub(in crate::tokenizer) fn outside(id: Token, tokens: usize) -> Error {
    Error::argument("token", format!("an id below {tokens}, the size of the vocabulary"), id.to_string())
}
