//! What must hold before llama.cpp's loader may see a file.
//!
//! llama.cpp answers most nonsense with an error and some with an assertion, which `guard` catches. Left over are the
//! few numbers that it divides by or allocates by unasked: those are checked here, with texts that name the key.

use super::NAME;
use crate::error::{Error, Result};
use crate::format::{Metadata, TensorFile, TensorInfo};
use serde_json::Value;

/// llama.cpp's own limit on blocks (`LLAMA_MAX_LAYERS`).
const MAX_LAYERS: u64 = 512;
/// Wider than any model by two orders of magnitude, and small enough that products of two of them stay in range.
const MAX_WIDTH: u64 = 1 << 24;

/// The hyperparameters that sizes follow from, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// `general.architecture`.
    pub architecture: String,
    /// Blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Query heads of the first block that has some.
    pub heads: usize,
    /// Key/value heads per block.
    pub kv_heads: Vec<usize>,
    /// Values of a key and of a value, per head.
    pub head_sizes: (usize, usize),
    /// Inner width of the widest feed-forward layer, 0 where the file does not say.
    pub feed_forward: usize,
    /// Tokens the model was trained for.
    pub context_trained: usize,
    /// Entries of the vocabulary.
    pub vocab: usize,
    /// The tensor that makes logits out of the last state: `output.weight`, or the embedding where they are tied.
    pub output: Option<usize>,
}

impl Header {
    /// Reads and checks a GGUF file's header.
    pub fn read(file: &dyn TensorFile) -> Result<Self> {
        let keys = Keys { file, metadata: file.metadata(), architecture: String::new() };
        if file.format() != "gguf" {
            return Err(Error::unsupported(
                format!("{}: llama.cpp reads GGUF, this is {}", file.path().display(), file.format()),
                "load it with #{ backend: \"candle\" }, or convert it to GGUF",
            ));
        }
        let architecture = match keys.metadata.get("general.architecture").and_then(Value::as_str) {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => return Err(keys.wrong("general.architecture", "the name of an architecture", None)),
        };
        let keys = Keys { architecture: architecture.clone(), ..keys };
        let find = |name: &str| file.tensors().iter().position(|t| t.name == name);
        let Some(embedding) = find("token_embd.weight") else {
            return Err(Error::unsupported(
                format!(
                    "{}: this GGUF holds no language model: it has no tensor token_embd.weight",
                    file.path().display()
                ),
                "its tensors can still be looked at with open(path).tensors()",
            ));
        };
        let layers = keys.required("block_count", 1..=MAX_LAYERS)?;
        let hidden = keys.required("embedding_length", 1..=MAX_WIDTH)?;
        let context_trained = keys.required("context_length", 1..=u64::from(u32::MAX))?;
        let heads = keys.per_layer("attention.head_count", layers)?;
        let kv_heads = match keys.get("attention.head_count_kv") {
            Some(_) => keys.per_layer("attention.head_count_kv", layers)?,
            None => heads.clone(),
        };
        let first = heads.iter().copied().find(|&n| n > 0).unwrap_or(0);
        let default_size = hidden.checked_div(first).unwrap_or(0);
        let size = |key| keys.optional(key, 1..=MAX_WIDTH).map(|s| s.unwrap_or(default_size));
        let head_sizes = (size("attention.key_length")?, size("attention.value_length")?);
        if first > 0 && (head_sizes.0 == 0 || head_sizes.1 == 0) {
            return Err(keys.wrong("attention.head_count", format!("at most {hidden} heads"), Some(first.to_string())));
        }
        keys.small_number("attention.layer_norm_rms_epsilon")?;
        keys.small_number("attention.layer_norm_epsilon")?;
        keys.optional("rope.dimension_count", 0..=head_sizes.0.max(hidden) as u64)?;
        let feed_forward = keys.per_layer("feed_forward_length", layers)?.into_iter().max().unwrap_or(0);
        let rows = |t: &TensorInfo| t.shape.first().copied().unwrap_or(0);
        let vocab = match keys.metadata.get("tokenizer.ggml.tokens").and_then(Value::as_array) {
            Some(tokens) => tokens.len(),
            // llama.cpp makes as many dummy tokens as this says, whatever it says
            None => match file.tensors().get(embedding).map_or(0, rows) {
                0 => 0,
                rows => keys.optional("vocab_size", 1..=rows as u64)?.unwrap_or(rows),
            },
        };
        if vocab == 0 {
            return Err(keys.wrong("tokenizer.ggml.tokens", "at least one token", Some("none".into())));
        }
        Ok(Self {
            architecture,
            layers,
            hidden,
            heads: first,
            kv_heads,
            head_sizes,
            feed_forward,
            context_trained,
            vocab,
            output: find("output.weight").or(Some(embedding)),
        })
    }

    /// Values one token puts into the KV cache: keys and values.
    pub fn kv_values_per_token(&self) -> (u64, u64) {
        let heads: u64 = self.kv_heads.iter().map(|&h| h as u64).sum();
        (heads * self.head_sizes.0 as u64, heads * self.head_sizes.1 as u64)
    }
}

/// The metadata under an architecture's prefix.
struct Keys<'a> {
    file: &'a dyn TensorFile,
    metadata: &'a Metadata,
    architecture: String,
}

impl Keys<'_> {
    fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.metadata.get(&self.name(key))
    }

    fn wrong(&self, key: &str, expected: impl Into<String>, found: Option<String>) -> Error {
        let found = found.unwrap_or_else(|| "nothing".into());
        Error::format(self.file.path(), format!("metadata {key}: expected {}, found {found}", expected.into()))
            .with_help(format!("{NAME} cannot run this file; its tensors can still be looked at with open(path)"))
    }

    fn number(&self, key: &str, value: &Value, range: &std::ops::RangeInclusive<u64>) -> Result<usize> {
        value.as_u64().filter(|n| range.contains(n)).and_then(|n| usize::try_from(n).ok()).ok_or_else(|| {
            let expected = format!("a whole number from {} to {}", range.start(), range.end());
            self.wrong(&self.name(key), expected, Some(shorten(&value.to_string())))
        })
    }

    fn required(&self, key: &str, range: std::ops::RangeInclusive<u64>) -> Result<usize> {
        match self.get(key) {
            Some(value) => self.number(key, value, &range),
            None => Err(self.wrong(&self.name(key), "a whole number", None)),
        }
    }

    fn optional(&self, key: &str, range: std::ops::RangeInclusive<u64>) -> Result<Option<usize>> {
        self.get(key).map(|value| self.number(key, value, &range)).transpose()
    }

    /// A float from 0 to 1, if it is there: the normalization kernels assert on it while they compute.
    fn small_number(&self, key: &str) -> Result<()> {
        match self.get(key) {
            None => Ok(()),
            Some(value) if value.as_f64().is_some_and(|v| (0.0..=1.0).contains(&v)) => Ok(()),
            Some(value) => Err(self.wrong(&self.name(key), "a number from 0 to 1", Some(shorten(&value.to_string())))),
        }
    }

    /// A number for every block, or an array of one per block; zeros where the key is missing.
    fn per_layer(&self, key: &str, layers: usize) -> Result<Vec<usize>> {
        let range = 0..=MAX_WIDTH;
        match self.get(key) {
            None => Ok(vec![0; layers]),
            Some(Value::Array(values)) => {
                if values.len() < layers {
                    let expected = format!("{layers} numbers, one per block");
                    return Err(self.wrong(&self.name(key), expected, Some(values.len().to_string())));
                }
                values.iter().take(layers).map(|v| self.number(key, v, &range)).collect()
            }
            Some(value) => Ok(vec![self.number(key, value, &range)?; layers]),
        }
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 40 { text.to_owned() } else { text.chars().take(39).chain(['…']).collect() }
}
