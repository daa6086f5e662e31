//! A Hugging Face `tokenizer.json`, through the `tokenizers` crate.

use super::bytes;
use super::gguf::{END_OF_GENERATION, outside};
use crate::Token;
use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The tokenizer of a Hugging Face folder.
#[derive(Debug)]
pub(super) struct HubTokenizer {
    source: PathBuf,
    inner: tokenizers::Tokenizer,
    /// The same, taking special tokens for characters; made when first needed.
    literal: OnceLock<tokenizers::Tokenizer>,
    style: Style,
    special: BTreeSet<Token>,
    named: Vec<(String, String)>,
    bos: Option<Token>,
    eos: Option<Token>,
    add_bos: bool,
    len: usize,
}

/// How a token's spelling becomes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Characters are bytes, as GPT-2 spells them.
    ByteLevel,
    /// `▁` is a space, and `<0xNN>` a byte if `byte_fallback`.
    Metaspace { byte_fallback: bool },
    /// Only the whole sequence has a text.
    Joined,
}

/// The roles `tokenizer_config.json` names.
const ROLES: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

impl HubTokenizer {
    /// Reads a `tokenizer.json`.
    pub fn read(bytes: &[u8], path: &Path, config: Option<&Value>) -> Result<Self> {
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(|e| {
            Error::format(path, format!("not a tokenizer.json: {e}")).with_help(
                "fetch the file again from the model's page, or load a GGUF file, which has its own vocabulary",
            )
        })?;
        // Training leftovers: a prompt is never cut or padded.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|e| Error::format(path, e.to_string()))?;
        let len = inner.get_vocab(true).values().max().map_or(0, |&id| id as usize + 1);
        if len == 0 {
            return Err(Error::format(path, "the vocabulary is empty"));
        }
        let special =
            inner.get_added_tokens_decoder().iter().filter(|(_, token)| token.special).map(|(&id, _)| id).collect();
        let named: Vec<(String, String)> = ROLES
            .iter()
            .filter_map(|&role| Some((role.to_owned(), token_text(config?.get(role)?)?.to_owned())))
            .collect();
        let role = |name: &str| named.iter().find(|(n, _)| n == name).and_then(|(_, text)| inner.token_to_id(text));
        let (bos, eos) = (role("bos_token"), role("eos_token"));
        let style = style(&inner);
        let mut hub = Self {
            source: path.to_owned(),
            inner,
            literal: OnceLock::new(),
            style,
            special,
            named,
            bos,
            eos,
            add_bos: false,
            len,
        };
        let frame = hub.encode("", true, true)?;
        // Without a configuration, a special token in front of every text is BOS.
        if hub.bos.is_none() && config.is_none() {
            hub.bos = frame.first().copied().filter(|&id| hub.is_special(id));
        }
        if hub.eos.is_none() && config.is_none() {
            hub.eos = hub.end_of_generation().first().copied();
        }
        hub.add_bos = hub.bos.is_some() && frame.first().copied() == hub.bos;
        Ok(hub)
    }

    /// The tokens of a text.
    pub fn encode(&self, text: &str, add_special: bool, parse_special: bool) -> Result<Vec<Token>> {
        let tokenizer = if parse_special {
            &self.inner
        } else {
            self.literal.get_or_init(|| {
                let mut literal = self.inner.clone();
                literal.set_encode_special_tokens(true);
                literal
            })
        };
        let encoding = tokenizer
            .encode_fast(text, add_special)
            .map_err(|e| Error::format(&self.source, format!("the text cannot be tokenized: {e}")))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of tokens.
    pub fn decode(&self, ids: &[Token], skip_special: bool) -> Result<String> {
        for &id in ids {
            self.known(id)?;
        }
        self.inner
            .decode(ids, skip_special)
            .map_err(|e| Error::format(&self.source, format!("the tokens cannot be decoded: {e}")))
    }

    /// What a token adds to a text; `None` where that depends on its neighbours.
    pub fn bytes(&self, id: Token, skip_special: bool) -> Result<Option<Vec<u8>>> {
        let piece = self.known(id)?;
        if skip_special && self.is_special(id) {
            return Ok(Some(Vec::new()));
        }
        Ok(match self.style {
            Style::ByteLevel => {
                let spelled: Option<Vec<u8>> = piece.chars().map(bytes::from_char).collect();
                Some(spelled.unwrap_or_else(|| piece.into_bytes()))
            }
            Style::Metaspace { byte_fallback } => Some(match bytes::from_hex(&piece).filter(|_| byte_fallback) {
                Some(byte) => vec![byte],
                None => piece.replace('▁', " ").into_bytes(),
            }),
            Style::Joined => None,
        })
    }

    fn known(&self, id: Token) -> Result<String> {
        self.inner.id_to_token(id).ok_or_else(|| outside(id, self.len))
    }

    /// The vocabulary's spelling of a token.
    pub fn piece(&self, id: Token) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The token of that spelling.
    pub fn id(&self, piece: &str) -> Option<Token> {
        self.inner.token_to_id(piece)
    }

    /// One more than the highest id.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the file marks a token as special.
    pub fn is_special(&self, id: Token) -> bool {
        self.special.contains(&id)
    }

    /// Beginning of sequence.
    pub fn bos(&self) -> Option<Token> {
        self.bos
    }

    /// End of sequence.
    pub fn eos(&self) -> Option<Token> {
        self.eos
    }

    /// Whether a text gets BOS in front.
    pub fn add_bos(&self) -> bool {
        self.add_bos
    }

    /// The special tokens that `tokenizer_config.json` names, as chat templates call them.
    pub fn named_special(&self) -> &[(String, String)] {
        &self.named
    }

    /// EOS, and the special tokens whose names say that they end a generation.
    pub fn end_of_generation(&self) -> BTreeSet<Token> {
        let has = |text: &str| self.id(text).filter(|&id| self.is_special(id));
        let mut ends: BTreeSet<Token> = END_OF_GENERATION.iter().filter_map(|text| has(text)).collect();
        // gpt-oss ends a message, not a generation, with <|end|>.
        if let (Some(_), Some(_), Some(end)) = (has("<|return|>"), has("<|call|>"), has("<|end|>")) {
            ends.remove(&end);
        }
        ends.extend(self.eos);
        ends
    }
}

/// A token of `tokenizer_config.json`: its text, or an object that holds it.
fn token_text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content")?.as_str())
}

fn style(tokenizer: &tokenizers::Tokenizer) -> Style {
    let decoder = tokenizer.get_decoder().and_then(|d| serde_json::to_value(d).ok()).unwrap_or_default();
    let steps = match decoder.get("decoders").and_then(Value::as_array) {
        Some(steps) => steps.clone(),
        None => vec![decoder],
    };
    let kinds: Vec<&str> = steps.iter().filter_map(|step| step.get("type")?.as_str()).collect();
    let replaces_metaspace = steps.iter().any(|step| {
        let pattern = step.get("pattern").and_then(|p| p.get("String")).and_then(Value::as_str);
        pattern == Some("▁") && step.get("content").and_then(Value::as_str) == Some(" ")
    });
    let byte_fallback = kinds.contains(&"ByteFallback");
    let only = |allowed: &[&str]| !kinds.is_empty() && kinds.iter().all(|kind| allowed.contains(kind));
    if only(&["ByteLevel", "Fuse"]) {
        Style::ByteLevel
    } else if (replaces_metaspace && only(&["Replace", "ByteFallback", "Fuse", "Strip"]))
        || (kinds.contains(&"Metaspace") && only(&["Metaspace", "ByteFallback", "Fuse", "Strip"]))
    {
        Style::Metaspace { byte_fallback }
    } else {
        Style::Joined
    }
}
