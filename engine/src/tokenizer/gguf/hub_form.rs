//! A GGUF vocabulary as the hub spells it, `tokenizer.json`.

use super::bpe::Bpe;
use super::encoder::{Algorithm, GgufTokenizer};
use super::pre::Stage;
use super::vocab::{Kinds, Vocab};
use crate::Token;
use crate::error::{Error, Result};
use serde_json::{Map, Value, json};

impl GgufTokenizer {
    /// What a `tokenizer.json` says of this vocabulary. `source` names it in errors.
    ///
    /// # Errors
    /// The vocabulary is neither byte-level BPE nor SentencePiece's, or cuts words in a way that the hub's format has
    /// no step for.
    pub fn hub_form(&self, source: &str) -> Result<Value> {
        let vocab = &self.vocab;
        let refused = |what: &str| {
            let help = "byte-level BPE and SentencePiece vocabularies with scores can be written";
            Error::unsupported(format!("the vocabulary of {source} as tokenizer.json: {what}"), help)
        };
        let parts = match &self.algorithm {
            Algorithm::Bpe(bpe) if vocab.pre.byte_encode => {
                byte_level(vocab, bpe).ok_or_else(|| refused("its pre-tokenizer has a step of its own"))?
            }
            Algorithm::Spm(_) => sentence_piece(vocab, self.add_space_prefix, self.special.unk),
            _ => return Err(refused("it is of another kind")),
        };
        let mut form = json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added(vocab),
            "post_processor": self.frame(),
        });
        if let (Some(form), Value::Object(parts)) = (form.as_object_mut(), parts) {
            form.extend(parts);
        }
        Ok(form)
    }

    /// The step that puts BOS before a text and EOS behind it.
    fn frame(&self) -> Value {
        let named = |id: Option<Token>| id.and_then(|id| Some((id, self.vocab.text(id)?)));
        let before = named(self.special.bos.filter(|_| self.special.add_bos));
        let after = named(self.special.eos.filter(|_| self.special.add_eos));
        if before.is_none() && after.is_none() {
            return Value::Null;
        }
        let token = |(_, text): (Token, &str)| json!({ "SpecialToken": { "id": text, "type_id": 0 } });
        let text = |name: &str, kind: u8| json!({ "Sequence": { "id": name, "type_id": kind } });
        let framed = |inner: Value| {
            let parts = [before.map(token), Some(inner), after.map(token)];
            parts.into_iter().flatten().collect::<Vec<_>>()
        };
        let mut tokens = Map::new();
        for (id, text) in before.into_iter().chain(after) {
            tokens.insert(text.to_owned(), json!({ "id": text, "ids": [id], "tokens": [text] }));
        }
        json!({
            "type": "TemplateProcessing",
            "single": framed(text("A", 0)),
            "pair": framed(text("A", 0)).into_iter().chain(framed(text("B", 1))).collect::<Vec<_>>(),
            "special_tokens": tokens,
        })
    }
}

/// The tokens that are found in a text before anything else is done with it.
fn added(vocab: &Vocab) -> Vec<Value> {
    let special = Kinds::CONTROL.with(Kinds::UNKNOWN);
    let all = (0..vocab.len() as Token).filter(|&id| vocab.kinds(id).any(special.with(Kinds::USER_DEFINED)));
    all.map(|id| {
        let kinds = vocab.kinds(id);
        json!({
            "id": id,
            "content": vocab.text(id),
            "single_word": false,
            "lstrip": kinds.any(Kinds::LSTRIP),
            "rstrip": kinds.any(Kinds::RSTRIP),
            "normalized": false,
            "special": kinds.any(special),
        })
    })
    .collect()
}

fn ids(vocab: &Vocab) -> Map<String, Value> {
    (0..vocab.len() as Token).filter_map(|id| Some((vocab.text(id)?.to_owned(), json!(id)))).collect()
}

/// Byte-level BPE; `None` where a stage is no regular expression.
fn byte_level(vocab: &Vocab, bpe: &Bpe) -> Option<Value> {
    let mut steps = Vec::new();
    for stage in vocab.pre.stages {
        let Stage::Regex(alternatives) = stage else { return None };
        let pattern = json!({ "Regex": alternatives.join("|") });
        steps.push(json!({ "type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": false }));
    }
    let bytes = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false });
    steps.push(bytes.clone());
    let merges: Vec<Value> =
        bpe.merges().into_iter().map(|(left, right)| json!([vocab.text(left), vocab.text(right)])).collect();
    Some(json!({
        "normalizer": null,
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": steps },
        "decoder": bytes,
        "model": model(vocab, merges, None, vocab.pre.ignore_merges),
    }))
}

/// SentencePiece's BPE. It merges the pair whose result has the highest score; the hub's format wants the pairs in
/// order, so that they are found again from the scores, as `transformers` does.
fn sentence_piece(vocab: &Vocab, space_prefix: bool, unknown: Option<Token>) -> Value {
    let mut merges = Vec::new();
    for id in 0..vocab.len() as Token {
        let Some(text) = vocab.text(id).filter(|_| vocab.kinds(id).any(Kinds::NORMAL.with(Kinds::USER_DEFINED))) else {
            continue;
        };
        let pair = |at: usize| Some((vocab.id(text.get(..at)?)?, vocab.id(text.get(at..)?)?));
        let mut pairs: Vec<_> = text.char_indices().skip(1).filter_map(|(at, _)| pair(at)).collect();
        pairs.sort_unstable();
        merges.extend(pairs.into_iter().map(|pair| (vocab.score(id), pair)));
    }
    // Stable: of equal scores, the token that stands first in the vocabulary.
    merges.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let merges: Vec<Value> =
        merges.into_iter().map(|(_, (left, right))| json!([vocab.text(left), vocab.text(right)])).collect();
    let prefix = json!({ "type": "Prepend", "prepend": "▁" });
    let spaces = |from: &str, to: &str| json!({ "type": "Replace", "pattern": { "String": from }, "content": to });
    let before: Vec<Value> = space_prefix.then_some(prefix).into_iter().chain([spaces(" ", "▁")]).collect();
    let strip = json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 });
    let back = [spaces("▁", " "), json!({ "type": "ByteFallback" }), json!({ "type": "Fuse" })];
    let back: Vec<Value> = back.into_iter().chain(space_prefix.then_some(strip)).collect();
    json!({
        "normalizer": { "type": "Sequence", "normalizers": before },
        "pre_tokenizer": null,
        "decoder": { "type": "Sequence", "decoders": back },
        "model": model(vocab, merges, unknown.and_then(|id| vocab.text(id)), false),
    })
}

/// `unknown` is what a character becomes that is not in the vocabulary, where its bytes are not either.
fn model(vocab: &Vocab, merges: Vec<Value>, unknown: Option<&str>, ignore_merges: bool) -> Value {
    json!({
        "type": "BPE",
        "dropout": null,
        "unk_token": unknown,
        "continuing_subword_prefix": null,
        "end_of_word_suffix": null,
        "fuse_unk": unknown.is_some(),
        "byte_fallback": unknown.is_some(),
        "ignore_merges": ignore_merges,
        "vocab": ids(vocab),
        "merges": merges,
    })
}
