//! The weights of a decoder, each in its place.

use super::bindings::{self, Naming, Slot};
use super::matrix::Matrix;
use super::spec::Spec;
use crate::control::Control;
use crate::error::Result;
use candle_core::{D, Tensor};

/// A weight matrix `[out, in]`.
#[derive(Debug, Clone)]
pub enum Weight {
    /// A candle tensor: on any device, differentiable.
    Dense(Tensor),
    /// Rows as they are stored, read where they lie; CPU only.
    Stored(Matrix),
}

impl Weight {
    /// `x · Wᵀ` for `x` of shape `[…, in]`. Polls `control` between parts of a long product.
    pub fn project(&self, x: &Tensor, control: &Control) -> Result<Tensor> {
        match self {
            Self::Dense(w) => {
                let mut shape = x.dims().to_vec();
                let rows = x.elem_count() / x.dim(D::Minus1)?.max(1);
                let flat = x.reshape((rows, x.dim(D::Minus1)?))?;
                let y = flat.matmul(&w.t()?)?;
                if let Some(last) = shape.last_mut() {
                    *last = y.dim(D::Minus1)?;
                }
                Ok(y.reshape(shape)?)
            }
            Self::Stored(matrix) => matrix.project(x, control),
        }
    }

    /// The rows of `ids`, a u32 tensor of any shape: `[…, in]`, f32.
    pub fn rows(&self, ids: &Tensor) -> Result<Tensor> {
        match self {
            Self::Dense(w) => {
                let mut shape = ids.dims().to_vec();
                shape.push(w.dim(D::Minus1)?);
                Ok(w.index_select(&ids.flatten_all()?, 0)?.reshape(shape)?)
            }
            Self::Stored(matrix) => matrix.rows(ids),
        }
    }
}

/// A projection: a matrix and perhaps a bias.
#[derive(Debug, Clone)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Weight,
    /// `[out]`.
    pub bias: Option<Tensor>,
}

impl Linear {
    /// `x · Wᵀ + b`.
    pub fn forward(&self, x: &Tensor, control: &Control) -> Result<Tensor> {
        control.check()?;
        let y = self.weight.project(x, control)?;
        Ok(match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        })
    }
}

/// The weights of one block.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // the names are those of the slots
pub struct BlockWeights {
    pub attn_norm: Tensor,
    pub q: Linear,
    pub k: Linear,
    pub v: Linear,
    pub q_norm: Option<Tensor>,
    pub k_norm: Option<Tensor>,
    pub o: Linear,
    pub mlp_norm: Tensor,
    pub gate: Linear,
    pub up: Linear,
    pub down: Linear,
}

/// All weights of a decoder.
#[derive(Debug, Clone)]
pub struct Weights {
    /// `[vocabulary, hidden]`.
    pub embed: Weight,
    /// The blocks, first to last.
    pub blocks: Vec<BlockWeights>,
    /// `[hidden]`.
    pub norm: Tensor,
    /// `[vocabulary, hidden]`; `None` when the embedding serves.
    pub head: Option<Weight>,
}

/// Where weights come from. Names and shapes are those of [`bindings::expected`].
pub trait Source {
    /// A matrix.
    fn matrix(&mut self, name: &str, shape: &[usize]) -> Result<Weight>;
    /// A vector (norm or bias), f32.
    fn vector(&mut self, name: &str, size: usize) -> Result<Tensor>;
}

impl Weights {
    /// Takes every weight that `spec` asks for from `source`.
    pub fn build(spec: &Spec, naming: Naming, source: &mut dyn Source) -> Result<Self> {
        let mut take = Take { naming, source };
        let (h, q, kv, f) = (spec.hidden_size, spec.q_size(), spec.kv_size(), spec.intermediate_size);
        let embed = take.matrix(Slot::Embed, 0, [spec.vocab_size, h])?;
        let blocks = (0..spec.layers)
            .map(|i| {
                Ok(BlockWeights {
                    attn_norm: take.vector(Slot::AttnNorm, i, h)?,
                    q: take.linear(Slot::Q, i, [q, h], spec.qkv_bias)?,
                    k: take.linear(Slot::K, i, [kv, h], spec.qkv_bias)?,
                    v: take.linear(Slot::V, i, [kv, h], spec.qkv_bias)?,
                    q_norm: spec.qk_norm.then(|| take.vector(Slot::QNorm, i, spec.head_dim)).transpose()?,
                    k_norm: spec.qk_norm.then(|| take.vector(Slot::KNorm, i, spec.head_dim)).transpose()?,
                    o: take.linear(Slot::O, i, [h, q], spec.output_bias)?,
                    mlp_norm: take.vector(Slot::MlpNorm, i, h)?,
                    gate: take.linear(Slot::Gate, i, [f, h], spec.mlp_bias)?,
                    up: take.linear(Slot::Up, i, [f, h], spec.mlp_bias)?,
                    down: take.linear(Slot::Down, i, [h, f], spec.mlp_bias)?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let norm = take.vector(Slot::FinalNorm, 0, h)?;
        let head = (!spec.tied).then(|| take.matrix(Slot::Head, 0, [spec.vocab_size, h])).transpose()?;
        Ok(Self { embed, blocks, norm, head })
    }
}

struct Take<'a> {
    naming: Naming,
    source: &'a mut dyn Source,
}

impl Take<'_> {
    fn matrix(&mut self, slot: Slot, layer: usize, shape: [usize; 2]) -> Result<Weight> {
        self.source.matrix(&bindings::name(slot, self.naming, layer, "weight"), &shape)
    }

    fn vector(&mut self, slot: Slot, layer: usize, size: usize) -> Result<Tensor> {
        self.source.vector(&bindings::name(slot, self.naming, layer, "weight"), size)
    }

    fn linear(&mut self, slot: Slot, layer: usize, shape: [usize; 2], bias: bool) -> Result<Linear> {
        let weight = self.matrix(slot, layer, shape)?;
        let name = bindings::name(slot, self.naming, layer, "bias");
        let bias = bias.then(|| self.source.vector(&name, shape[0])).transpose()?;
        Ok(Linear { weight, bias })
    }
}
