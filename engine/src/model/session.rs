//! A sequence that a person drives step by step.

use super::Model;
use crate::Token;
use crate::backend::{Rows, Sequence};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::generate::{self, GenerateOptions, Generation};
use crate::tokenizer::Encode;

/// A sequence with its cache: feed, look at the logits, fork, truncate.
#[derive(Debug)]
pub struct Session {
    model: Model,
    sequence: Box<dyn Sequence>,
    /// Logits after the last token; `None` when they must be computed again.
    last: Option<Vec<f32>>,
}

impl Session {
    pub(super) fn new(model: Model, sequence: Box<dyn Sequence>) -> Self {
        Self { model, sequence, last: None }
    }

    /// The model it runs on.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The tokens so far.
    pub fn tokens(&self) -> &[Token] {
        self.sequence.tokens()
    }

    /// The text so far, special tokens written out.
    pub fn text(&self) -> Result<String> {
        self.model.tokenizer().decode(self.tokens(), false)
    }

    /// Appends text. The tokenizer's beginning-of-sequence token goes before the first text only.
    pub fn feed(&mut self, text: &str, control: &Control) -> Result<()> {
        let first = self.sequence.is_empty();
        let tokens = self.model.tokenizer().encode(text, Encode { add_special: first, parse_special: true })?;
        self.feed_tokens(&tokens, control)
    }

    /// Appends tokens.
    pub fn feed_tokens(&mut self, tokens: &[Token], control: &Control) -> Result<()> {
        let total = self.sequence.len() + tokens.len();
        let context = self.model.info().context;
        if total > context {
            return Err(Error::ContextOverflow { tokens: total, context });
        }
        if tokens.is_empty() {
            return Ok(());
        }
        self.last = None;
        let logits = self.sequence.feed(tokens, Rows::Last, control)?;
        self.last = logits.last().map(<[f32]>::to_vec);
        Ok(())
    }

    /// The logits after the last token.
    pub fn logits(&mut self, control: &Control) -> Result<&[f32]> {
        if self.last.is_none() {
            let Some(token) = self.tokens().last().copied() else {
                return Err(Error::argument("logits", "a session that was fed", "an empty one")
                    .with_help("feed it text first: s.feed(\"Once\")"));
            };
            // After a truncation only the cache is there: the last token is fed again for its logits. In a copy, so
            // that an interrupt loses no token.
            let mut copy = self.sequence.fork()?;
            copy.truncate(copy.len() - 1)?;
            let logits = copy.feed(&[token], Rows::Last, control)?;
            self.last = logits.last().map(<[f32]>::to_vec);
            self.sequence = copy;
        }
        self.last.as_deref().ok_or_else(|| Error::Numeric("the backend returned no logits".into()))
    }

    /// Generates from here; the generated tokens stay in the session. After an error or an interrupt the session is
    /// what it was before.
    pub fn generate(&mut self, options: &GenerateOptions, control: &Control) -> Result<Generation> {
        let prompt = self.tokens().to_vec();
        let context = self.model.info().context;
        let mut copy = self.sequence.fork()?;
        let tokenizer = self.model.tokenizer();
        let generation = generate::run(copy.as_mut(), context, tokenizer, &prompt, options, None, control)?;
        // The last token was sampled but not fed.
        let fed = copy.len() - prompt.len();
        let rest = generation.tokens.get(fed..).unwrap_or_default();
        let mut last = None;
        if !rest.is_empty() && copy.len() + rest.len() <= context {
            last = copy.feed(rest, Rows::Last, control)?.last().map(<[f32]>::to_vec);
        }
        self.sequence = copy;
        self.last = last;
        Ok(generation)
    }

    /// Keeps the first `len` tokens.
    pub fn truncate(&mut self, len: usize) -> Result<()> {
        if len > self.sequence.len() {
            return Err(Error::argument(
                "truncate",
                format!("at most {} tokens", self.sequence.len()),
                format!("{len}"),
            ));
        }
        if len < self.sequence.len() {
            self.last = None;
            self.sequence.truncate(len)?;
        }
        Ok(())
    }

    /// A second session with the same tokens.
    pub fn fork(&self) -> Result<Self> {
        Ok(Self { model: self.model.clone(), sequence: self.sequence.fork()?, last: self.last.clone() })
    }
}
