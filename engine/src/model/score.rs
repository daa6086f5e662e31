//! How likely a model finds a text.

use super::Model;
use crate::Token;
use crate::backend::Rows;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::generate::log_softmax_at;

/// Rows of logits held at once while scoring: a vocabulary of 150,000 makes a row 600 kB.
const CHUNK: usize = 64;

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
    for chunk in inputs.chunks(CHUNK) {
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
