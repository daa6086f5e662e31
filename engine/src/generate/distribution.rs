//! Looking at a row of logits as a probability distribution.

use crate::Token;
use crate::error::{Error, Result};

/// A possible next token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Its id.
    pub token: Token,
    /// Its logit.
    pub logit: f32,
    /// Natural logarithm of its probability under the softmax of the whole row.
    pub logprob: f32,
    /// 0 for the likeliest token of the row.
    pub rank: usize,
}

/// `Error::Numeric` when a row holds NaN or +∞, or nothing but -∞: a model that is broken, not unlikely.
pub fn check_finite(logits: &[f32]) -> Result<()> {
    let bad = logits.iter().filter(|v| v.is_nan() || **v == f32::INFINITY).count();
    if bad > 0 {
        return Err(Error::Numeric(format!(
            "the model's logits hold {bad} values of {} that are NaN or infinite\nhelp: its weights are probably damaged; look at them with `minerva inspect`, or load with another dtype",
            logits.len()
        )));
    }
    if logits.iter().all(|v| *v == f32::NEG_INFINITY) {
        return Err(Error::Numeric("every token is ruled out: all logits are -∞".to_owned()));
    }
    Ok(())
}

/// The denominator of a softmax: the row's maximum, and ln Σ exp(x - maximum). Kept apart, because their sum loses the
/// second beside a large first.
pub(crate) struct Normalizer {
    max: f64,
    log_sum: f64,
}

impl Normalizer {
    pub(crate) fn new(logits: &[f32]) -> Self {
        let max = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        Self { max, log_sum: logits.iter().map(|x| (f64::from(*x) - max).exp()).sum::<f64>().ln() }
    }

    pub(crate) fn logprob(&self, logit: f32) -> f32 {
        ((f64::from(logit) - self.max) - self.log_sum) as f32
    }
}

/// Log-probability of one token under the softmax of `logits`; `None` when the token is out of range.
pub fn log_softmax_at(logits: &[f32], token: Token) -> Option<f32> {
    let logit = *logits.get(usize::try_from(token).ok()?)?;
    Some(Normalizer::new(logits).logprob(logit))
}

/// The `n` likeliest tokens of a row, likeliest first; equal logits in order of id.
pub fn top(logits: &[f32], n: usize) -> Result<Vec<Candidate>> {
    check_finite(logits)?;
    let normalizer = Normalizer::new(logits);
    Ok(largest(logits, n)
        .into_iter()
        .enumerate()
        .map(|(rank, (token, logit))| Candidate { token, logit, logprob: normalizer.logprob(logit), rank })
        .collect())
}

/// The `n` largest values with their positions, largest first, ties in order of position.
pub(crate) fn largest(values: &[f32], n: usize) -> Vec<(Token, f32)> {
    let mut all: Vec<(Token, f32)> = (0..).zip(values.iter().copied()).collect();
    keep_largest(&mut all, n);
    all
}

/// Keeps the `n` largest candidates, sorted.
pub(crate) fn keep_largest(candidates: &mut Vec<(Token, f32)>, n: usize) {
    let kept = sort_largest(candidates, n).len();
    candidates.truncate(kept);
}

/// Brings the `n` largest candidates to the front, sorted, ties in order of id, and returns them; the others follow in
/// any order. Selecting before sorting matters: vocabularies are large, `n` is not.
pub(crate) fn sort_largest(candidates: &mut [(Token, f32)], n: usize) -> &[(Token, f32)] {
    let order = |a: &(Token, f32), b: &(Token, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if n > 0 && n < candidates.len() {
        candidates.select_nth_unstable_by(n - 1, order);
    }
    let (first, _) = candidates.split_at_mut(n.min(candidates.len()));
    first.sort_unstable_by(order);
    first
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn top_is_sorted_and_normalized() {
        let logits = [0.0, (4.0f32).ln(), (3.0f32).ln(), (4.0f32).ln()];
        let c = top(&logits, 3).unwrap();
        assert_eq!(c.iter().map(|c| c.token).collect::<Vec<_>>(), [1, 3, 2]);
        assert!((c[0].logprob.exp() - 4.0 / 12.0).abs() < 1e-6);
        assert!((log_softmax_at(&logits, 0).unwrap().exp() - 1.0 / 12.0).abs() < 1e-6);
        assert_eq!(log_softmax_at(&logits, 4), None);
    }

    #[test]
    fn huge_logits_do_not_overflow() {
        assert!((log_softmax_at(&[1e30, 1e30], 1).unwrap() - 0.5f32.ln()).abs() < 1e-6);
        assert!(top(&[f32::NAN, 0.0], 1).is_err());
        assert!(top(&[f32::NEG_INFINITY; 2], 1).is_err());
    }
}
