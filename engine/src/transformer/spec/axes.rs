//! The axes along which decoders differ.

/// How activations are normalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// Divided by the root of the mean square (arXiv:1910.07467).
    Rms,
    /// Centred, then divided by the standard deviation (arXiv:1607.06450).
    Layer,
}

/// A norm over the last dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// Which.
    pub kind: NormKind,
    /// Added to the mean square or the variance.
    pub eps: f64,
    /// Added to the stored weight: Gemma's hub checkpoints keep `weight - 1`.
    pub offset: f64,
    /// Whether there is a weight at all; OLMo has none.
    pub weight: bool,
    /// Whether there is a bias.
    pub bias: bool,
}

impl Norm {
    /// RMS norm with a weight.
    pub fn rms(eps: f64) -> Self {
        Self { kind: NormKind::Rms, eps, offset: 0.0, weight: true, bias: false }
    }

    /// Layer norm with a weight and a bias.
    pub fn layer(eps: f64) -> Self {
        Self { kind: NormKind::Layer, eps, offset: 0.0, weight: true, bias: true }
    }

    /// The same without a bias.
    #[must_use]
    pub fn without_bias(self) -> Self {
        Self { bias: false, ..self }
    }
}

/// Where in a block the norms stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Before attention and MLP: `x + f(norm(x))`.
    Pre,
    /// After them: `x + norm(f(x))` (OLMo 2).
    Post,
    /// Both: `x + norm(f(norm(x)))` (Gemma 2 and 3, GLM-4).
    Sandwich,
}

/// What the weight of a norm on q or k covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QkNormShape {
    /// One weight `[head_dim]` for every head.
    Shared,
    /// A weight of its own for each head, `[heads, head_dim]`; every head is normalized by itself.
    PerHead,
    /// All heads are normalized as one vector, weight `[heads * head_dim]`.
    Whole,
}

/// A norm on q and k before the rotary embedding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QkNorm {
    /// The norm.
    pub norm: Norm,
    /// What its weight covers.
    pub shape: QkNormShape,
}

/// A bias on attention scores that falls with distance, steeper for some heads (arXiv:2108.12409).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alibi {
    /// The slopes fall to `2^-max_bias`; 8 in every checkpoint known.
    pub max_bias: f64,
    /// What the bias is multiplied with; Falcon scales it as it scales the scores.
    pub scale: f64,
}

impl Alibi {
    /// The slope of each of `heads` heads: a geometric series for a power of two; otherwise that of the next lower
    /// power, filled up with every other slope of the next higher.
    pub fn slopes(&self, heads: usize) -> Vec<f32> {
        let lower = if heads.is_power_of_two() { heads } else { heads.next_power_of_two() / 2 };
        let series = |n: usize, i: usize| 2f64.powf(-self.max_bias * i as f64 / n as f64);
        let first = (1..=lower).map(|i| series(lower, i));
        let rest = (0..heads - lower).map(|i| series(2 * lower, 2 * i + 1));
        first.chain(rest).map(|s| (s * self.scale) as f32).collect()
    }
}

/// The non-linearity of an MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · sigmoid(x)`.
    Silu,
    /// `x · Φ(x)`, with the error function.
    Gelu,
    /// The same by its approximation with tanh.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `max(x, 0)²`.
    ReluSquared,
}

/// The MLP of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mlp {
    /// Width.
    pub size: usize,
    /// `down(act(gate(x)) · up(x))` (arXiv:2002.05202) instead of `down(act(up(x)))`.
    pub gated: bool,
    /// The non-linearity.
    pub activation: Activation,
    /// Biases on its projections.
    pub bias: bool,
}

/// How the weights of the chosen experts are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Router {
    /// Softmax over all experts, the largest taken as they are.
    Softmax,
    /// Softmax over all experts, the largest divided by their sum.
    Renormalized,
}

/// A mixture of experts: in each chosen block it takes the MLP's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Experts {
    /// How many there are.
    pub count: usize,
    /// How many a token goes through.
    pub used: usize,
    /// Width of each.
    pub size: usize,
    /// How they are weighted.
    pub router: Router,
    /// Width of an expert that every token goes through.
    pub shared: Option<usize>,
}

/// What differs from block to block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// How many positions back a token sees, itself included; `None` is all of them.
    pub window: Option<usize>,
    /// Which of the rotary embeddings it uses; `None`: none.
    pub rope: Option<usize>,
    /// A mixture of experts instead of the MLP.
    pub experts: bool,
}

impl Layer {
    /// Sees everything, by the first rotary embedding, with an MLP.
    pub const PLAIN: Self = Self { window: None, rope: Some(0), experts: false };
}

/// How the projections to q, k and v are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fusion {
    /// As three matrices.
    Separate,
    /// As one: all rows of q, then of k, then of v.
    Concatenated,
    /// As one: for each key head its query heads, itself, its value head.
    Grouped,
}

/// How a file stores weights, beside their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Projections to q, k and v.
    pub qkv: Fusion,
    /// Gate and up are one matrix, gate first.
    pub gate_up: bool,
    /// Projections are stored `[in, out]` (GPT-2's hub checkpoints).
    pub transposed: bool,
    /// All experts of a block are one tensor `[experts, out, in]` (GGUF).
    pub stacked: bool,
}

impl Layout {
    /// A matrix each, `[out, in]`.
    pub const PLAIN: Self = Self { qkv: Fusion::Separate, gate_up: false, transposed: false, stacked: false };
}
