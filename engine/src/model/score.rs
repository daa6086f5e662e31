//! How likely a model finds a text.

use super::Model;
use crate::Token;
use crate::backend::Rows;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::generate::log_softmax_at;

/// Bytes of logits held at once while scoring: a vocabulary of 150,000 makes a row 600 kB.
const LOGITS: usize = 64 << 20;

/// The log-probabilities of a text's tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The tokens.
    pub tokens: Vec<Token>,
    /// ln p of each token given those before it; one shorter than `tokens`, for nothing predicts the first.
    pub logprobs: Vec<f32>,
}

impl Score {
    /// Sum of the log-probabilities, in nats.
    pub fn total(&self) -> f64 {
        self.logprobs.iter().map(|l| f64::from(*l)).sum()
    }

    /// exp(-mean log-probability).
    pub fn perplexity(&self) -> f64 {
        (-self.total() / self.logprobs.len().max(1) as f64).exp()
    }
}

pub(super) fn score(model: &Model, tokens: &[Token], control: &Control) -> Result<Score> {
    let context = model.info().context;
    if tokens.len() < 2 {
        return Err(Error::argument("score", "a text of at least two tokens", format!("{}", tokens.len())));
    }
    if tokens.len() > context {
        return Err(Error::ContextOverflow { tokens: tokens.len(), context });
    }
    let mut sequence = model.backend().sequence()?;
    let mut logprobs = Vec::with_capacity(tokens.len() - 1);
    let inputs = tokens.get(..tokens.len() - 1).unwrap_or_default();
    let mut targets = tokens.iter().skip(1);
    let rows = (LOGITS / (4 * model.info().vocab_size.max(1))).clamp(16, 512);
    for chunk in inputs.chunks(rows) {
        let logits = sequence.feed(chunk, Rows::All, control)?;
        for (row, target) in (0..logits.rows()).filter_map(|i| logits.row(i)).zip(targets.by_ref().take(chunk.len())) {
            let logprob = log_softmax_at(row, *target).filter(|l| !l.is_nan());
            logprobs.push(logprob.ok_or_else(|| {
                Error::Numeric(format!("token {target} has no probability: its logits are missing or not a number"))
            })?);
        }
    }
    Ok(Score { tokens: tokens.to_vec(), logprobs })
}

/// How well a model predicts a long text, window by window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Perplexity {
    /// exp of the mean negative log-probability.
    pub perplexity: f64,
    /// The sum of the negative log-probabilities, in nats.
    pub nll: f64,
    /// Tokens that were predicted.
    pub scored: usize,
    /// Windows the text was cut into.
    pub windows: usize,
}

/// Cuts `tokens` into windows that do not overlap, each scored by itself: behind `bos` where the model has one, else from
/// its second token on. A last window of a single unpredictable token is left out.
pub(super) fn perplexity(
    model: &Model,
    tokens: &[Token],
    bos: Option<Token>,
    window: usize,
    control: &Control,
) -> Result<Perplexity> {
    let room = window.saturating_sub(usize::from(bos.is_some()));
    if window < 2 || room == 0 || window > model.info().context {
        let expected = format!("2 to the context of {} tokens", model.info().context);
        return Err(Error::argument("perplexity, window", expected, window.to_string()));
    }
    let parts: Vec<Vec<Token>> = tokens
        .chunks(room)
        .map(|part| bos.into_iter().chain(part.iter().copied()).collect())
        .filter(|part: &Vec<Token>| part.len() > 1)
        .collect();
    if parts.is_empty() {
        return Err(Error::argument("perplexity", "a text of at least two tokens", tokens.len().to_string()));
    }
    let (mut nll, mut scored) = (0.0, 0);
    for (i, part) in parts.iter().enumerate() {
        let score = score(model, part, control)?;
        nll -= score.total();
        scored += score.logprobs.len();
        control.progress("perplexity", i as u64 + 1, parts.len() as u64, "windows");
    }
    Ok(Perplexity { perplexity: (nll / scored as f64).exp(), nll, scored, windows: parts.len() })
}
