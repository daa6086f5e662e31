//! The handle: what one does with a loaded model.

use super::{Perplexity, Score, Session, score};
use crate::Token;
use crate::backend::{Backend, Logits, ModelInfo, Rows, Sequence};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::TensorFile;
use crate::generate::{self, Candidate, GenerateOptions, Generation};
use crate::memory;
use crate::tensor::number;
use crate::tokenizer::{ChatOptions, Encode, Tokenizer};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A loaded model. Clones share it; the weights go when the last clone and the last session of it go.
#[derive(Clone, Debug)]
pub struct Model {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: Arc<dyn TensorFile>,
    tokenizer: Tokenizer,
    /// The sequence of the last call, kept because the next one often begins with the same tokens.
    cache: Mutex<Option<Box<dyn Sequence>>>,
    backend: Arc<dyn Backend>,
    why: String,
    load_time: Duration,
    steers: Vec<Steer>,
}

/// A vector that a model adds to its activations in every pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Steer {
    /// The hook points, as they were asked for: a name or a pattern.
    pub pattern: String,
    /// How many points that is.
    pub points: usize,
    /// What the vector is multiplied by.
    pub factor: f64,
    /// The length of the vector before that.
    pub norm: f64,
}

/// `4 × v (norm 12.3) at blocks.6.hook_resid_post`.
impl std::fmt::Display for Steer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} × v (norm {}) at {}", number(self.factor), number(self.norm), self.pattern)?;
        if self.points > 1 { write!(f, " ({} points)", self.points) } else { Ok(()) }
    }
}

impl Model {
    pub(super) fn new(
        file: Arc<dyn TensorFile>,
        tokenizer: Tokenizer,
        backend: Arc<dyn Backend>,
        why: String,
        load_time: Duration,
    ) -> Self {
        let (cache, steers) = (Mutex::new(None), Vec::new());
        Self { inner: Arc::new(Inner { file, tokenizer, cache, backend, why, load_time, steers }) }
    }

    /// The file, or the set of files, that its weights are in.
    pub fn file(&self) -> Arc<dyn TensorFile> {
        Arc::clone(&self.inner.file)
    }

    /// What was loaded.
    pub fn info(&self) -> &ModelInfo {
        self.inner.backend.info()
    }

    /// The backend that runs it.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.inner.backend
    }

    /// Why this backend was chosen, in words.
    pub fn why(&self) -> &str {
        &self.inner.why
    }

    /// How long loading took.
    pub fn load_time(&self) -> Duration {
        self.inner.load_time
    }

    /// A second handle of the same weights, whose passes `backend` runs: this model's own, with vectors added that
    /// `steer` describes. This handle stays as it is.
    pub(crate) fn steered(&self, backend: Arc<dyn Backend>, steer: Steer) -> Self {
        let Inner { file, tokenizer, why, load_time, steers, .. } = &*self.inner;
        let steers = steers.iter().cloned().chain([steer]).collect();
        let (cache, load_time) = (Mutex::new(None), *load_time);
        let (file, tokenizer, why) = (file.clone(), tokenizer.clone(), why.clone());
        Self { inner: Arc::new(Inner { file, tokenizer, cache, backend, why, load_time, steers }) }
    }

    /// What it adds to its activations in every pass; empty for a model as it was loaded.
    pub fn steers(&self) -> &[Steer] {
        &self.inner.steers
    }

    /// Its tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.inner.tokenizer
    }

    /// The tokens a prompt becomes, beginning-of-sequence token included where the tokenizer adds one. Special tokens
    /// written out in the text (`<|im_start|>`) are recognized.
    pub fn tokens(&self, text: &str) -> Result<Vec<Token>> {
        self.inner.tokenizer.encode(text, Encode { add_special: true, parse_special: true })
    }

    /// Generates a continuation of `text`.
    pub fn generate(&self, text: &str, options: &GenerateOptions, control: &Control) -> Result<Generation> {
        self.generate_tokens(&self.tokens(text)?, options, control)
    }

    /// Generates a continuation of `prompt`, reusing what the last call left in the cache.
    pub fn generate_tokens(
        &self,
        prompt: &[Token],
        options: &GenerateOptions,
        control: &Control,
    ) -> Result<Generation> {
        self.with_cache(|sequence| {
            generate::run(sequence, self.info().context, &self.inner.tokenizer, prompt, options, None, control)
        })
    }

    /// Generates the answer to a conversation, through the model's chat template.
    ///
    /// # Errors
    /// A model without a template (say which with [`ChatOptions::template`]), and all of [`Model::generate`].
    pub fn chat(
        &self,
        messages: &[serde_json::Value],
        chat: &ChatOptions,
        options: &GenerateOptions,
        control: &Control,
    ) -> Result<Generation> {
        let text = self.chat_text(messages, chat)?;
        self.generate_tokens(&self.inner.tokenizer.encode_chat(&text)?, options, control)
    }

    /// The text a conversation becomes, up to the place where the model answers.
    pub fn chat_text(&self, messages: &[serde_json::Value], chat: &ChatOptions) -> Result<String> {
        self.inner.tokenizer.apply_chat_template(messages, chat)
    }

    /// One row of logits per token of `text`: row `i` predicts token `i + 1`.
    pub fn logits(&self, tokens: &[Token], control: &Control) -> Result<Logits> {
        self.not_empty(tokens)?;
        // The rows stand twice for a moment: in the backend's own buffer and in ours.
        let bytes = (tokens.len() as u64).saturating_mul(self.info().vocab_size as u64).saturating_mul(8);
        memory::check(&format!("the logits of {} tokens", tokens.len()), bytes, "shorten the text, or unload a model")?;
        self.with_cache(|sequence| {
            sequence.truncate(0)?;
            sequence.feed(tokens, Rows::All, control)
        })
    }

    /// The `n` likeliest tokens after `tokens`.
    pub fn next(&self, tokens: &[Token], n: usize, control: &Control) -> Result<Vec<Candidate>> {
        self.not_empty(tokens)?;
        self.with_cache(|sequence| {
            let common = sequence.tokens().iter().zip(tokens).take_while(|(a, b)| a == b).count().min(tokens.len() - 1);
            sequence.truncate(common)?;
            let logits = sequence.feed(tokens.get(common..).unwrap_or_default(), Rows::Last, control)?;
            generate::top(logits.last().unwrap_or_default(), n)
        })
    }

    /// How likely the model finds `tokens`, each given those before it.
    pub fn score(&self, tokens: &[Token], control: &Control) -> Result<Score> {
        score::score(self, tokens, control)
    }

    /// How well the model predicts `text`: cut into windows of `window` tokens that do not overlap, each read on its own
    /// (behind the beginning-of-sequence token where the tokenizer adds one), and every predictable token scored.
    ///
    /// # Errors
    /// A window below 2 or beyond the context, a text of less than two tokens, and logits that are not finite.
    pub fn perplexity(&self, text: &str, window: usize, control: &Control) -> Result<Perplexity> {
        let tokenizer = &self.inner.tokenizer;
        let tokens = tokenizer.encode(text, Encode { add_special: false, parse_special: false })?;
        let bos = tokenizer.bos().filter(|_| tokenizer.add_bos());
        score::perplexity(self, &tokens, bos, window, control)
    }

    /// A session: a sequence to feed step by step.
    pub fn session(&self) -> Result<Session> {
        Ok(Session::new(self.clone(), self.inner.backend.sequence()?))
    }

    /// Drops the cached sequence of the last call and the memory it holds.
    pub fn clear_cache(&self) {
        *self.inner.cache.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn not_empty(&self, tokens: &[Token]) -> Result<()> {
        let context = self.info().context;
        if tokens.is_empty() {
            return Err(Error::argument("text", "at least one token", "none"));
        }
        if tokens.len() > context {
            return Err(Error::ContextOverflow { tokens: tokens.len(), context });
        }
        Ok(())
    }

    /// Runs `f` on the cached sequence, or on a new one when another thread has it.
    fn with_cache<T>(&self, f: impl FnOnce(&mut dyn Sequence) -> Result<T>) -> Result<T> {
        let cached = self.inner.cache.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut sequence = match cached {
            Some(sequence) => sequence,
            None => self.inner.backend.sequence()?,
        };
        let result = f(sequence.as_mut());
        // After a fault of the backend the sequence may be beyond use; the next call makes a new one.
        if !matches!(result, Err(Error::Backend { .. })) {
            *self.inner.cache.lock().unwrap_or_else(PoisonError::into_inner) = Some(sequence);
        }
        result
    }
}
