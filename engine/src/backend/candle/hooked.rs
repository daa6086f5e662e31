//! Passes that are looked into: hooks, batches, the lens.

use super::load::Loaded;
use crate::Token;
use crate::backend::{Logits, Rows};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::tensor::room_for;
use crate::transformer::{Cache, Hooks, Point, Tap};
use candle_core::Tensor;
use std::collections::HashSet;

/// Tokens of a batch that go through the model together, filling included.
const TOKENS: usize = 4096;

/// Where scores of attention are made as a matrix, those of one block of a batch made at once, 64 MB.
const SCORES: usize = 16 << 20;

/// Rows of the residual stream that become logits at once: a vocabulary of 150,000 makes a row 600 kB.
const LENS: usize = 64;

/// One pass over all of `tokens`, after those in `cache`, with hooks; the cache is longer by them on success.
pub(super) fn pass(
    loaded: &Loaded,
    cache: &mut Cache,
    tokens: &[Token],
    rows: Rows,
    hooks: &mut dyn Hooks,
    control: &Control,
) -> Result<Vec<f32>> {
    let model = &loaded.model;
    let (len, before) = (tokens.len(), cache.len());
    let points = &loaded.points;
    let wanted: HashSet<_> = points.iter().map(|p| (p.point, p.layer)).filter(|(p, l)| hooks.wants(*p, *l)).collect();
    // Whoever looks may keep what is shown.
    let kept = points.iter().filter(|p| wanted.contains(&(p.point, p.layer))).map(|p| p.elements(len, before));
    let logits = if rows == Rows::All { len.saturating_mul(2 * model.spec().vocab_size) } else { 0 };
    let scores = wanted.iter().any(|(p, _)| matches!(p, Point::AttnScores | Point::Pattern)) || !on_cpu(loaded);
    room(len, kept.fold(transient(loaded, len, before, scores), usize::saturating_add).saturating_add(logits))?;
    loaded.pool.run_hooked(hooks, wanted, |hooks| {
        let mut tap = Tap::new(hooks).steered(&loaded.steering);
        let ids = Tensor::from_slice(tokens, (1, len), model.device())?;
        let hidden = model.hidden(&ids, Some(cache), &mut tap, control)?;
        // The norm is shown whole, whichever rows of logits are wanted.
        let normed = model.final_norm(&hidden, &mut tap)?.squeeze(0)?;
        let normed = match rows {
            Rows::All => normed,
            Rows::Last => normed.narrow(0, len - 1, 1)?,
            Rows::None => return Ok(Vec::new()),
        };
        Ok(model.unembed(&normed, control)?.flatten_all()?.to_vec1::<f32>()?)
    })
}

/// See [`crate::backend::Backend::batch`]: prompts filled up at their ends, as many at once as their scores allow.
pub(super) fn batch(loaded: &Loaded, prompts: &[Vec<Token>], control: &Control) -> Result<Vec<Logits>> {
    let model = &loaded.model;
    let vocab = model.spec().vocab_size;
    for prompt in prompts {
        check(loaded, prompt)?;
    }
    let all: usize = prompts.iter().map(Vec::len).sum();
    room(all, all.saturating_mul(2 * vocab))?;
    let mut out = Vec::with_capacity(prompts.len());
    let mut rest = prompts;
    while !rest.is_empty() {
        let (group, later) = rest.split_at(group(rest, if on_cpu(loaded) { 0 } else { model.spec().heads }));
        rest = later;
        let len = group.iter().map(Vec::len).max().unwrap_or(0);
        room(len * group.len(), transient(loaded, len, 0, !on_cpu(loaded)).saturating_mul(group.len()))?;
        // What fills a row up is never seen by what stands before it: any token will do.
        let filled: Vec<Token> =
            group.iter().flat_map(|p| p.iter().copied().chain(std::iter::repeat_n(0, len - p.len()))).collect();
        let rows = loaded.pool.run(|| -> Result<Vec<Vec<f32>>> {
            let ids = Tensor::from_vec(filled, (group.len(), len), model.device())?;
            let hidden = model.hidden(&ids, None, &mut loaded.tap(), control)?;
            let prompt = |(i, prompt): (usize, &Vec<Token>)| -> Result<Vec<f32>> {
                let hidden = hidden.get(i)?.narrow(0, 0, prompt.len())?;
                Ok(model.logits(&hidden, &mut loaded.tap(), control)?.flatten_all()?.to_vec1::<f32>()?)
            };
            group.iter().enumerate().map(prompt).collect()
        })?;
        for row in rows {
            out.push(Logits::new(row, vocab)?);
        }
    }
    Ok(out)
}

/// How many of the first prompts go together; `heads` of 0 where no matrix of scores is made.
fn group(prompts: &[Vec<Token>], heads: usize) -> usize {
    let mut longest = 0;
    let fits = |(i, prompt): &(usize, &Vec<Token>)| {
        longest = prompt.len().max(longest);
        let tokens = longest.saturating_mul(i + 1);
        tokens <= TOKENS && tokens.saturating_mul(longest).saturating_mul(heads) <= SCORES
    };
    prompts.iter().enumerate().take_while(fits).count().max(1)
}

/// See [`crate::backend::Backend::unembed`].
pub(super) fn unembed(loaded: &Loaded, residual: &Tensor, control: &Control) -> Result<Logits> {
    let model = &loaded.model;
    let spec = model.spec();
    let (rows, width) = residual.dims2()?;
    if width != spec.hidden_size {
        let expected = format!("rows of the residual stream, [rows, {}]", spec.hidden_size);
        return Err(Error::argument("unembed", expected, format!("[{rows}, {width}]")));
    }
    room(rows, rows.saturating_mul(2 * spec.vocab_size))?;
    let values = loaded.pool.run(|| -> Result<Vec<f32>> {
        let mut values = Vec::with_capacity(rows * spec.vocab_size);
        for start in (0..rows).step_by(LENS) {
            control.check()?;
            let part = residual.narrow(0, start, LENS.min(rows - start))?.to_device(model.device())?;
            values.extend(model.logits(&part, &mut loaded.tap(), control)?.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(values)
    })?;
    Logits::new(values, spec.vocab_size)
}

pub(super) fn check(loaded: &Loaded, tokens: &[Token]) -> Result<()> {
    let (vocab, context) = (loaded.model.spec().vocab_size, loaded.model.context());
    if tokens.is_empty() {
        return Err(Error::argument("text", "at least one token", "none"));
    }
    if tokens.len() > context {
        return Err(Error::ContextOverflow { tokens: tokens.len(), context });
    }
    match tokens.iter().find(|t| **t as usize >= vocab) {
        Some(bad) => Err(Error::argument("token", format!("an id below the vocabulary's {vocab}"), bad.to_string())),
        None => Ok(()),
    }
}

/// Values that are alive at once in an unchunked pass over one prompt, beside what hooks keep: activations of a block, and
/// the `scores` of its attention in three versions.
pub(super) fn transient(loaded: &Loaded, len: usize, before: usize, scores: bool) -> usize {
    let widest = |point: Point| {
        loaded.points.iter().filter(|p| p.point == point).map(|p| p.elements(len, before)).max().unwrap_or(0)
    };
    let rest = widest(Point::MlpPost).saturating_mul(3).saturating_add(widest(Point::ResidPost).saturating_mul(6));
    if scores { widest(Point::AttnScores).saturating_mul(3).saturating_add(rest) } else { rest }
}

/// Whether attention makes no matrix of scores where nobody looks at it.
pub(super) fn on_cpu(loaded: &Loaded) -> bool {
    loaded.model.device().is_cpu()
}

pub(super) fn room(tokens: usize, values: usize) -> Result<()> {
    room_for(&format!("a pass over {tokens} tokens at once"), values, size_of::<f32>()).map_err(|e| {
        e.with_help("shorten the text, or name fewer hook points: those of attention grow with its square")
    })
}
