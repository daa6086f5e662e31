//! Attention over the tokens so far, step by step on tensors: on any device, differentiable, open to hooks.

use super::attention_pieces as pieces;
use super::hooks::{Point, Tap};
use super::recorded;
use super::slices::{self, Stored};
use super::spec::Spec;
use crate::control::Control;
use crate::cpu::attention::{self as cpu, Attention, Elements, Keys};
use crate::error::Result;
use candle_core::{D, Device, Tensor};

/// What is added to the scores of queries at `start..start + queries` over keys `0..start + queries`: `[queries, keys]`
/// or, with slopes, `[heads, queries, keys]`. 0 (or `slope · (key - query)`) where a query may look and -inf where not.
/// `None` when there is nothing to add.
pub fn mask(
    start: usize,
    queries: usize,
    window: Option<usize>,
    slopes: Option<&[f32]>,
    device: &Device,
    control: &Control,
) -> Result<Option<Tensor>> {
    let keys = start + queries;
    // A single query sees the past, unless a window hides its oldest part.
    if queries == 1 && slopes.is_none() && window.is_none_or(|w| keys <= w) {
        return Ok(None);
    }
    let value = |slope: f32, query: usize, key: usize| {
        let visible = key <= query && window.is_none_or(|w| query - key < w);
        if visible { -slope * (query - key) as f32 } else { f32::NEG_INFINITY }
    };
    let rows = |slope: f32| (start..keys).flat_map(move |q| (0..keys).map(move |k| value(slope, q, k)));
    Ok(Some(match slopes {
        None => Tensor::from_iter(rows(0.0), device)?.reshape((queries, keys))?,
        Some(slopes) => {
            let mut values = Vec::with_capacity(slopes.len() * queries * keys);
            for slope in slopes {
                control.check()?;
                values.extend(rows(*slope));
            }
            Tensor::from_vec(values, (slopes.len(), queries, keys), device)?
        }
    }))
}

/// `softmax(cap(q kᵀ · scale) + mask) v`.
///
/// `q` is `[batch, queries, heads, d]`; `k` and `v` are `[batch * kv_heads, keys, d]` where `heads` is a multiple of
/// `kv_heads`: consecutive query heads share a key head. Returns `[batch, queries, heads, d]`. On plain tensors `control`
/// is polled between pieces of each step.
pub fn attend(
    spec: &Spec,
    layer: usize,
    [q, k, v]: [&Tensor; 3],
    mask: Option<&Tensor>,
    tap: &mut Tap,
    control: &Control,
) -> Result<Tensor> {
    let (batch, queries, heads, d) = q.dims4()?;
    let (stacks, keys, _) = k.dims3()?;
    let groups = batch * heads / stacks.max(1);
    // Heads that share keys become rows of one product: no copy of keys per query head.
    let q = (q.transpose(1, 2)? * spec.attention_scale)?.contiguous()?.reshape((stacks, groups * queries, d))?;
    let in_pieces = [&q, k, v].into_iter().all(slices::is_plain) && batch * heads * queries * keys * d > pieces::WORK;
    let scores = if in_pieces {
        pieces::scores([&q, k], spec.attention_softcap, mask, queries, control)?
    } else {
        let scores =
            capped(spec.attention_softcap, q.matmul(&k.transpose(1, 2)?)?)?.reshape((batch, heads, queries, keys))?;
        match mask {
            Some(mask) if recorded::takes(&scores) => recorded::masked(&scores, mask)?,
            Some(mask) => scores.broadcast_add(mask)?,
            None => scores,
        }
    };
    let scores = scores.reshape((batch, heads, queries, keys))?;
    let scores = tap.at(Point::AttnScores, layer, scores)?;
    let pattern = if in_pieces { pieces::softmax(&scores, control)? } else { softmax(&scores)? };
    drop(scores);
    let pattern = tap.at(Point::Pattern, layer, pattern)?.reshape((stacks, groups * queries, keys))?;
    let z = if in_pieces { pieces::product(&pattern, v, control)? } else { pattern.matmul(v)? };
    Ok(z.reshape((batch, heads, queries, d))?.transpose(1, 2)?.contiguous()?)
}

/// Scores with the architecture's soft limit.
pub fn capped(cap: Option<f64>, scores: Tensor) -> Result<Tensor> {
    Ok(match cap {
        Some(cap) => ((scores / cap)?.tanh()? * cap)?,
        None => scores,
    })
}

fn softmax(x: &Tensor) -> Result<Tensor> {
    Ok(if recorded::takes(x) {
        recorded::softmax(x)?
    } else if x.track_op() {
        candle_nn::ops::softmax(x, D::Minus1)?
    } else {
        candle_nn::ops::softmax_last_dim(&x.contiguous()?)?
    })
}

/// The same by the processor's kernel, which never makes the matrix of scores: for plain tensors without hooks on scores
/// and pattern. `k` and `v` may be the filled part of larger buffers.
pub fn fused(
    spec: &Spec,
    start: usize,
    window: Option<usize>,
    slopes: Option<&[f32]>,
    [q, k, v]: [&Tensor; 3],
    control: &Control,
) -> Result<Tensor> {
    let (batch, queries, heads, d) = q.dims4()?;
    let (kv_heads, filled) = (spec.kv_heads, k.dim(1)?);
    let problem = Attention {
        heads,
        kv_heads,
        head_dim: d,
        value_dim: d,
        scale: spec.attention_scale as f32,
        softcap: spec.attention_softcap.map(|c| c as f32),
        window,
        slopes,
        start,
        hidden: 0,
    };
    let stop = || control.interrupt.is_raised();
    let mut out = vec![0.0; q.elem_count()];
    for (row, out) in out.chunks_mut((queries * heads * d).max(1)).enumerate() {
        let (q, k, v) =
            (q.narrow(0, row, 1)?, k.narrow(0, row * kv_heads, kv_heads)?, v.narrow(0, row * kv_heads, kv_heads)?);
        slices::with(&q, |q| {
            slices::with_stored(&k, |k, k_stride| {
                slices::with_stored(&v, |v, v_stride| {
                    let (k, v) = (keys(k, k_stride, [kv_heads, filled, d]), keys(v, v_stride, [kv_heads, filled, d]));
                    cpu::attend(&problem, q, &k, &v, out, &stop)
                })
            })
        })?;
    }
    Ok(Tensor::from_vec(out, (batch, queries, heads, d), q.device())?)
}

fn keys(stored: Stored<'_>, stride: usize, [heads, len, dim]: [usize; 3]) -> Keys<'_> {
    let elements = match stored {
        Stored::F32(all) => Elements::F32(all),
        Stored::F16(all) => Elements::F16(all),
    };
    Keys { elements, heads, capacity: stride / dim.max(1), dim, len }
}
