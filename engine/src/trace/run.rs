//! Runs that are looked into.

use super::activations::{Activations, Trace};
use super::hook::{Hook, Tapped};
use super::select::Selection;
use crate::Token;
use crate::backend::Rows;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::generate::{self, GenerateOptions, Generation};
use crate::model::Model;
use crate::tensor::Tensor;

/// Feeds `tokens` in one pass; hooks read or replace activations, and those that match `keep` are kept.
///
/// # Errors
/// A pattern that matches no hook point, a hook's own error, a hook that returns a tensor of another shape, a backend
/// without hook points, activations that do not fit in memory.
pub fn run<S: AsRef<str>>(
    model: &Model,
    tokens: &[Token],
    keep: &[S],
    hooks: Vec<Hook<'_>>,
    control: &Control,
) -> Result<Trace> {
    let mut tapped = tap(model, keep, hooks)?;
    if tokens.is_empty() {
        return Err(Error::argument("text", "at least one token", "none"));
    }
    // A sequence of its own: one that serves other calls must not hold what hooks have changed.
    let mut sequence = model.backend().sequence()?;
    let logits = sequence.feed_with(tokens, Rows::All, &mut tapped, control)?;
    let shape = [logits.rows(), logits.vocab()];
    Ok(Trace {
        tokens: tokens.to_vec(),
        logits: Tensor::from_vec(logits.into_data(), &shape)?,
        activations: tapped.kept,
    })
}

/// Feeds `tokens` and keeps the activations at the hook points that match.
///
/// # Errors
/// As [`run`].
pub fn run_with_cache<S: AsRef<str>>(
    model: &Model,
    tokens: &[Token],
    patterns: &[S],
    control: &Control,
) -> Result<Trace> {
    run(model, tokens, patterns, Vec::new(), control)
}

/// Feeds `tokens` with hooks and returns the logits, `[pos, vocabulary]`.
///
/// # Errors
/// As [`run`].
pub fn run_with_hooks(model: &Model, tokens: &[Token], hooks: Vec<Hook<'_>>, control: &Control) -> Result<Tensor> {
    Ok(run::<&str>(model, tokens, &[], hooks, control)?.logits)
}

/// Generates with hooks in every pass: that over the prompt, where `pos` is its length, and one per token after it, where
/// `pos` is 1.
///
/// # Errors
/// As [`run`], and those of a generation.
pub fn generate(
    model: &Model,
    prompt: &[Token],
    options: &GenerateOptions,
    hooks: Vec<Hook<'_>>,
    control: &Control,
) -> Result<Generation> {
    let mut tapped = tap::<&str>(model, &[], hooks)?;
    let mut sequence = model.backend().sequence()?;
    let context = model.info().context;
    generate::run(sequence.as_mut(), context, model.tokenizer(), prompt, options, Some(&mut tapped), control)
}

/// Logits `[pos, vocabulary]` of each of several prompts, which may differ in length and go through the model together.
///
/// # Errors
/// An empty prompt, one longer than the context.
pub fn run_batch(model: &Model, prompts: &[Vec<Token>], control: &Control) -> Result<Vec<Tensor>> {
    if let Some(at) = prompts.iter().position(Vec::is_empty) {
        return Err(Error::argument(format!("text {at} of the batch"), "at least one token", "none"));
    }
    let all = model.backend().batch(prompts, control)?.into_iter();
    all.map(|logits| {
        let shape = [logits.rows(), logits.vocab()];
        Tensor::from_vec(logits.into_data(), &shape)
    })
    .collect()
}

fn tap<'a, S: AsRef<str>>(model: &Model, keep: &[S], hooks: Vec<Hook<'a>>) -> Result<Tapped<'a>> {
    let known = model.backend().hook_points()?;
    let patterns: Vec<&str> = hooks.iter().map(|h| h.pattern.as_str()).collect();
    let at = Selection::new(&known, &patterns)?;
    Ok(Tapped { at, keep: Selection::new(&known, keep)?, kept: Activations::default(), hooks })
}
