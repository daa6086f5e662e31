//! The second half of a block: an MLP, or a mixture of them.

use super::hooks::{Point, Tap};
use super::recorded;
use super::slices;
use super::spec::{Activation, Experts, Router};
use super::weights::{FeedForward, Linear, MlpWeights, Weight};
use crate::control::Control;
use crate::error::{Error, Result};
use candle_core::{D, Tensor};

/// What a half-block needs beside its weights.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The non-linearity.
    pub activation: Activation,
    /// The mixture, where there is one.
    pub experts: Option<Experts>,
    /// The block, for hook names.
    pub layer: usize,
    /// Polled between products.
    pub control: &'a Control,
}

/// The non-linearity, element by element.
fn activate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    if slices::is_plain(x) {
        return slices::activate(x, None, activation);
    }
    Ok(match activation {
        Activation::Silu => x.silu()?,
        Activation::Gelu => x.gelu_erf()?,
        Activation::GeluTanh => x.gelu()?,
        Activation::Relu => x.relu()?,
        Activation::ReluSquared => x.relu()?.sqr()?,
    })
}

/// `x`, `[batch, pos, hidden]`, through the half-block.
pub fn feed_forward(weights: &FeedForward, x: &Tensor, set: Setting, tap: &mut Tap) -> Result<Tensor> {
    match weights {
        FeedForward::Dense(weights) => mlp(weights, x, set, tap),
        FeedForward::Experts { router, experts, shared } => {
            let width = x.dim(D::Minus1)?;
            let flat = x.reshape(((), width))?;
            let mut y = mixture(router, experts, x, set, tap)?;
            if let Some((expert, gate)) = shared {
                let out = mlp(expert, &flat, set, &mut Tap::none())?;
                let gate = candle_nn::ops::sigmoid(&gate.project(&flat, set.control)?)?;
                y = (y + out.broadcast_mul(&gate)?)?;
            }
            Ok(y.reshape(x.shape())?)
        }
    }
}

fn mlp(weights: &MlpWeights, x: &Tensor, set: Setting, tap: &mut Tap) -> Result<Tensor> {
    let Setting { layer, control, activation, .. } = set;
    let post = match &weights.gate {
        Some(gate) => {
            let [pre, linear] = Linear::forward_all([gate, &weights.up], x, control)?;
            let pre = tap.at(Point::MlpPre, layer, pre)?;
            let linear = tap.at(Point::MlpPreLinear, layer, linear)?;
            if slices::is_plain(&pre) && slices::is_plain(&linear) {
                slices::activate(&pre, Some(&linear), activation)?
            } else {
                let own = [&pre, &linear].into_iter().all(recorded::takes);
                match own.then(|| recorded::gated(&pre, &linear, activation)).flatten() {
                    Some(post) => post?,
                    None => (activate(&pre, activation)? * linear)?,
                }
            }
        }
        None => activate(&tap.at(Point::MlpPre, layer, weights.up.forward(x, control)?)?, activation)?,
    };
    weights.down.forward(&tap.at(Point::MlpPost, layer, post)?, control)
}

/// Each token of `x`, `[batch, pos, hidden]`, through its experts, one product per expert over the tokens that chose it:
/// `[batch * pos, hidden]`.
fn mixture(router: &Weight, experts: &[MlpWeights], x: &Tensor, set: Setting, tap: &mut Tap) -> Result<Tensor> {
    let spec = set.experts.ok_or_else(|| Error::backend("candle", "experts without their number"))?;
    let scores = tap.at(Point::RouterLogits, set.layer, router.project(x, set.control)?)?;
    let scores = candle_nn::ops::softmax(&scores, D::Minus1)?;
    let scores = tap.at(Point::ExpertWeights, set.layer, scores)?;
    let picks = picks(&scores, spec.used, set.layer, tap)?;
    let (x, scores) = (x.flatten(0, 1)?, scores.flatten(0, 1)?);
    let mut chosen: Vec<(Vec<u32>, Vec<f32>)> = vec![(Vec::new(), Vec::new()); experts.len()];
    for (token, (row, picks)) in scores.detach().to_vec2::<f32>()?.iter().zip(picks).enumerate() {
        let weight = |expert: usize| row.get(expert).copied().unwrap_or(0.0);
        let sum: f32 = match spec.router {
            Router::Softmax => 1.0,
            Router::Renormalized => picks.iter().map(|e| weight(*e)).sum(),
        };
        for expert in picks {
            if let Some((tokens, weights)) = chosen.get_mut(expert) {
                tokens.push(token as u32);
                weights.push(weight(expert) / sum);
            }
        }
    }
    let tracked = if scores.track_op() { Some(tracked(&scores, &chosen, spec.router)?) } else { None };
    let mut y = x.zeros_like()?;
    for (i, (expert, (tokens, weights))) in experts.iter().zip(chosen).enumerate() {
        if tokens.is_empty() {
            continue;
        }
        let count = tokens.len();
        let tokens = Tensor::from_vec(tokens, count, x.device())?;
        let weights = match &tracked {
            Some(all) => all.narrow(1, i, 1)?.contiguous()?.index_select(&tokens, 0)?,
            None => Tensor::from_vec(weights, (count, 1), x.device())?,
        };
        let out = mlp(expert, &x.index_select(&tokens, 0)?, set, &mut Tap::none())?;
        y = y.index_add(&tokens, &out.broadcast_mul(&weights)?, 0)?;
    }
    Ok(y)
}

/// The experts of each token, the one of the largest weight first, unless a hook puts others in their place.
fn picks(scores: &Tensor, used: usize, layer: usize, tap: &mut Tap) -> Result<Vec<Vec<usize>>> {
    let (batch, pos, experts) = scores.dims3()?;
    let best = |row: Vec<f32>| -> Vec<usize> {
        let mut order: Vec<(usize, f32)> = row.into_iter().enumerate().collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        order.into_iter().take(used).map(|(expert, _)| expert).collect()
    };
    let picks: Vec<_> = scores.detach().flatten(0, 1)?.to_vec2::<f32>()?.into_iter().map(best).collect();
    if !tap.wants(Point::ExpertIndices, layer) {
        return Ok(picks);
    }
    let values: Vec<f32> = picks.iter().flatten().map(|expert| *expert as f32).collect();
    let shown = Tensor::from_vec(values, (batch, pos, used), scores.device())?;
    let changed = tap.at(Point::ExpertIndices, layer, shown)?.detach().flatten(0, 1)?.to_vec2::<f32>()?;
    changed.into_iter().map(|row| numbers(&row, experts, layer)).collect()
}

/// What a hook returned as numbers of experts.
fn numbers(row: &[f32], experts: usize, layer: usize) -> Result<Vec<usize>> {
    let mut numbers = Vec::with_capacity(row.len());
    for value in row {
        let number = Some(value.round()).filter(|v| (0.0..experts as f32).contains(v)).map(|v| v as usize);
        let Some(number) = number.filter(|n| !numbers.contains(n)) else {
            let expected = format!("numbers of experts, 0 to {}, each once per token", experts.saturating_sub(1));
            let place = format!("hook at {:?}", Point::ExpertIndices.name(layer));
            return Err(Error::argument(place, expected, format!("{row:?}")));
        };
        numbers.push(number);
    }
    Ok(numbers)
}

/// The weight of each expert for each token, `[tokens, experts]`, 0 for those not chosen, made of `scores` by operations
/// that can be differentiated.
fn tracked(scores: &Tensor, chosen: &[(Vec<u32>, Vec<f32>)], router: Router) -> Result<Tensor> {
    let (rows, experts) = scores.dims2()?;
    let mut mask = vec![0.0f32; rows * experts];
    for (expert, (tokens, _)) in chosen.iter().enumerate() {
        for token in tokens {
            if let Some(place) = mask.get_mut(*token as usize * experts + expert) {
                *place = 1.0;
            }
        }
    }
    let kept = (scores * Tensor::from_vec(mask, (rows, experts), scores.device())?)?;
    Ok(match router {
        Router::Softmax => kept,
        Router::Renormalized => kept.broadcast_div(&kept.sum_keepdim(D::Minus1)?)?,
    })
}
