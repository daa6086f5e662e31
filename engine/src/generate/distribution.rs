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

/// ln Σ exp(x), computed in f64 around the maximum.
pub(crate) fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    max + logits.iter().map(|x| (f64::from(*x) - max).exp()).sum::<f64>().ln()
}

/// Log-probability of one token under the softmax of `logits`; `None` when the token is out of range.
pub fn log_softmax_at(logits: &[f32], token: Token) -> Option<f32> {
    let logit = *logits.get(usize::try_from(token).ok()?)?;
    Some((f64::from(logit) - log_sum_exp(logits)) as f32)
}

/// The `n` likeliest tokens of a row, likeliest first; equal logits in order of id.
pub fn top(logits: &[f32], n: usize) -> Result<Vec<Candidate>> {
    check_finite(logits)?;
    let total = log_sum_exp(logits);
    Ok(largest(logits, n)
        .into_iter()
        .enumerate()
        .map(|(rank, (token, logit))| Candidate { token, logit, logprob: (f64::from(logit) - total) as f32, rank })
        .collect())
}

/// The `n` largest values with their positions, largest first, ties in order of position.
pub(crate) fn largest(values: &[f32], n: usize) -> Vec<(Token, f32)> {
    let mut all: Vec<(Token, f32)> = (0..).zip(values.iter().copied()).collect();
    keep_largest(&mut all, n);
    all
}

/// Keeps the `n` largest candidates, sorted. Selecting before sorting matters: vocabularies are large, `n` is not.
pub(crate) fn keep_largest(candidates: &mut Vec<(Token, f32)>, n: usize) {
    let order = |a: &(Token, f32), b: &(Token, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if n == 0 {
        candidates.clear();
        return;
    }
    if n < candidates.len() {
        candidates.select_nth_unstable_by(n - 1, order);
        candidates.truncate(n);
    }
    candidates.sort_unstable_by(order);
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
