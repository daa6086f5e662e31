//! The special tokens of a GGUF vocabulary: what the file names, and what llama.cpp deduces from the tokens' texts.

use super::keys::Keys;
use super::vocab::{Kinds, Model, Vocab};
use crate::Token;
use crate::error::Result;
use std::collections::BTreeSet;

/// The tokens that have a role.
#[derive(Debug, Clone, Default)]
pub(super) struct Special {
    pub bos: Option<Token>,
    pub eos: Option<Token>,
    pub unk: Option<Token>,
    pub sep: Option<Token>,
    pub pad: Option<Token>,
    pub mask: Option<Token>,
    pub add_bos: bool,
    pub add_eos: bool,
    /// Tokens that end a generation.
    pub end_of_generation: BTreeSet<Token>,
}

const END_OF_TURN: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "<｜end▁of▁sentence｜>",
    "<end_of_utterance>",
];
const FILL_PREFIX: &[&str] = &[
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<｜fim▁begin｜>",
    "<PRE>",
    "▁<PRE>",
    "<|code_prefix|>",
    "<|prefix|>",
];
const FILL_SUFFIX: &[&str] = &[
    "<|fim_suffix|>",
    "<fim-suffix>",
    "<fim_suffix>",
    "<｜fim▁hole｜>",
    "<SUF>",
    "▁<SUF>",
    "<|code_suffix|>",
    "<|suffix|>",
];
const FILL_MIDDLE: &[&str] = &[
    "<|fim_middle|>",
    "<fim-middle>",
    "<fim_middle>",
    "<｜fim▁end｜>",
    "<MID>",
    "▁<MID>",
    "<|code_middle|>",
    "<|middle|>",
];
const FILL_PAD: &[&str] = &["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"];
const FILL_REPOSITORY: &[&str] = &["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"];
const FILL_FILE: &[&str] = &["<|file_sep|>"];

/// Texts of tokens that end a generation wherever they occur.
pub(crate) const END_OF_GENERATION: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
];

/// Tokens of gpt-oss that are always shown.
const ALWAYS_SHOWN: &[&str] = &["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

impl Special {
    /// Reads the special tokens, deduces the others and adjusts the kinds in `vocab`, in llama.cpp's order.
    pub fn read(keys: Keys<'_>, vocab: &mut Vocab) -> Result<Self> {
        let mut special = Self::defaults(vocab);
        let in_range = |id: &Option<Token>| id.filter(|&id| (id as usize) < vocab.len());
        let named = |key: &str, default: Option<Token>| -> Result<Option<Token>> {
            let id = keys.unsigned(&format!("tokenizer.ggml.{key}_token_id"))?;
            // An id outside the vocabulary is ignored, as llama.cpp does.
            let id = id.and_then(|id| Token::try_from(id).ok()).filter(|&id| (id as usize) < vocab.len());
            Ok(id.or(default))
        };
        special.bos = named("bos", in_range(&special.bos))?;
        special.eos = named("eos", in_range(&special.eos))?;
        special.unk = named("unknown", in_range(&special.unk))?;
        // The misspelling is the format's own.
        special.sep = named("seperator", in_range(&special.sep))?;
        special.pad = named("padding", in_range(&special.pad))?;
        special.mask = named("mask", in_range(&special.mask))?;
        let end_of_turn = named("eot", None)?;
        let end_of_message = named("eom", None)?;
        let fill = [
            (named("fim_pre", None)?.or(named("prefix", None)?), FILL_PREFIX, false),
            (named("fim_suf", None)?.or(named("suffix", None)?), FILL_SUFFIX, false),
            (named("fim_mid", None)?.or(named("middle", None)?), FILL_MIDDLE, false),
            (named("fim_pad", None)?, FILL_PAD, true),
            (named("fim_rep", None)?, FILL_REPOSITORY, true),
            (named("fim_sep", None)?, FILL_FILE, true),
        ];
        special.add_bos =
            keys.boolean("tokenizer.ggml.add_bos_token")?.unwrap_or(special.add_bos) || vocab.pre.force_bos;
        special.add_eos = keys.boolean("tokenizer.ggml.add_eos_token")?.unwrap_or(special.add_eos);

        let end_of_turn = end_of_turn.or_else(|| control(vocab, END_OF_TURN));
        let end_of_message = end_of_message.or_else(|| control(vocab, &["<|eom_id|>"]));
        for (id, texts, ends) in fill {
            let id = id.or_else(|| control(vocab, texts));
            special.end_of_generation.extend(id.filter(|_| ends));
        }
        mark_unused(vocab);
        for text in END_OF_GENERATION {
            special.end_of_generation.extend(control(vocab, &[text]));
        }
        for text in ALWAYS_SHOWN {
            if let Some(id) = vocab.id(text) {
                vocab.set_kinds(id, Kinds::USER_DEFINED);
            }
        }
        special.end_of_generation.extend([special.eos, end_of_turn, end_of_message].into_iter().flatten());
        special.drop_false_ends(vocab);
        set_strips(keys, vocab)?;
        special.check(keys, vocab)?;
        Ok(special)
    }

    /// What llama.cpp assumes where a file says nothing.
    fn defaults(vocab: &Vocab) -> Self {
        let none = Self::default();
        match vocab.model {
            Model::Spm => Self { bos: Some(1), eos: Some(2), unk: Some(0), add_bos: true, ..none },
            Model::WordPiece => Self {
                bos: Some(101),
                unk: Some(100),
                sep: Some(102),
                pad: Some(0),
                mask: Some(103),
                add_bos: true,
                ..none
            },
            Model::Bpe { gemma: true, .. } => none,
            Model::Bpe { .. } => Self {
                bos: (!vocab.pre.no_default_bos).then_some(11),
                eos: Some(11),
                add_bos: vocab.pre.add_bos,
                ..none
            },
            Model::Unigram => Self { eos: Some(1), unk: Some(2), pad: Some(0), add_eos: true, ..none },
            Model::Rwkv => none,
        }
    }

    /// gpt-oss and Solar end a message, not a generation, with `<|end|>`; Gemma 4 and PLaMo have an ordinary `</s>`.
    fn drop_false_ends(&mut self, vocab: &mut Vocab) {
        let ends = |text: &str| vocab.id(text).filter(|id| self.end_of_generation.contains(id));
        let calls = ends("<|call|>").or(ends("<|calls|>")).is_some();
        let message_end = ends("<|end|>").filter(|_| calls && (ends("<|return|>").or(ends("<|flush|>"))).is_some());
        let ordinary = ends("</s>").filter(|_| ends("<|tool_response>").or(ends("<|plamo:eos|>")).is_some());
        for (id, kinds) in [(message_end, Kinds::USER_DEFINED), (ordinary, Kinds::NORMAL)] {
            if let Some(id) = id {
                self.end_of_generation.remove(&id);
                vocab.set_kinds(id, kinds);
            }
        }
    }

    /// What is added to every text must exist.
    fn check(&self, keys: Keys<'_>, vocab: &Vocab) -> Result<()> {
        let missing = |role: &str| Err(keys.bad(format!("{role} is to be added to texts, but no such token is named")));
        match vocab.model {
            Model::WordPiece if self.bos.is_none() => missing("BOS ([CLS])"),
            Model::WordPiece if self.sep.is_none() => missing("the separator ([SEP])"),
            Model::WordPiece if self.unk.is_none() => missing("the unknown token ([UNK])"),
            Model::Unigram if self.unk.is_none() => missing("the unknown token (<unk>)"),
            _ if self.add_bos && self.bos.is_none() => missing("BOS (tokenizer.ggml.add_bos_token)"),
            _ if self.add_eos && self.eos.is_none() => missing("EOS (tokenizer.ggml.add_eos_token)"),
            _ => Ok(()),
        }
    }
}

/// The first of these texts that is a token, which becomes a control token.
fn control(vocab: &mut Vocab, texts: &[&str]) -> Option<Token> {
    let id = texts.iter().filter_map(|text| vocab.id(text)).min()?;
    vocab.set_kinds(id, vocab.kinds(id).with(Kinds::CONTROL));
    Some(id)
}

fn mark_unused(vocab: &mut Vocab) {
    for id in 0..vocab.len() as Token {
        let kinds = vocab.kinds(id);
        if kinds.any(Kinds::CONTROL) && vocab.text(id).is_some_and(|text| text.contains("unused")) {
            vocab.set_kinds(id, kinds.with(Kinds::UNUSED));
        }
    }
}

/// Which tokens swallow the spaces around them. GGUF files do not say; llama.cpp knows some models by name.
fn set_strips(keys: Keys<'_>, vocab: &mut Vocab) -> Result<()> {
    let text = |key: &str| keys.string(key).map(|s| s.unwrap_or_default().to_lowercase());
    let (name, pre) = (text("general.name")?, text("tokenizer.ggml.pre")?);
    let architecture = text("general.architecture")?;
    let left = |vocab: &mut Vocab, token: &str| {
        if let Some(id) = vocab.id(token) {
            vocab.set_kinds(id, vocab.kinds(id).with(Kinds::LSTRIP));
        }
    };
    if ["jina-v2-de", "jina-v2-es", "jina-v2-code", "mmbert"].iter().any(|p| pre.contains(p))
        || ["nomic-bert-moe", "jina-bert-v3"].iter().any(|a| architecture.contains(a))
    {
        left(vocab, "<mask>");
    } else if name.contains("phi-3") || name.contains("phi3") {
        let special = Kinds::CONTROL.with(Kinds::USER_DEFINED).with(Kinds::UNKNOWN);
        for id in 0..vocab.len() as Token {
            let kinds = vocab.kinds(id);
            if kinds.any(special) || vocab.text(id) == Some("</s>") {
                vocab.set_kinds(id, kinds.with(Kinds::RSTRIP));
            }
        }
        for token in ["<unk>", "<s>", "<|endoftext|>"] {
            if let Some(id) = vocab.id(token) {
                vocab.set_kinds(id, vocab.kinds(id).without(Kinds::RSTRIP));
            }
        }
    } else if name.contains("modern-bert") {
        left(vocab, "[MASK]");
    }
    Ok(())
}
