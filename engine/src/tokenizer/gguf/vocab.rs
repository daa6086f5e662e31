//! The vocabulary of a GGUF file: its tokens, their kinds and scores, checked.

use super::keys::{Keys, kind};
use super::pre::{self, Pre};
use crate::Token;
use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Which algorithm a vocabulary is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    /// Byte pair encoding, `gpt2` and its relatives.
    Bpe {
        /// Jina's variant: white space is dropped, letters may be lowered.
        whitespace: bool,
        /// Gemma 4's: no special token is assumed.
        gemma: bool,
    },
    /// SentencePiece with scores, `llama`.
    Spm,
    /// WordPiece, `bert`.
    WordPiece,
    /// SentencePiece unigram, `t5`.
    Unigram,
    /// Greedy longest match, `rwkv`.
    Rwkv,
}

/// Kinds of tokens, a set of flags: llama.cpp adds kinds to what the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub const UNDEFINED: Self = Self(0);
    pub const NORMAL: Self = Self(1);
    pub const UNKNOWN: Self = Self(2);
    pub const CONTROL: Self = Self(4);
    pub const USER_DEFINED: Self = Self(8);
    pub const UNUSED: Self = Self(16);
    pub const BYTE: Self = Self(32);
    /// Spaces before the token belong to it.
    pub const LSTRIP: Self = Self(64);
    /// Spaces after the token belong to it.
    pub const RSTRIP: Self = Self(128);

    /// Whether any of these flags is set.
    pub fn any(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }

    /// With these flags too.
    pub fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// Without these flags.
    pub fn without(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }

    /// As the file spells it (`llama_token_type`).
    fn from_file(code: i64) -> Self {
        match code {
            1 => Self::NORMAL,
            2 => Self::UNKNOWN,
            3 => Self::CONTROL,
            4 => Self::USER_DEFINED,
            5 => Self::UNUSED,
            6 => Self::BYTE,
            _ => Self::UNDEFINED,
        }
    }
}

/// A vocabulary.
#[derive(Debug)]
pub(super) struct Vocab {
    pub model: Model,
    pub pre: &'static Pre,
    pub tokens: Vec<Arc<str>>,
    pub kinds: Vec<Kinds>,
    pub scores: Vec<f32>,
    ids: HashMap<Arc<str>, Token>,
    /// Bytes of the longest token.
    pub longest: usize,
}

impl Vocab {
    /// Reads and checks the vocabulary.
    pub fn read(keys: Keys<'_>) -> Result<Self> {
        let name = keys.string("tokenizer.ggml.model")?.ok_or_else(|| {
            Error::format(keys.path, "the file has no vocabulary: tokenizer.ggml.model is missing").with_help(
                "only a file converted with its tokenizer can turn text into tokens; convert the model again",
            )
        })?;
        let model = model(name, keys)?;
        let pre_name = match model {
            Model::Bpe { gemma: true, .. } => Some("gemma4"),
            Model::Bpe { .. } => keys.string("tokenizer.ggml.pre")?,
            _ => None,
        };
        let pre = pre::find(pre_name, keys.path)?;
        let tokens = tokens(keys)?;
        let ids = index(&tokens, keys)?;
        let kinds = match keys.per_token("tokenizer.ggml.token_type", tokens.len())? {
            None => vec![Kinds::NORMAL; tokens.len()],
            Some(values) => values
                .iter()
                .map(|v| v.as_i64().map(Kinds::from_file))
                .collect::<Option<_>>()
                .ok_or_else(|| keys.bad("tokenizer.ggml.token_type: expected integers"))?,
        };
        let scores = scores(keys, tokens.len())?;
        if model == Model::Spm && keys.array("tokenizer.ggml.scores")?.is_none() {
            return Err(keys.bad("tokenizer.ggml.scores is missing; a SentencePiece vocabulary cannot do without"));
        }
        let longest = tokens.iter().map(|t| t.len()).max().unwrap_or(0);
        Ok(Self { model, pre, tokens, kinds, scores, ids, longest })
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The token with this text.
    pub fn id(&self, text: &str) -> Option<Token> {
        self.ids.get(text).copied()
    }

    /// The text of a token.
    pub fn text(&self, id: Token) -> Option<&str> {
        self.tokens.get(id as usize).map(|t| &**t)
    }

    /// The kinds of a token; none outside the vocabulary.
    pub fn kinds(&self, id: Token) -> Kinds {
        self.kinds.get(id as usize).copied().unwrap_or(Kinds::UNDEFINED)
    }

    /// Changes the kinds of a token.
    pub fn set_kinds(&mut self, id: Token, kinds: Kinds) {
        if let Some(slot) = self.kinds.get_mut(id as usize) {
            *slot = kinds;
        }
    }

    /// The score of a token.
    pub fn score(&self, id: Token) -> f32 {
        self.scores.get(id as usize).copied().unwrap_or(f32::NEG_INFINITY)
    }

    /// The `<0xNN>` token of each byte, or the token that is that one ASCII character.
    pub fn byte_tokens(&self) -> Box<[Option<Token>; 256]> {
        let mut tokens = Box::new([None; 256]);
        for (byte, slot) in (0..=255u8).zip(tokens.iter_mut()) {
            *slot = self
                .id(&format!("<0x{byte:02X}>"))
                .or_else(|| byte.is_ascii().then(|| self.id(char::from(byte).encode_utf8(&mut [0; 4]))).flatten());
        }
        tokens
    }
}

fn model(name: &str, keys: Keys<'_>) -> Result<Model> {
    Ok(match name {
        "gpt2" => Model::Bpe { whitespace: false, gemma: false },
        "gemma4" => Model::Bpe { whitespace: false, gemma: true },
        "whitespace" => Model::Bpe { whitespace: true, gemma: false },
        "llama" => Model::Spm,
        "bert" => Model::WordPiece,
        "t5" => Model::Unigram,
        "rwkv" => Model::Rwkv,
        "no_vocab" | "none" => {
            return Err(Error::unsupported(
                format!("{}: the file says that it has no vocabulary", keys.path.display()),
                "feed token ids instead of text",
            ));
        }
        _ => {
            return Err(Error::unsupported(
                format!("{}: unknown kind of vocabulary {name:?} (tokenizer.ggml.model)", keys.path.display()),
                "known are gpt2, llama, bert, t5, rwkv, gemma4 and whitespace; a Hugging Face folder of the same \
                 model with its tokenizer.json works too",
            ));
        }
    })
}

fn tokens(keys: Keys<'_>) -> Result<Vec<Arc<str>>> {
    let key = "tokenizer.ggml.tokens";
    let values = keys.array(key)?.ok_or_else(|| keys.bad(format!("{key} is missing")))?;
    if values.is_empty() || u32::try_from(values.len()).is_err() {
        return Err(keys.bad(format!("{key} has {} entries", values.len())));
    }
    values
        .iter()
        .enumerate()
        .map(|(i, value)| match value.as_str() {
            Some("") => Ok(format!("[EMPTY_{i}]").into()),
            Some(text) => Ok(text.into()),
            None => Err(keys.bad(format!("{key}[{i}]: expected a string, found {}", kind(value)))),
        })
        .collect()
}

fn index(tokens: &[Arc<str>], keys: Keys<'_>) -> Result<HashMap<Arc<str>, Token>> {
    let mut ids = HashMap::with_capacity(tokens.len());
    for (id, text) in (0..).zip(tokens) {
        if let Some(other) = ids.insert(Arc::clone(text), id) {
            return Err(keys.bad(format!("tokens {other} and {id} are both {text:?}")));
        }
    }
    Ok(ids)
}

/// Scores as f32; zeros where the file has none. A value that is not finite (null here) is the lowest.
fn scores(keys: Keys<'_>, tokens: usize) -> Result<Vec<f32>> {
    let key = "tokenizer.ggml.scores";
    let Some(values) = keys.per_token(key, tokens)? else { return Ok(vec![0.0; tokens]) };
    values
        .iter()
        .enumerate()
        .map(|(i, value)| match value {
            Value::Null => Ok(f32::NEG_INFINITY),
            // Adding zero makes -0 and 0 one score.
            Value::Number(n) => Ok(n.as_f64().map_or(f32::NEG_INFINITY, |x| x as f32 + 0.0)),
            other => Err(keys.bad(format!("{key}[{i}]: expected a number, found {}", kind(other)))),
        })
        .collect()
}
