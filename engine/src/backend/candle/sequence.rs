//! A sequence of the candle backend.

use super::hooked;
use super::load::Loaded;
use crate::Token;
use crate::backend::{Logits, Rows, Sequence};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::transformer::{Cache, Hooks};
use candle_core::Tensor;
use std::sync::Arc;

/// Tokens of a prompt that go through the model at once: weights are expanded once for this many, and activations stay
/// in the nearer caches. A multiple of the products' panels of 48 tokens.
const CHUNK: usize = 528;

/// Tokens, and their keys and values.
#[derive(Debug)]
pub(super) struct CandleSequence {
    loaded: Arc<Loaded>,
    cache: Cache,
    tokens: Vec<Token>,
}

impl CandleSequence {
    pub(super) fn new(loaded: Arc<Loaded>) -> Self {
        let cache = loaded.model.cache();
        Self { loaded, cache, tokens: Vec::new() }
    }

    /// Checks what is to be fed and makes ready for it.
    fn begin(&mut self, tokens: &[Token], rows: Rows) -> Result<()> {
        let spec = self.loaded.model.spec();
        let (vocab, context) = (spec.vocab_size, self.loaded.model.context());
        if let Some(bad) = tokens.iter().find(|t| **t as usize >= vocab) {
            return Err(Error::argument("token", format!("an id below the vocabulary's {vocab}"), bad.to_string()));
        }
        let total = self.tokens.len().saturating_add(tokens.len());
        if total > context {
            return Err(Error::ContextOverflow { tokens: total, context });
        }
        if tokens.is_empty() && rows == Rows::Last {
            return Err(Error::argument("tokens to feed", "at least one, to have logits after it", "none"));
        }
        // A panic in an earlier pass, caught further up, may have left the cache longer than the tokens.
        self.cache.truncate(self.tokens.len());
        Ok(())
    }

    /// Runs one chunk and returns the rows of logits asked for. The cache is left longer than `tokens` on success.
    fn pass(&mut self, chunk: &[Token], rows: Rows, control: &Control) -> Result<Vec<f32>> {
        let Self { loaded, cache, .. } = self;
        let loaded: &Loaded = loaded;
        loaded.pool.run(|| {
            let model = &loaded.model;
            let ids = Tensor::from_slice(chunk, (1, chunk.len()), model.device())?;
            let hidden = model.hidden(&ids, Some(cache), &mut loaded.tap(), control)?.squeeze(0)?;
            let hidden = match rows {
                Rows::All => hidden,
                Rows::Last | Rows::None => hidden.narrow(0, chunk.len() - 1, 1)?,
            };
            if rows == Rows::None {
                finite(&hidden.flatten_all()?.to_vec1::<f32>()?, "activations")?;
                return Ok(Vec::new());
            }
            let logits = model.logits(&hidden, &mut loaded.tap(), control)?.flatten_all()?.to_vec1::<f32>()?;
            finite(&logits, "logits")?;
            Ok(logits)
        })
    }
}

fn finite(values: &[f32], what: &str) -> Result<()> {
    match values.iter().find(|v| !v.is_finite()) {
        None => Ok(()),
        Some(bad) => Err(Error::Numeric(format!(
            "the model's {what} contain {bad}: expected finite numbers\nhelp: the weights may be damaged or out of the \
             range of their type; look at them with open(file).tensors()"
        ))),
    }
}

impl Sequence for CandleSequence {
    fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    fn feed(&mut self, tokens: &[Token], rows: Rows, control: &Control) -> Result<Logits> {
        self.begin(tokens, rows)?;
        let mut logits = Vec::new();
        let mut left = tokens;
        while !left.is_empty() {
            control.check()?;
            let (chunk, rest) = left.split_at(left.len().min(CHUNK));
            let wanted = if rows == Rows::Last && !rest.is_empty() { Rows::None } else { rows };
            match self.pass(chunk, wanted, control) {
                Ok(rows) => logits.extend(rows),
                Err(e) => {
                    self.cache.truncate(self.tokens.len());
                    return Err(e);
                }
            }
            self.tokens.extend_from_slice(chunk);
            left = rest;
        }
        Logits::new(logits, self.loaded.model.spec().vocab_size)
    }

    fn feed_with(&mut self, tokens: &[Token], rows: Rows, hooks: &mut dyn Hooks, control: &Control) -> Result<Logits> {
        self.begin(tokens, rows)?;
        control.check()?;
        let mut logits = Vec::new();
        if !tokens.is_empty() {
            let result = hooked::pass(&self.loaded, &mut self.cache, tokens, rows, hooks, control);
            logits = result.inspect_err(|_| self.cache.truncate(self.tokens.len()))?;
            self.tokens.extend_from_slice(tokens);
        }
        Logits::new(logits, self.loaded.model.spec().vocab_size)
    }

    fn truncate(&mut self, len: usize) -> Result<()> {
        if len > self.tokens.len() {
            let expected = format!("at most the {} tokens of the sequence", self.tokens.len());
            return Err(Error::argument("length to truncate to", expected, len.to_string()));
        }
        self.tokens.truncate(len);
        self.cache.truncate(len);
        Ok(())
    }

    fn fork(&self) -> Result<Box<dyn Sequence>> {
        let (loaded, cache, tokens) = (self.loaded.clone(), self.cache.clone(), self.tokens.clone());
        Ok(Box::new(Self { loaded, cache, tokens }))
    }
}
