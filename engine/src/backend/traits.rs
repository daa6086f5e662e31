//! The traits every backend implements.

use crate::Token;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::transformer::{HookPoint, Hooks, Point};
use candle_core::Tensor;
use std::sync::Arc;

/// Which implementation runs a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BackendKind {
    /// llama.cpp through llama-cpp-2.
    LlamaCpp,
    /// Our own transformer on candle.
    Candle,
}

impl BackendKind {
    /// The name scripts use.
    pub fn name(self) -> &'static str {
        match self {
            Self::LlamaCpp => "llama_cpp",
            Self::Candle => "candle",
        }
    }
}

impl std::fmt::Display for BackendKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What a loaded model is.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// Architecture as its file names it: `llama`, `qwen2`, …
    pub architecture: String,
    /// A name for a person, from the file's metadata; may be empty.
    pub name: String,
    /// Number of weights.
    pub parameters: u64,
    /// Rows of the output layer.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Query heads per block.
    pub heads: usize,
    /// Key/value heads per block.
    pub kv_heads: usize,
    /// Tokens a sequence of this load can hold.
    pub context: usize,
    /// Tokens the model was trained for.
    pub context_trained: usize,
    /// How most of the weights are stored: `Q4_1`, `F16`, …
    pub dtype: String,
    /// Where it runs: `cpu`, `cuda:0`, `metal:0`.
    pub device: String,
    /// Threads it uses.
    pub threads: usize,
    /// Bytes of weights that are mapped from the file and used in place.
    pub bytes_mapped: u64,
    /// Bytes of weights (or repacked copies) this load allocated beside the mapping.
    pub bytes_allocated: u64,
    /// Bytes one token takes in the KV cache.
    pub kv_bytes_per_token: u64,
}

/// Which rows of logits a feed returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// None: only fill the cache.
    None,
    /// The row after the last token.
    Last,
    /// One row per token fed.
    All,
}

/// Logits, row-major `[rows, vocab]`, f32, not yet normalized.
#[derive(Debug, Clone, PartialEq)]
pub struct Logits {
    data: Vec<f32>,
    vocab: usize,
}

impl Logits {
    /// Wraps row-major values; `data.len()` must be a multiple of `vocab`.
    pub fn new(data: Vec<f32>, vocab: usize) -> Result<Self> {
        if vocab == 0 || !data.len().is_multiple_of(vocab) {
            return Err(Error::argument("logits", format!("a multiple of {vocab} values"), format!("{}", data.len())));
        }
        Ok(Self { data, vocab })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.data.len() / self.vocab
    }

    /// Length of a row.
    pub fn vocab(&self) -> usize {
        self.vocab
    }

    /// One row; `None` past the end.
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        self.data.get(index.checked_mul(self.vocab)?..)?.get(..self.vocab)
    }

    /// The last row; `None` when there are no rows.
    pub fn last(&self) -> Option<&[f32]> {
        self.rows().checked_sub(1).and_then(|i| self.row(i))
    }

    /// All values.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Gives the values away.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }
}

/// A loaded model: weights that any number of sequences share.
pub trait Backend: Send + Sync + std::fmt::Debug {
    /// Which implementation this is.
    fn kind(&self) -> BackendKind;
    /// What was loaded.
    fn info(&self) -> &ModelInfo;
    /// A new, empty sequence. Sequences outlive nothing but the backend: they hold a handle to it.
    fn sequence(&self) -> Result<Box<dyn Sequence>>;

    /// Every hook point, in the order of a pass.
    ///
    /// # Errors
    /// A backend whose passes cannot be looked into.
    fn hook_points(&self) -> Result<Vec<HookPoint>> {
        Err(no_hooks("hook points"))
    }

    /// One row of logits per token of each prompt. Prompts of different lengths go through the model together where the
    /// backend can; here they go one after the other.
    fn batch(&self, prompts: &[Vec<Token>], control: &Control) -> Result<Vec<Logits>> {
        prompts.iter().map(|prompt| self.sequence()?.feed(prompt, Rows::All, control)).collect()
    }

    /// Logits of rows of the residual stream after the last block, `[rows, hidden]` f32: the final norm and the output
    /// layer, whatever the block the rows were taken from.
    fn unembed(&self, residual: &Tensor, control: &Control) -> Result<Logits> {
        let _ = (residual, control);
        Err(no_hooks("the logit lens"))
    }

    /// What `metric` makes of the logits after the token at `position`, and its derivative by the activation at each of
    /// `points`, of the activation's shape with a batch of one: `[1, pos, hidden]`.
    fn gradients(
        &self,
        tokens: &[Token],
        points: &[(Point, usize)],
        position: usize,
        metric: &Metric<'_>,
        control: &Control,
    ) -> Result<Gradients> {
        let _ = (tokens, points, position, metric, control);
        Err(no_hooks("gradients"))
    }

    /// The same weights, not copied, with `value` added at each hook point in every pass, beside what this backend adds
    /// already. A value has the shape of the activation without batch and positions.
    fn steered(&self, additions: &[(Point, usize, Tensor)]) -> Result<Arc<dyn Backend>> {
        let _ = additions;
        Err(no_hooks("steering"))
    }
}

/// A number made of logits `[vocabulary]`: a scalar, computed by operations that can be differentiated.
pub type Metric<'a> = dyn Fn(&Tensor) -> Result<Tensor> + Sync + 'a;

/// A metric and its derivatives.
#[derive(Debug, Clone)]
pub struct Gradients {
    /// The metric.
    pub value: f32,
    /// One per point asked for, in the order of the pass.
    pub gradients: Vec<(Point, usize, Tensor)>,
}

fn no_hooks(what: &str) -> Error {
    Error::unsupported(
        format!("{what}: the backend this model was loaded with does not show what happens inside it"),
        "load the model with #{ backend: \"candle\" }",
    )
}

/// A sequence of tokens with its KV cache.
///
/// After an error or an interrupt `len()` still tells the truth: tokens that were not fully processed are not in the
/// sequence, and it can be used on.
pub trait Sequence: Send + std::fmt::Debug {
    /// The tokens in the cache.
    fn tokens(&self) -> &[Token];

    /// Number of tokens in the cache.
    fn len(&self) -> usize {
        self.tokens().len()
    }

    /// Whether the cache is empty.
    fn is_empty(&self) -> bool {
        self.tokens().is_empty()
    }

    /// Appends tokens and returns the rows of logits asked for. Tokens outside the vocabulary are an error, as are more
    /// than the context holds. Polls `control.interrupt` at least every 100 ms; reports no progress itself.
    fn feed(&mut self, tokens: &[Token], rows: Rows, control: &Control) -> Result<Logits>;

    /// As [`Sequence::feed`], with someone who reads or replaces activations on the way. All tokens go through the model
    /// in one pass, so that each activation covers all of them. Values are handed on as they are, NaN too: those are
    /// what one may be looking for. After an error in a hook the sequence is as it was before.
    ///
    /// # Errors
    /// A backend without hook points, activations that do not fit in memory, whatever a hook returns, and all of
    /// [`Sequence::feed`].
    fn feed_with(&mut self, tokens: &[Token], rows: Rows, hooks: &mut dyn Hooks, control: &Control) -> Result<Logits> {
        let _ = (tokens, rows, hooks, control);
        Err(no_hooks("hooks"))
    }

    /// Keeps the first `len` tokens. More than there are is an error.
    fn truncate(&mut self, len: usize) -> Result<()>;

    /// A second sequence with the same contents, sharing memory where the backend can.
    fn fork(&self) -> Result<Box<dyn Sequence>>;
}
