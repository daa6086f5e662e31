//! The weights of a decoder, each in its place.

use super::bindings::{Names, Slot};
use super::matrix::Matrix;
use super::norm::NormWeights;
use super::slices;
use super::spec::{Fusion, Mlp, Norm, Placement, QkNorm, QkNormShape, Spec};
use crate::control::Control;
use crate::error::{Error, Result};
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
            Self::Stored(matrix) if x.track_op() => matrix.project_tracked(x, control),
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
        self.add_bias(self.weight.project(x, control)?)
    }

    /// Several projections of the same `x`: its packing and the start of threads are paid once.
    pub fn forward_all<const N: usize>(all: [&Self; N], x: &Tensor, control: &Control) -> Result<[Tensor; N]> {
        control.check()?;
        let mut outputs = match stored(all) {
            Some(matrices) if !x.track_op() => Matrix::project_all(&matrices, x, control)?,
            _ => all.iter().map(|l| l.weight.project(x, control)).collect::<Result<Vec<_>>>()?,
        }
        .into_iter();
        let mut one = |linear: &Self| {
            let missing = || Error::backend("candle", "a projection has no output");
            linear.add_bias(outputs.next().ok_or_else(missing)?)
        };
        let done = all.map(&mut one);
        let mut result = Vec::with_capacity(N);
        for output in done {
            result.push(output?);
        }
        result.try_into().map_err(|_| Error::backend("candle", "a projection has no output"))
    }

    fn add_bias(&self, y: Tensor) -> Result<Tensor> {
        Ok(match &self.bias {
            Some(bias) if slices::is_plain(&y) && slices::is_plain(bias) => slices::add(&y, bias)?,
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        })
    }
}

/// The matrices of projections whose weights are all stored ones.
fn stored<const N: usize>(all: [&Linear; N]) -> Option<Vec<&Matrix>> {
    let matrix = |l: &'_ Linear| matches!(l.weight, Weight::Stored(_));
    if !all.iter().all(|l| matrix(l)) {
        return None;
    }
    Some(all.into_iter().filter_map(|l| if let Weight::Stored(m) = &l.weight { Some(m) } else { None }).collect())
}

/// The projections to q, k and v.
#[derive(Debug, Clone)]
pub enum QkvWeights {
    /// One each; concatenated matrices are taken apart without a copy.
    Separate(Box<[Linear; 3]>),
    /// One, whose outputs are, for each key head: its query heads, itself, its value head.
    Grouped(Linear),
}

/// The weights of an MLP.
#[derive(Debug, Clone)]
pub struct MlpWeights {
    /// Only where it is gated.
    pub gate: Option<Linear>,
    /// Into the MLP.
    pub up: Linear,
    /// Out of it.
    pub down: Linear,
}

/// The second half of a block.
#[derive(Debug, Clone)]
pub enum FeedForward {
    /// An MLP for all tokens.
    Dense(MlpWeights),
    /// A mixture of experts.
    Experts {
        /// `[experts, hidden]`.
        router: Weight,
        /// One MLP each.
        experts: Vec<MlpWeights>,
        /// The expert of all tokens, and `[1, hidden]` whose sigmoid weighs it.
        shared: Option<(MlpWeights, Weight)>,
    },
}

/// The weights of one block. Norms that an architecture does not have are `None`.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // the names are those of the slots
pub struct BlockWeights {
    pub attn_norm: Option<NormWeights>,
    pub qkv: QkvWeights,
    pub q_norm: Option<NormWeights>,
    pub k_norm: Option<NormWeights>,
    pub o: Linear,
    pub attn_post_norm: Option<NormWeights>,
    pub mlp_norm: Option<NormWeights>,
    pub mlp: FeedForward,
    pub mlp_post_norm: Option<NormWeights>,
}

/// All weights of a decoder.
#[derive(Debug, Clone)]
pub struct Weights {
    /// `[vocabulary, hidden]`.
    pub embed: Weight,
    /// `[context, hidden]`.
    pub positions: Option<Weight>,
    /// Right after the embedding.
    pub embed_norm: Option<NormWeights>,
    /// The blocks, first to last.
    pub blocks: Vec<BlockWeights>,
    /// After the last block.
    pub norm: NormWeights,
    /// `[vocabulary, hidden]`; `None` when the embedding serves.
    pub head: Option<Weight>,
    /// `[vocabulary]`.
    pub head_bias: Option<Tensor>,
}

/// A matrix `[rows, cols]` inside a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its first row, when the tensor is seen as rows of `cols` values.
    pub start: usize,
    /// Rows of the matrix.
    pub rows: usize,
    /// Columns of the matrix.
    pub cols: usize,
    /// The tensor holds `[cols, all rows]` instead.
    pub transposed: bool,
}

impl Part {
    /// The tensor as it is.
    pub fn whole(rows: usize, cols: usize) -> Self {
        Self { start: 0, rows, cols, transposed: false }
    }
}

/// Where weights come from. Names and shapes are those of [`super::bindings::expected`].
pub trait Source {
    /// A matrix.
    fn matrix(&mut self, name: &str, part: Part) -> Result<Weight>;
    /// `size` values of a vector (norm or bias) from `start` on, f32.
    fn vector(&mut self, name: &str, start: usize, size: usize) -> Result<Tensor>;
    /// A vector of ones, where the others are.
    fn ones(&self, size: usize) -> Result<Tensor>;
}

impl Weights {
    /// Takes every weight that `spec` asks for from `source`.
    pub fn build(spec: &Spec, names: &Names, source: &mut dyn Source) -> Result<Self> {
        let mut take = Take { spec, names, source, layer: 0 };
        let h = spec.hidden_size;
        let embed = take.matrix(Slot::Embed, Part::whole(spec.vocab_size, h))?;
        let learned = spec.learned_positions;
        let positions =
            learned.then(|| take.matrix(Slot::Positions, Part::whole(spec.context_trained, h))).transpose()?;
        let embed_norm = spec.embed_norm.then(|| take.norm(Slot::EmbedNorm, &spec.norm, h)).transpose()?;
        let blocks = (0..spec.layers.len())
            .map(|i| {
                take.layer = i;
                take.block()
            })
            .collect::<Result<Vec<_>>>()?;
        take.layer = 0;
        let norm = take.norm(Slot::FinalNorm, &spec.norm, h)?;
        let head = (!spec.tied).then(|| take.matrix(Slot::Head, Part::whole(spec.vocab_size, h))).transpose()?;
        let head_bias = spec.head_bias.then(|| take.vector(Slot::Head, "bias", 0, spec.vocab_size)).transpose()?;
        Ok(Self { embed, positions, embed_norm, blocks, norm, head, head_bias })
    }
}

struct Take<'a> {
    spec: &'a Spec,
    names: &'a Names,
    source: &'a mut dyn Source,
    layer: usize,
}

impl Take<'_> {
    fn matrix(&mut self, slot: Slot, part: Part) -> Result<Weight> {
        self.source.matrix(&self.names.tensor(slot, self.layer, 0, "weight"), part)
    }

    fn vector(&mut self, slot: Slot, part: &str, start: usize, size: usize) -> Result<Tensor> {
        self.source.vector(&self.names.tensor(slot, self.layer, 0, part), start, size)
    }

    fn norm(&mut self, slot: Slot, norm: &Norm, size: usize) -> Result<NormWeights> {
        let weight = if norm.weight { self.vector(slot, "weight", 0, size)? } else { self.source.ones(size)? };
        let weight = if norm.offset == 0.0 { weight } else { (weight + norm.offset)? };
        let bias = norm.bias.then(|| self.vector(slot, "bias", 0, size)).transpose()?;
        Ok(NormWeights { norm: *norm, weight, bias })
    }

    fn norm_if(&mut self, there: bool, slot: Slot) -> Result<Option<NormWeights>> {
        let spec = self.spec;
        there.then(|| self.norm(slot, &spec.norm, spec.hidden_size)).transpose()
    }

    /// `rows` outputs of a projection, from its output `start` on.
    fn linear(&mut self, slot: Slot, start: usize, [rows, cols]: [usize; 2], bias: bool) -> Result<Linear> {
        let part = Part { start, rows, cols, transposed: self.spec.layout.transposed };
        let weight = self.matrix(slot, part)?;
        let bias = bias.then(|| self.vector(slot, "bias", start, rows)).transpose()?;
        Ok(Linear { weight, bias })
    }

    fn block(&mut self) -> Result<BlockWeights> {
        let spec = self.spec;
        let (before, after) = (spec.placement != Placement::Post, spec.placement != Placement::Pre);
        let experts = spec.layers.get(self.layer).is_some_and(|l| l.experts);
        Ok(BlockWeights {
            attn_norm: self.norm_if(before, Slot::AttnNorm)?,
            qkv: self.qkv()?,
            q_norm: self.qk_norm(Slot::QNorm, spec.heads)?,
            k_norm: self.qk_norm(Slot::KNorm, spec.kv_heads)?,
            o: self.linear(Slot::O, 0, [spec.hidden_size, spec.q_size()], spec.output_bias)?,
            attn_post_norm: self.norm_if(after, Slot::AttnPostNorm)?,
            mlp_norm: self.norm_if(before && !spec.shared_norm, Slot::MlpNorm)?,
            mlp: if experts { self.experts()? } else { FeedForward::Dense(self.mlp(&spec.mlp)?) },
            mlp_post_norm: self.norm_if(after, Slot::MlpPostNorm)?,
        })
    }

    fn qkv(&mut self) -> Result<QkvWeights> {
        let (h, q, kv, bias) = (self.spec.hidden_size, self.spec.q_size(), self.spec.kv_size(), self.spec.qkv_bias);
        let parts = match self.spec.layout.qkv {
            Fusion::Grouped => return Ok(QkvWeights::Grouped(self.linear(Slot::Qkv, 0, [q + 2 * kv, h], bias)?)),
            Fusion::Separate => [(Slot::Q, 0), (Slot::K, 0), (Slot::V, 0)],
            Fusion::Concatenated => [(Slot::Qkv, 0), (Slot::Qkv, q), (Slot::Qkv, q + kv)],
        };
        let [(q_slot, q_at), (k_slot, k_at), (v_slot, v_at)] = parts;
        Ok(QkvWeights::Separate(Box::new([
            self.linear(q_slot, q_at, [q, h], bias)?,
            self.linear(k_slot, k_at, [kv, h], bias)?,
            self.linear(v_slot, v_at, [kv, h], bias)?,
        ])))
    }

    fn qk_norm(&mut self, slot: Slot, heads: usize) -> Result<Option<NormWeights>> {
        let Some(QkNorm { norm, shape }) = self.spec.qk_norm else { return Ok(None) };
        let d = self.spec.head_dim;
        if shape == QkNormShape::PerHead && self.names.is_split(slot) {
            return Ok(Some(self.split_norm(slot, &norm, heads)?));
        }
        let size = if shape == QkNormShape::Shared { d } else { heads * d };
        let mut weights = self.norm(slot, &norm, size)?;
        if shape == QkNormShape::PerHead {
            let bias = weights.bias.map(|t| t.reshape((heads, d))).transpose()?;
            weights = NormWeights { weight: weights.weight.reshape((heads, d))?, bias, ..weights };
        }
        Ok(Some(weights))
    }

    /// A norm per head whose weights are a tensor each.
    fn split_norm(&mut self, slot: Slot, norm: &Norm, heads: usize) -> Result<NormWeights> {
        let mut stack = |part: &str| -> Result<Tensor> {
            let one =
                |head| self.source.vector(&self.names.tensor(slot, self.layer, head, part), 0, self.spec.head_dim);
            Ok(Tensor::stack(&(0..heads).map(one).collect::<Result<Vec<_>>>()?, 0)?)
        };
        let weight = stack("weight")?;
        let bias = norm.bias.then(|| stack("bias")).transpose()?;
        Ok(NormWeights { norm: *norm, weight, bias })
    }

    fn mlp(&mut self, mlp: &Mlp) -> Result<MlpWeights> {
        let (h, f) = (self.spec.hidden_size, mlp.size);
        let fused = self.spec.layout.gate_up && mlp.gated;
        let (gate, up) = if fused { ((Slot::GateUp, 0), (Slot::GateUp, f)) } else { ((Slot::Gate, 0), (Slot::Up, 0)) };
        let gate = mlp.gated.then(|| self.linear(gate.0, gate.1, [f, h], mlp.bias)).transpose()?;
        let up = self.linear(up.0, up.1, [f, h], mlp.bias)?;
        Ok(MlpWeights { gate, up, down: self.linear(Slot::Down, 0, [h, f], mlp.bias)? })
    }

    fn experts(&mut self) -> Result<FeedForward> {
        let (h, stacked) = (self.spec.hidden_size, self.spec.layout.stacked);
        let Some(spec) = self.spec.experts else { return Ok(FeedForward::Dense(self.mlp(&self.spec.mlp)?)) };
        let router = self.matrix(Slot::Router, Part::whole(spec.count, h))?;
        let one = |take: &mut Self, e: usize, slot: Slot, rows: usize, cols: usize| -> Result<Linear> {
            let name = take.names.tensor(slot, take.layer, e, "weight");
            let start = if stacked { e * rows } else { 0 };
            let weight = take.source.matrix(&name, Part { start, rows, cols, transposed: false })?;
            Ok(Linear { weight, bias: None })
        };
        let mlp = |take: &mut Self, e: usize, [gate, up, down]: [Slot; 3], size: usize| -> Result<MlpWeights> {
            Ok(MlpWeights {
                gate: Some(one(take, e, gate, size, h)?),
                up: one(take, e, up, size, h)?,
                down: one(take, e, down, h, size)?,
            })
        };
        let slots = [Slot::ExpertGate, Slot::ExpertUp, Slot::ExpertDown];
        let experts = (0..spec.count).map(|e| mlp(self, e, slots, spec.size)).collect::<Result<Vec<_>>>()?;
        let shared = match spec.shared {
            None => None,
            Some(size) => {
                let slots = [Slot::SharedGate, Slot::SharedUp, Slot::SharedDown];
                let expert = mlp(self, 0, slots, size)?;
                Some((expert, self.matrix(Slot::SharedRouter, Part::whole(1, h))?))
            }
        };
        Ok(FeedForward::Experts { router, experts, shared })
    }
}
