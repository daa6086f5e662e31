//! The forward pass.

use super::attention::{attend, mask};
use super::cache::Cache;
use super::norm::rms_norm;
use super::rope::{RopeTable, Rotary};
use super::spec::Spec;
use super::weights::{BlockWeights, Weights};
use crate::control::Control;
use crate::error::{Error, Result};
use candle_core::{Device, Tensor};

/// A decoder: a spec and weights that fit it.
#[derive(Debug)]
pub struct Transformer {
    spec: Spec,
    weights: Weights,
    rope: Rotary,
    context: usize,
    device: Device,
    dropout: f32,
}

impl Transformer {
    /// Puts a decoder together; `context` is the number of positions it can serve.
    pub fn new(spec: Spec, weights: Weights, context: usize, device: &Device) -> Result<Self> {
        spec.validate()?;
        if context == 0 {
            return Err(Error::argument("context", "at least 1 token", "0"));
        }
        let rope = Rotary::new(&spec.rope);
        Ok(Self { spec, weights, rope, context, device: device.clone(), dropout: 0.0 })
    }

    /// For training: drops this part (0 to 1) of what the embedding and every half of a block add to the residual
    /// stream, at random, and scales the rest up.
    #[must_use]
    pub fn with_dropout(self, dropout: f32) -> Self {
        Self { dropout, ..self }
    }

    /// What it is.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Its weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Positions it can serve.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// An empty cache of its shape.
    pub fn cache(&self) -> Cache {
        Cache::new(self.spec.layers, self.context)
    }

    /// Runs the blocks over `tokens`, u32 `[batch, tokens]`, and returns the residual stream after the last one,
    /// `[batch, tokens, hidden]`.
    ///
    /// With a cache (a batch of one) the tokens follow those in it, and are added to it. Without, they start at position
    /// 0. Polls `control` several times per block; after an error the cache holds what it held before.
    pub fn hidden(&self, tokens: &Tensor, mut cache: Option<&mut Cache>, control: &Control) -> Result<Tensor> {
        let (batch, len) = tokens.dims2()?;
        let start = cache.as_ref().map_or(0, |c| c.len());
        if len == 0 || batch == 0 || (cache.is_some() && batch != 1) {
            return Err(Error::argument("tokens", "at least one, in one row when cached", format!("[{batch}, {len}]")));
        }
        if start + len > self.context {
            return Err(Error::ContextOverflow { tokens: start + len, context: self.context });
        }
        let rope = self.rope.table(start, len, &self.device)?;
        let mut masks = Masks { start, len, device: &self.device, made: Vec::new() };
        let mut x = self.drop(self.weights.embed.rows(tokens)?)?;
        for (i, block) in self.weights.blocks.iter().enumerate() {
            control.check()?;
            let mask = masks.get(self.spec.windows.get(i).copied().flatten())?;
            let normed = rms_norm(&x, &block.attn_norm, self.spec.norm_eps)?;
            let attn = self.attention(i, block, &normed, &rope, mask.as_ref(), cache.as_deref_mut(), control)?;
            x = (x + self.drop(attn)?)?;
            let normed = rms_norm(&x, &block.mlp_norm, self.spec.norm_eps)?;
            x = (x + self.drop(mlp(block, &normed, control)?)?)?;
        }
        if let Some(cache) = cache {
            cache.advance(len);
        }
        Ok(x)
    }

    /// The final norm over the residual stream.
    pub fn final_norm(&self, hidden: &Tensor) -> Result<Tensor> {
        rms_norm(hidden, &self.weights.norm, self.spec.norm_eps)
    }

    /// Logits `[…, vocabulary]` from the residual stream after the last block, `[…, hidden]`.
    pub fn logits(&self, hidden: &Tensor, control: &Control) -> Result<Tensor> {
        let normed = self.final_norm(hidden)?;
        self.weights.head.as_ref().unwrap_or(&self.weights.embed).project(&normed, control)
    }

    fn drop(&self, x: Tensor) -> Result<Tensor> {
        if self.dropout > 0.0 { Ok(candle_nn::ops::dropout(&x, self.dropout)?) } else { Ok(x) }
    }

    #[allow(clippy::too_many_arguments)] // the pieces of one block's attention, each named
    fn attention(
        &self,
        layer: usize,
        block: &BlockWeights,
        x: &Tensor,
        rope: &RopeTable,
        mask: Option<&Tensor>,
        cache: Option<&mut Cache>,
        control: &Control,
    ) -> Result<Tensor> {
        let (batch, len, _) = x.dims3()?;
        let d = self.spec.head_dim;
        let split = |t: Tensor, heads: usize, norm: Option<&Tensor>| -> Result<Tensor> {
            let t = t.reshape((batch, len, heads, d))?;
            let t = match norm {
                Some(weight) => rms_norm(&t, weight, self.spec.norm_eps)?,
                None => t,
            };
            Ok(t.transpose(1, 2)?)
        };
        let q = split(block.q.forward(x, control)?, self.spec.heads, block.q_norm.as_ref())?;
        let k = split(block.k.forward(x, control)?, self.spec.kv_heads, block.k_norm.as_ref())?;
        let v = split(block.v.forward(x, control)?, self.spec.kv_heads, None)?;
        let (q, k) = (rope.apply(&q)?, rope.apply(&k)?);
        let (k, v) = match cache {
            Some(cache) => cache.append(layer, &k.squeeze(0)?, &v.squeeze(0)?)?,
            None => (k.flatten(0, 1)?, v.contiguous()?.flatten(0, 1)?),
        };
        control.check()?;
        block.o.forward(&attend(&q, &k, &v, mask)?, control)
    }
}

/// SwiGLU (arXiv:2002.05202): `down(silu(gate(x)) * up(x))`.
fn mlp(block: &BlockWeights, x: &Tensor, control: &Control) -> Result<Tensor> {
    let gate = block.gate.forward(x, control)?.silu()?;
    let up = block.up.forward(x, control)?;
    block.down.forward(&(gate * up)?, control)
}

/// The masks of one pass: one per distinct window, made when first asked for.
struct Masks<'a> {
    start: usize,
    len: usize,
    device: &'a Device,
    made: Vec<(Option<usize>, Option<Tensor>)>,
}

impl Masks<'_> {
    fn get(&mut self, window: Option<usize>) -> Result<Option<Tensor>> {
        if let Some((_, mask)) = self.made.iter().find(|(w, _)| *w == window) {
            return Ok(mask.clone());
        }
        let mask = mask(self.start, self.len, window, self.device)?;
        self.made.push((window, mask.clone()));
        Ok(mask)
    }
}
