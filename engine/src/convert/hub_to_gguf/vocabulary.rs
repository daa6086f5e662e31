//! The tokenizer of a hub folder as keys of a GGUF file.

use super::pre;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::gguf::{Value, ValueType};
use crate::format::hub::HubFolder;
use crate::tokenizer::{Encode, Tokenizer};
use serde_json::Value as Json;
use std::collections::HashSet;
use std::path::Path;

// Values of `tokenizer.ggml.token_type`.
const NORMAL: i32 = 1;
/// Special: left out of texts.
const CONTROL: i32 = 3;
/// Added to the vocabulary, but not special.
const USER_DEFINED: i32 = 4;
/// A row of the embedding that no token has.
const UNUSED: i32 = 5;

/// The keys. Where there is no tokenizer that GGUF can hold, that is an error, or, if `optional`, a file without a
/// vocabulary.
pub(super) fn keys(folder: &HubFolder, rows: usize, optional: bool, control: &Control) -> Result<Vec<(String, Value)>> {
    let none = vec![("tokenizer.ggml.model".to_owned(), Value::from("none"))];
    let found = match &folder.tokenizer_json {
        Some(path) => read(path, folder, rows),
        None if optional => return Ok(none),
        None => {
            let problem = "expected tokenizer.json in the model folder, found none";
            Err(Error::format(folder.weights.path(), problem)
                .with_help("fetch it from the model's page: a GGUF file holds its own vocabulary"))
        }
    };
    match found {
        Err(Error::Interrupted) => Err(Error::Interrupted),
        Err(e) if optional => {
            control.warn(format!("the GGUF file gets no vocabulary: {e}"));
            Ok(none)
        }
        other => other,
    }
}

fn read(path: &Path, folder: &HubFolder, rows: usize) -> Result<Vec<(String, Value)>> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let json: Json = serde_json::from_slice(&bytes).map_err(|e| Error::format(path, e.to_string()))?;
    let pre = pre::name(&json, path)?;
    let config = folder.tokenizer_config.as_ref();
    let tokenizer = Tokenizer::from_json_bytes(&bytes, path, config)?;
    if tokenizer.vocab_size() > rows {
        let problem =
            format!("expected at most {rows} tokens, as many as the model has rows, found {}", tokenizer.vocab_size());
        return Err(Error::format(path, problem).with_help("the tokenizer and the weights must be of the same model"));
    }
    let mut keys = Keys(Vec::new());
    keys.set("tokenizer.ggml.model", "gpt2");
    keys.set("tokenizer.ggml.pre", pre);
    tokens(&mut keys, &tokenizer, &json, rows);
    keys.strings("tokenizer.ggml.merges", merges(&json, path)?);
    special(&mut keys, &tokenizer, folder);
    verify(&keys, &tokenizer, path)?;
    Ok(keys.0)
}

/// Keys and their values, in order.
struct Keys(Vec<(String, Value)>);

impl Keys {
    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.push((key.to_owned(), value.into()));
    }

    fn strings(&mut self, key: &str, values: Vec<String>) {
        let values = values.into_iter().map(Value::String).collect();
        self.set(key, Value::Array { of: ValueType::String, values });
    }
}

/// The spelling and the kind of each token. Rows that no token has get a name of their own, as llama.cpp's files do.
fn tokens(keys: &mut Keys, tokenizer: &Tokenizer, json: &Json, rows: usize) {
    let added = json.get("added_tokens").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let added: HashSet<u64> = added.iter().filter_map(|token| token.get("id")?.as_u64()).collect();
    let one = |id: u32| match tokenizer.piece(id) {
        Some(text) if tokenizer.is_special(id) => (text, CONTROL),
        Some(text) if added.contains(&u64::from(id)) => (text, USER_DEFINED),
        Some(text) => (text, NORMAL),
        None => (format!("[PAD{id}]"), UNUSED),
    };
    let (texts, kinds): (Vec<String>, Vec<i32>) = (0..rows).map(|id| one(id as u32)).unzip();
    keys.strings("tokenizer.ggml.tokens", texts);
    let values = kinds.into_iter().map(Value::I32).collect();
    keys.set("tokenizer.ggml.token_type", Value::Array { of: ValueType::I32, values });
}

/// The merges, each as two pieces with a space between. Files have them so, or as pairs.
fn merges(json: &Json, path: &Path) -> Result<Vec<String>> {
    let list = json.get("model").and_then(|m| m.get("merges")).and_then(Json::as_array);
    let list = list.ok_or_else(|| Error::format(path, "expected a list \"merges\" in the BPE model, found none"))?;
    let one = |merge: &Json| match merge {
        Json::String(text) => Some(text.clone()),
        Json::Array(pair) => match pair.as_slice() {
            [Json::String(a), Json::String(b)] => Some(format!("{a} {b}")),
            _ => None,
        },
        _ => None,
    };
    let merges: Option<Vec<String>> = list.iter().map(one).collect();
    merges.ok_or_else(|| Error::format(path, "expected each merge to be two pieces, found another"))
}

/// The tokens with a role, and the chat template.
fn special(keys: &mut Keys, tokenizer: &Tokenizer, folder: &HubFolder) {
    // One number, or for EOS a list of them.
    let in_config = |role: &str| {
        let value = folder.config.get(&format!("{role}_token_id"))?;
        let first = value.as_array().and_then(|list| list.first()).unwrap_or(value);
        first.as_u64().and_then(|id| u32::try_from(id).ok())
    };
    let named = |role: &str| {
        let value = folder.tokenizer_config.as_ref()?.get(format!("{role}_token"))?;
        tokenizer.id(value.as_str().or_else(|| value.get("content")?.as_str())?)
    };
    for (role, key, known) in [
        ("bos", "bos", tokenizer.bos()),
        ("eos", "eos", tokenizer.eos()),
        ("unk", "unknown", None),
        ("pad", "padding", None),
    ] {
        if let Some(id) = known.or_else(|| named(role)).or_else(|| in_config(role)) {
            keys.set(&format!("tokenizer.ggml.{key}_token_id"), id);
        }
    }
    keys.set("tokenizer.ggml.add_bos_token", Value::Bool(tokenizer.add_bos()));
    if let Some(template) = tokenizer.chat_template() {
        keys.set("tokenizer.chat_template", template);
    }
}

/// Words, contractions, numbers, signs, scripts, spaces and lines: what pre-tokenizers cut differently.
const PROBE: &str = "Hello world! It's 2024, they'LL pay $1234567.89 (maybe).\n\n\tfn main() {\n    let x_1 = a+b; // naïve\n}\n \
    Größe élan Привет мир 你好，世界 日本語 العربية 😀🎉   three   spaces \r\n end_of/file";

/// Whether the vocabulary makes the same tokens of a text when it is read from GGUF.
fn verify(keys: &Keys, tokenizer: &Tokenizer, path: &Path) -> Result<()> {
    let metadata = keys.0.iter().map(|(key, value)| (key.clone(), value.clone().into_json())).collect();
    let gguf = Tokenizer::from_gguf(&metadata, path)?;
    let (ours, theirs) = (tokenizer.encode(PROBE, Encode::PROMPT)?, gguf.encode(PROBE, Encode::PROMPT)?);
    if ours == theirs {
        return Ok(());
    }
    let what = format!("the vocabulary of {} in GGUF: it would cut texts otherwise there", path.display());
    Err(Error::unsupported(what, "use the folder itself: the candle backend runs it"))
}
