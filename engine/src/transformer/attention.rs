//! Attention over the tokens so far: grouped queries, causal, perhaps a sliding window.

use crate::error::Result;
use candle_core::{D, Device, Tensor};

/// Causal mask for queries at `start..start + queries` over keys `0..start + queries`: `[queries, keys]`, 0 where a
/// query may look and -inf where not. `None` when every query may look at every key.
pub fn mask(start: usize, queries: usize, window: Option<usize>, device: &Device) -> Result<Option<Tensor>> {
    let keys = start + queries;
    // A single query sees the past, unless a window hides its oldest part.
    if queries == 1 && window.is_none_or(|w| keys <= w) {
        return Ok(None);
    }
    let value = |query: usize, key: usize| {
        let visible = key <= query && window.is_none_or(|w| query - key < w);
        if visible { 0.0 } else { f32::NEG_INFINITY }
    };
    let values: Vec<f32> = (start..keys).flat_map(|q| (0..keys).map(move |k| value(q, k))).collect();
    Ok(Some(Tensor::from_vec(values, (queries, keys), device)?))
}

/// `softmax(q kᵀ / sqrt(d) + mask) v`.
///
/// `q` is `[batch, heads, queries, d]`; `k` and `v` are `[batch * kv_heads, keys, d]` where `heads` is a multiple of
/// `kv_heads`: consecutive query heads share a key head. Returns `[batch, queries, heads * d]`. Differentiable when `q`
/// is tracked.
pub fn attend(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let (batch, heads, queries, d) = q.dims4()?;
    let (stacks, keys, _) = k.dims3()?;
    let groups = batch * heads / stacks.max(1);
    // Heads that share keys become rows of one product: no copy of keys per query head.
    let q = (q * (1.0 / (d as f64).sqrt()))?.contiguous()?.reshape((stacks, groups * queries, d))?;
    let scores = q.matmul(&k.transpose(1, 2)?)?.reshape((batch * heads, queries, keys))?;
    let scores = match mask {
        Some(mask) => scores.broadcast_add(mask)?,
        None => scores,
    };
    let pattern = softmax(&scores)?.reshape((stacks, groups * queries, keys))?;
    let z = pattern.matmul(v)?.reshape((batch, heads, queries, d))?;
    Ok(z.transpose(1, 2)?.reshape((batch, queries, heads * d))?)
}

fn softmax(x: &Tensor) -> Result<Tensor> {
    Ok(if x.track_op() { candle_nn::ops::softmax(x, D::Minus1)? } else { candle_nn::ops::softmax_last_dim(x)? })
}
