//! Derivatives of what a model says by what happens inside it.

use super::activations::Activations;
use super::hook::alone;
use super::select::Selection;
use crate::Token;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::model::Model;
use candle_core::{D, Tensor as Candle};

/// What is differentiated: something about the prediction at one position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The position whose prediction counts; negative from the end: -1 is what comes after the last token.
    pub position: i64,
    /// The token.
    pub token: Token,
    /// With another token: the difference of the two logits. Without: the token's log-probability.
    pub minus: Option<Token>,
}

/// A metric and its derivatives by activations.
#[derive(Debug, Clone)]
pub struct GradientTrace {
    /// The tokens that were fed.
    pub tokens: Vec<Token>,
    /// The metric: a log-probability, or a difference of logits.
    pub value: f32,
    /// By hook point: the derivative of the metric by each value of the activation, in the activation's shape.
    pub gradients: Activations,
}

/// Feeds `tokens` and differentiates the metric by the activations at the hook points that match. Weights of any type will
/// do: those that are quantized are expanded exactly, and get no gradients of their own.
///
/// # Errors
/// A pattern that matches nothing, a position or a token that is not there, a backend without gradients.
pub fn gradients<S: AsRef<str>>(
    model: &Model,
    tokens: &[Token],
    patterns: &[S],
    target: Target,
    control: &Control,
) -> Result<GradientTrace> {
    let chosen = Selection::new(&model.backend().hook_points()?, patterns)?;
    let row = position(target.position, tokens.len())?;
    let vocab = model.info().vocab_size;
    if let Some(bad) = [Some(target.token), target.minus].into_iter().flatten().find(|t| *t as usize >= vocab) {
        return Err(Error::argument("token", format!("an id below the vocabulary's {vocab}"), bad.to_string()));
    }
    let points: Vec<_> = chosen.points().iter().map(|p| (p.point, p.layer)).collect();
    let metric = move |logits: &Candle| metric(logits, target);
    let found = model.backend().gradients(tokens, &points, row, &metric, control)?;
    let mut gradients = Activations::default();
    for (point, layer, gradient) in &found.gradients {
        gradients.push(&point.name(*layer), alone(gradient)?);
    }
    Ok(GradientTrace { tokens: tokens.to_vec(), value: found.value, gradients })
}

fn metric(logits: &Candle, target: Target) -> Result<Candle> {
    let at = |token: Token| logits.get(token as usize);
    Ok(match target.minus {
        Some(other) => (at(target.token)? - at(other)?)?,
        // The largest is taken off first: exp never overflows.
        None => {
            let top = logits.detach().max(D::Minus1)?;
            let sum = logits.broadcast_sub(&top)?.exp()?.sum(D::Minus1)?;
            (at(target.token)? - (sum.log()? + top)?)?
        }
    })
}

pub(super) fn position(position: i64, len: usize) -> Result<usize> {
    let count = len as i64;
    let at = if position < 0 { position + count } else { position };
    usize::try_from(at).ok().filter(|at| *at < len).ok_or_else(|| {
        Error::argument("position", format!("one of the {len} tokens, negative from the end"), position.to_string())
    })
}
