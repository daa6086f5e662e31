//! Which of the pre-tokenizers that GGUF files name a `tokenizer.json` has.

use crate::error::{Error, Result};
use serde_json::Value as Json;
use std::path::Path;

/// The patterns of models' own files, whether a word that is a token is taken without merging, and GGUF's name for both.
const SPLITS: &[(&str, bool, &str)] = &[
    (LLAMA3, true, "llama-bpe"),
    (LLAMA3, false, "smaug-bpe"),
    (QWEN2, false, "qwen2"),
    (GPT4O, false, "gpt-4o"),
    (TEKKEN, true, "tekken"),
];

const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The name for `tokenizer.ggml.pre`, of a byte-level BPE tokenizer.
///
/// # Errors
/// It is another kind of tokenizer, or cuts words as no pre-tokenizer of GGUF does.
pub(super) fn name(tokenizer: &Json, path: &Path) -> Result<&'static str> {
    let text = |value: &Json, key: &str| value.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    let flag = |value: &Json, key: &str, absent: bool| value.get(key).and_then(Json::as_bool).unwrap_or(absent);
    let unknown = |what: String| {
        Error::unsupported(
            format!("the vocabulary of {} in GGUF: {what}", path.display()),
            "byte-level BPE can be written, with the pre-tokenizers of GPT-2, SmolLM, Llama 3, Qwen 2, GPT-4o and Tekken",
        )
    };
    let model = tokenizer.get("model").unwrap_or(&Json::Null);
    let kind = text(model, "type");
    if kind != "BPE" {
        return Err(unknown(format!("its model is {kind:?}")));
    }
    // Unicode's canonical composition changes few texts, and llama.cpp leaves it out.
    let normalizer = tokenizer.get("normalizer").filter(|n| !n.is_null()).map(|n| text(n, "type"));
    if let Some(other) = normalizer.filter(|n| n != "NFC") {
        return Err(unknown(format!("its normalizer is {other:?}")));
    }
    let pre = tokenizer.get("pre_tokenizer").unwrap_or(&Json::Null);
    let steps = match pre.get("pretokenizers").and_then(Json::as_array) {
        Some(steps) => steps.iter().collect(),
        None => vec![pre],
    };
    let kinds: Vec<String> = steps.iter().map(|step| text(step, "type")).collect();
    let (Some(last), Some("ByteLevel")) = (steps.last(), kinds.last().map(String::as_str)) else {
        return Err(unknown(format!("its pre-tokenizer is {}", kinds.join(", "))));
    };
    if flag(last, "add_prefix_space", true) {
        return Err(unknown("it puts a space in front of a text".to_owned()));
    }
    let by_words = flag(last, "use_regex", true);
    match (steps.as_slice(), by_words) {
        ([_], true) => Ok("gpt-2"),
        ([digits, _], true) if text(digits, "type") == "Digits" && flag(digits, "individual_digits", false) => {
            Ok("smollm")
        }
        ([split, _], false) if text(split, "type") == "Split" => {
            let pattern = split.get("pattern").map(|p| text(p, "Regex")).unwrap_or_default();
            let whole = flag(model, "ignore_merges", false);
            let known = SPLITS.iter().find(|(p, w, _)| *p == pattern && *w == whole);
            known.map(|(.., name)| *name).ok_or_else(|| unknown(format!("its pattern for words is {pattern:?}")))
        }
        _ => Err(unknown(format!("its pre-tokenizer is {}", kinds.join(", ")))),
    }
}
