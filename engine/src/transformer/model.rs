//! The forward pass.

use super::attention::{attend, fused, mask};
use super::cache::Cache;
use super::feed_forward::{Setting, feed_forward};
use super::hooks::{Point, Tap};
use super::norm::NormWeights;
use super::recorded;
use super::recorded_attention;
use super::rope::{RopeTable, Rotary};
use super::slices;
use super::spec::{Layer, QkNormShape, Spec};
use super::weights::{BlockWeights, Linear, QkvWeights, Weights};
use crate::control::Control;
use crate::error::{Error, Result};
use candle_core::{DType, Device, Tensor};

/// A decoder: a spec and weights that fit it.
#[derive(Debug)]
pub struct Transformer {
    spec: Spec,
    weights: Weights,
    ropes: Vec<Rotary>,
    slopes: Option<Vec<f32>>,
    context: usize,
    device: Device,
    dropout: f32,
    cache: DType,
}

impl Transformer {
    /// Puts a decoder together; `context` is the number of positions it can serve.
    ///
    /// # Errors
    /// A spec that contradicts itself, no context, or more of it than there are learned positions.
    pub fn new(spec: Spec, weights: Weights, context: usize, device: &Device) -> Result<Self> {
        spec.validate()?;
        if context == 0 {
            return Err(Error::argument("context", "at least 1 token", "0"));
        }
        if spec.learned_positions && context > spec.context_trained {
            let expected = format!("at most the {} positions this model has learned", spec.context_trained);
            return Err(Error::argument("context", expected, context.to_string()));
        }
        let ropes = spec.ropes.iter().map(|rope| Rotary::new(rope, context)).collect();
        let slopes = spec.alibi.map(|alibi| alibi.slopes(spec.heads));
        Ok(Self { spec, weights, ropes, slopes, context, device: device.clone(), dropout: 0.0, cache: DType::F32 })
    }

    /// For training: drops this part (0 to 1) of what the embedding and every half of a block add to the residual
    /// stream, at random, and scales the rest up.
    #[must_use]
    pub fn with_dropout(self, dropout: f32) -> Self {
        Self { dropout, ..self }
    }

    /// Keeps keys and values as numbers of this type: F32, which is exact, or F16, which takes half the memory and half
    /// the time to read.
    #[must_use]
    pub fn with_cache_type(self, cache: DType) -> Self {
        Self { cache, ..self }
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
        Cache::new(self.spec.layers.len(), self.context, self.cache)
    }

    /// Runs the blocks over `tokens`, u32 `[batch, tokens]`, and returns the residual stream after the last one,
    /// `[batch, tokens, hidden]`.
    ///
    /// With a cache (a batch of one) the tokens follow those in it, and are added to it. Without, they start at position
    /// 0; rows of different lengths are filled up at their ends with any token, which nothing before them sees. Polls
    /// `control` several times per block; after an error the cache holds what it held before.
    pub fn hidden(
        &self,
        tokens: &Tensor,
        mut cache: Option<&mut Cache>,
        tap: &mut Tap,
        control: &Control,
    ) -> Result<Tensor> {
        let (batch, len) = tokens.dims2()?;
        let start = cache.as_ref().map_or(0, |c| c.len());
        if len == 0 || batch == 0 || (cache.is_some() && batch != 1) {
            return Err(Error::argument("tokens", "at least one, in one row when cached", format!("[{batch}, {len}]")));
        }
        if start + len > self.context {
            return Err(Error::ContextOverflow { tokens: start + len, context: self.context });
        }
        let mut pass = self.pass(start, len, control);
        let mut x = pass.embed(tokens, tap)?;
        for i in 0..self.weights.blocks.len() {
            x = pass.block(i, x, cache.as_deref_mut(), tap)?;
        }
        if let Some(cache) = cache {
            cache.advance(len);
        }
        Ok(x)
    }

    /// A pass over `len` tokens that follow `start` others, for those who run it block by block.
    pub fn pass<'a>(&'a self, start: usize, len: usize, control: &'a Control) -> Pass<'a> {
        Pass { model: self, start, len, masks: Vec::new(), ropes: vec![None; self.ropes.len()], control }
    }

    /// The final norm over the residual stream.
    pub fn final_norm(&self, hidden: &Tensor, tap: &mut Tap) -> Result<Tensor> {
        tap.at(Point::FinalNormalized, 0, self.weights.norm.forward(hidden)?)
    }

    /// Logits `[…, vocabulary]` from the residual stream after the last block, `[…, hidden]`.
    pub fn logits(&self, hidden: &Tensor, tap: &mut Tap, control: &Control) -> Result<Tensor> {
        self.unembed(&self.final_norm(hidden, tap)?, control)
    }

    /// Logits `[…, vocabulary]` from what the final norm gives, `[…, hidden]`.
    pub fn unembed(&self, normed: &Tensor, control: &Control) -> Result<Tensor> {
        let mut y = self.weights.head.as_ref().unwrap_or(&self.weights.embed).project(normed, control)?;
        if let Some(bias) = &self.weights.head_bias {
            y = y.broadcast_add(bias)?;
        }
        if self.spec.logit_scale != 1.0 {
            y = (y * self.spec.logit_scale)?;
        }
        Ok(match self.spec.logit_softcap {
            Some(cap) if slices::is_plain(&y) => slices::softcap(&y, cap as f32)?,
            Some(cap) => ((y / cap)?.tanh()? * cap)?,
            None => y,
        })
    }

    fn embed(&self, tokens: &Tensor, start: usize) -> Result<Tensor> {
        let mut x = self.weights.embed.rows(tokens)?;
        if self.spec.embedding_scale != 1.0 {
            x = (x * self.spec.embedding_scale)?;
        }
        if let Some(positions) = &self.weights.positions {
            let (_, len) = tokens.dims2()?;
            let ids = Tensor::arange(start as u32, (start + len) as u32, &self.device)?;
            x = x.broadcast_add(&positions.rows(&ids)?)?;
        }
        norm_if(self.weights.embed_norm.as_ref(), x)
    }

    fn drop(&self, x: Tensor) -> Result<Tensor> {
        if self.dropout > 0.0 { Ok(candle_nn::ops::dropout(&x, self.dropout)?) } else { Ok(x) }
    }

    /// What a half-block adds to the residual stream.
    fn contribution(&self, x: Tensor, norm: Option<&NormWeights>) -> Result<Tensor> {
        let x = norm_if(norm, x)?;
        self.drop(if self.spec.residual_scale == 1.0 { x } else { (x * self.spec.residual_scale)? })
    }
}

/// `x + y`, of one shape.
fn add(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    if slices::is_plain(x) && slices::is_plain(y) { slices::add(x, y) } else { Ok((x + y)?) }
}

/// Whether the processor's kernels can read it.
fn on_cpu(x: &Tensor) -> bool {
    x.device().is_cpu() && !x.track_op() && matches!(x.dtype(), DType::F32 | DType::F16)
}

fn norm_if(norm: Option<&NormWeights>, x: Tensor) -> Result<Tensor> {
    norm.map_or(Ok(x.clone()), |norm| norm.forward(&x))
}

/// One pass through the blocks: what they share.
pub struct Pass<'a> {
    model: &'a Transformer,
    start: usize,
    len: usize,
    /// One per distinct window, made when first asked for.
    masks: Vec<(Option<usize>, Option<Tensor>)>,
    ropes: Vec<Option<RopeTable>>,
    control: &'a Control,
}

impl Pass<'_> {
    /// The residual stream before the first block, `[batch, pos, hidden]`, of `tokens`, `[batch, pos]`.
    pub fn embed(&self, tokens: &Tensor, tap: &mut Tap) -> Result<Tensor> {
        tap.at(Point::Embed, 0, self.model.drop(self.model.embed(tokens, self.start)?)?)
    }

    /// The residual stream after block `i`, from that before it.
    pub fn block(&mut self, i: usize, x: Tensor, cache: Option<&mut Cache>, tap: &mut Tap) -> Result<Tensor> {
        self.control.check()?;
        let (model, spec) = (self.model, &self.model.spec);
        let missing = || Error::backend("candle", format!("block {i} has no weights"));
        let block = model.weights.blocks.get(i).ok_or_else(missing)?;
        let layer = spec.layers.get(i).copied().ok_or_else(missing)?;
        let set = Setting { activation: spec.mlp.activation, experts: spec.experts, layer: i, control: self.control };

        let x = tap.at(Point::ResidPre, i, x)?;
        let normed = tap.at(Point::AttnNormalized, i, norm_if(block.attn_norm.as_ref(), x.clone())?)?;
        let attn = self.attention(i, layer, block, &normed, cache, tap)?;
        let attn = model.contribution(attn, block.attn_post_norm.as_ref())?;
        let attn = tap.at(Point::AttnOut, i, attn)?;
        let mlp = |x: &Tensor, tap: &mut Tap| -> Result<Tensor> {
            let out = feed_forward(&block.mlp, x, set, tap)?;
            tap.at(Point::MlpOut, i, model.contribution(out, block.mlp_post_norm.as_ref())?)
        };
        let x = if spec.parallel {
            let read = match &block.mlp_norm {
                Some(norm) => norm.forward(&x)?,
                None => normed,
            };
            let read = tap.at(Point::MlpNormalized, i, read)?;
            add(&add(&x, &attn)?, &mlp(&read, tap)?)?
        } else {
            let x = tap.at(Point::ResidMid, i, add(&x, &attn)?)?;
            let read = tap.at(Point::MlpNormalized, i, norm_if(block.mlp_norm.as_ref(), x.clone())?)?;
            add(&x, &mlp(&read, tap)?)?
        };
        tap.at(Point::ResidPost, i, x)
    }

    fn attention(
        &mut self,
        i: usize,
        layer: Layer,
        block: &BlockWeights,
        x: &Tensor,
        cache: Option<&mut Cache>,
        tap: &mut Tap,
    ) -> Result<Tensor> {
        let spec = &self.model.spec;
        let (batch, len, _) = x.dims3()?;
        let [q, k, v] = self.qkv(block, x)?;
        let (q, k, v) = (tap.at(Point::Q, i, q)?, tap.at(Point::K, i, k)?, tap.at(Point::V, i, v)?);
        let (q, k) = (self.qk_norm(block.q_norm.as_ref(), q)?, self.qk_norm(block.k_norm.as_ref(), k)?);
        let (q, k, v) = (self.clip(q)?, self.clip(k)?, self.clip(v)?);
        let (q, k) = match layer.rope {
            Some(rope) => {
                let table = self.rope(rope)?;
                (table.apply(&q)?, table.apply(&k)?)
            }
            None => (q, k),
        };
        let (q, k) = (tap.at(Point::RotQ, i, q)?, tap.at(Point::RotK, i, k)?);
        let (k, v) = (k.transpose(1, 2)?, v.transpose(1, 2)?);
        let (k, v) = match cache {
            Some(cache) => cache.append(i, &k.squeeze(0)?, &v.squeeze(0)?)?,
            None => (k.contiguous()?.flatten(0, 1)?, v.contiguous()?.flatten(0, 1)?),
        };
        self.control.check()?;
        let watched = tap.wants(Point::AttnScores, i) || tap.wants(Point::Pattern, i);
        let z = if !watched && [&q, &k, &v].into_iter().all(on_cpu) {
            let slopes = self.model.slopes.as_deref();
            fused(spec, self.start, layer.window, slopes, [&q, &k, &v], self.control)?
        } else if !watched && recorded::takes(&q) && recorded::takes(&k) && recorded::takes(&v) {
            let mask = self.mask(layer.window)?;
            let slopes = self.model.slopes.as_deref();
            recorded_attention::attend(spec, layer.window, slopes, mask, [&q, &k, &v], self.control)?
        } else {
            let mask = self.mask(layer.window)?;
            let (k, v) = (k.to_dtype(q.dtype())?, v.to_dtype(q.dtype())?);
            attend(spec, i, [&q, &k, &v], mask.as_ref(), tap, self.control)?
        };
        let z = tap.at(Point::Z, i, z)?;
        block.o.forward(&z.reshape((batch, len, spec.q_size()))?, self.control)
    }

    /// Queries, keys and values, `[batch, len, heads, head_dim]` each.
    fn qkv(&self, block: &BlockWeights, x: &Tensor) -> Result<[Tensor; 3]> {
        let spec = &self.model.spec;
        let (batch, len, _) = x.dims3()?;
        let (d, kv) = (spec.head_dim, spec.kv_heads);
        let [q, k, v] = match &block.qkv {
            QkvWeights::Separate(parts) => {
                let [q, k, v] = &**parts;
                Linear::forward_all([q, k, v], x, self.control)?
            }
            QkvWeights::Grouped(all) => {
                let group = spec.heads / kv;
                let all = all.forward(x, self.control)?.reshape((batch, len, kv, group + 2, d))?;
                let part = |from, count| all.narrow(3, from, count).and_then(|t| t.contiguous());
                [part(0, group)?, part(group, 1)?, part(group + 1, 1)?]
            }
        };
        Ok([q.reshape((batch, len, spec.heads, d))?, k.reshape((batch, len, kv, d))?, v.reshape((batch, len, kv, d))?])
    }

    fn clip(&self, x: Tensor) -> Result<Tensor> {
        self.model.spec.clip_qkv.map_or(Ok(x.clone()), |c| Ok(x.clamp(-c, c)?))
    }

    /// The norm on q or k, `[batch, len, heads, head_dim]`.
    fn qk_norm(&self, norm: Option<&NormWeights>, x: Tensor) -> Result<Tensor> {
        let (Some(norm), Some(qk)) = (norm, &self.model.spec.qk_norm) else { return Ok(x) };
        match qk.shape {
            QkNormShape::Shared | QkNormShape::PerHead => norm.forward(&x),
            QkNormShape::Whole => {
                let shape = x.shape().clone();
                Ok(norm.forward(&x.flatten_from(2)?)?.reshape(shape)?)
            }
        }
    }

    fn rope(&mut self, index: usize) -> Result<RopeTable> {
        let missing = || Error::backend("candle", format!("no rotary embedding {index}"));
        let made = self.ropes.get_mut(index).ok_or_else(missing)?;
        if let Some(table) = made {
            return Ok(table.clone());
        }
        let rotary = self.model.ropes.get(index).ok_or_else(missing)?;
        let table = rotary.table(self.start, self.len, &self.model.device)?;
        *made = Some(table.clone());
        Ok(table)
    }

    fn mask(&mut self, window: Option<usize>) -> Result<Option<Tensor>> {
        if let Some((_, mask)) = self.masks.iter().find(|(w, _)| *w == window) {
            return Ok(mask.clone());
        }
        let slopes = self.model.slopes.as_deref();
        let mask = mask(self.start, self.len, window, slopes, &self.model.device, self.control)?;
        self.masks.push((window, mask.clone()));
        Ok(mask)
    }
}
