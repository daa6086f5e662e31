//! What a decoder is, as plain axes: everything the forward pass needs to know beside the weights.

use crate::error::{Error, Result};

/// Which pairs of a head's coordinates a rotary embedding turns together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopeStyle {
    /// `(i, i + dims/2)`: GPT-NeoX, and every checkpoint in the hub's layout.
    HalfSplit,
    /// `(2i, 2i + 1)`: what llama.cpp calls "norm"; its `llama` files have the rows of q and k permuted for it.
    Interleaved,
}

/// How the rotary frequencies are stretched beyond the context of pre-training.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Every frequency divided by `factor` (position interpolation, arXiv:2306.15595).
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Low frequencies divided, high ones kept, a ramp between (Llama 3.1's report, arXiv:2407.21783).
    Llama3 {
        /// The divisor of low frequencies.
        factor: f64,
        /// Wavelengths longer than `original / low` are divided by `factor`.
        low: f64,
        /// Wavelengths shorter than `original / high` are kept.
        high: f64,
        /// Context of pre-training.
        original: f64,
    },
    /// Frequency `i` divided by the `i`-th value: GGUF stores any scaling as this table, `rope_freqs.weight`.
    Factors(Vec<f32>),
}

/// The rotary position embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// Base of the geometric series of frequencies.
    pub theta: f64,
    /// Coordinates of a head that are turned, from the first on; even, at most the head's width.
    pub dims: usize,
    /// How coordinates are paired.
    pub style: RopeStyle,
    /// How frequencies are stretched.
    pub scaling: RopeScaling,
}

/// A decoder as plain axes.
///
/// `arch` maps a hub `config.json` or GGUF metadata onto it, `bindings` maps the names of weights, and the forward pass
/// reads nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// The architecture as its file names it.
    pub architecture: String,
    /// A name for a person; may be empty.
    pub name: String,
    /// Rows of the embedding and of the output layer.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the MLP.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key/value heads; `heads` is a multiple.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Tokens the model was trained for.
    pub context_trained: usize,
    /// Added to the mean square inside RMS norm.
    pub norm_eps: f64,
    /// Rotary embedding.
    pub rope: Rope,
    /// Per block, how many positions back a token sees, itself included; `None` is all of them.
    pub windows: Vec<Option<usize>>,
    /// Biases on the projections to q, k and v.
    pub qkv_bias: bool,
    /// Bias on the projection out of attention.
    pub output_bias: bool,
    /// Biases in the MLP.
    pub mlp_bias: bool,
    /// RMS norm over each head of q and k before the rotary embedding.
    pub qk_norm: bool,
    /// The output layer is the embedding.
    pub tied: bool,
}

impl Spec {
    /// Whether the axes contradict each other; the error names the axis.
    pub fn validate(&self) -> Result<()> {
        let axis = |what: &str, expected: String, found: String| {
            Err(Error::argument(format!("model configuration, {what}"), expected, found))
        };
        let sizes = [
            ("vocabulary", self.vocab_size),
            ("hidden size", self.hidden_size),
            ("intermediate size", self.intermediate_size),
            ("number of layers", self.layers),
            ("number of attention heads", self.heads),
            ("number of key/value heads", self.kv_heads),
            ("head dimension", self.head_dim),
            ("context length", self.context_trained),
        ];
        // A bound that no model comes near keeps every product of two sizes far from overflow.
        const LIMIT: usize = 1 << 28;
        for (what, size) in sizes {
            if size == 0 || size > LIMIT {
                return axis(what, format!("1 to {LIMIT}"), size.to_string());
            }
        }
        if self.layers > 4096 {
            return axis("number of layers", "at most 4096".into(), self.layers.to_string());
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return axis(
                "number of attention heads",
                format!("a multiple of the {} key/value heads", self.kv_heads),
                self.heads.to_string(),
            );
        }
        if self.rope.dims == 0 || !self.rope.dims.is_multiple_of(2) || self.rope.dims > self.head_dim {
            return axis(
                "rotary dimensions",
                format!("an even number up to the head dimension {}", self.head_dim),
                self.rope.dims.to_string(),
            );
        }
        if !(self.rope.theta.is_finite() && self.rope.theta > 0.0) {
            return axis("rope_theta", "a positive number".into(), self.rope.theta.to_string());
        }
        if !(self.norm_eps.is_finite() && self.norm_eps >= 0.0) {
            return axis("norm epsilon", "a number from 0".into(), self.norm_eps.to_string());
        }
        if self.windows.len() != self.layers {
            return axis("layer_types", format!("one per layer, {}", self.layers), self.windows.len().to_string());
        }
        if self.windows.contains(&Some(0)) {
            return axis("sliding window", "at least 1 token".into(), "0".into());
        }
        self.validate_scaling()
    }

    fn validate_scaling(&self) -> Result<()> {
        let positive = |what: &str, value: f64| {
            if value.is_finite() && value > 0.0 {
                Ok(())
            } else {
                Err(Error::argument(format!("rope scaling, {what}"), "a positive number", value.to_string()))
            }
        };
        match &self.rope.scaling {
            RopeScaling::None => Ok(()),
            RopeScaling::Linear { factor } => positive("factor", *factor),
            RopeScaling::Llama3 { factor, low, high, original } => {
                positive("factor", *factor)?;
                positive("low_freq_factor", *low)?;
                positive("original_max_position_embeddings", *original)?;
                if high > low {
                    positive("high_freq_factor", *high)
                } else {
                    Err(Error::argument(
                        "rope scaling, high_freq_factor",
                        format!("more than low_freq_factor {low}"),
                        high.to_string(),
                    ))
                }
            }
            RopeScaling::Factors(factors) => {
                if factors.len() != self.rope.dims / 2 {
                    return Err(Error::argument(
                        "rope_freqs.weight",
                        format!("{} values, one per frequency", self.rope.dims / 2),
                        factors.len().to_string(),
                    ));
                }
                factors.iter().try_for_each(|f| positive("rope_freqs.weight", f64::from(*f)))
            }
        }
    }

    /// Width of all query heads together.
    pub fn q_size(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all key (or value) heads together.
    pub fn kv_size(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Bytes one token takes in an f32 KV cache.
    pub fn kv_bytes_per_token(&self) -> u64 {
        // Asked before anything is allocated, so it must not overflow on a header that lies.
        let sizes = [2, self.layers, self.kv_size(), size_of::<f32>()];
        sizes.into_iter().fold(1, |product: u64, size| product.saturating_mul(size as u64))
    }
}
