//! How GGUF holds an architecture, and what llama.cpp then computes, as far as architectures differ in it.

use crate::transformer::{Activation, Fusion, RopeStyle, Router, Spec};

/// Where llama.cpp looks for the output layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// In `output.weight`, or in the embedding where there is no such tensor.
    Either,
    /// In `output.weight`, which must be there: a tied model stores its embedding twice.
    Own,
    /// In the embedding: nothing else can be written.
    Shared,
}

/// How GGUF holds an architecture, and what llama.cpp computes of it. What is the same everywhere (names, one tensor for
/// all experts of a block, norm weights with their offset added) is not said here.
#[derive(Debug, Clone, Copy)]
pub struct GgufForm {
    /// `general.architecture`, and the prefix of the keys.
    pub architecture: &'static str,
    /// Which coordinates rotate together. Where the hub pairs halves and this says neighbours, rows of q and k change
    /// their order.
    pub style: RopeStyle,
    /// How q, k and v are stored: separate or concatenated.
    pub qkv: Fusion,
    /// Gate and up are one matrix, gate first.
    pub gate_up: bool,
    /// Where the output layer is.
    pub head: Head,
    /// Whether a bias of the projection out of attention is read.
    pub output_bias: bool,
    /// Whether biases of the MLP are read.
    pub mlp_bias: bool,
    /// The non-linearity, which no key tells llama.cpp.
    pub activation: Activation,
    /// Whether `attention.sliding_window` and its pattern are obeyed.
    pub windows: bool,
    /// What scores are multiplied with; `None`: the key `attention.scale` says it.
    pub scale: Option<fn(&Spec) -> f64>,
    /// Whether a table of frequency divisors, `rope_freqs.weight`, is read.
    pub frequencies: bool,
    /// Whether the two tables of LongRoPE are read.
    pub long_tables: bool,
    /// Whether `attention.clamp_kqv` is obeyed.
    pub clip: bool,
    /// How chosen experts are weighed.
    pub router: Router,
    /// Which rotary embedding a layer uses.
    pub rope: fn(&Spec, usize) -> Option<usize>,
    /// Why a model cannot be written at all.
    pub refuses: fn(&Spec) -> Option<&'static str>,
}

impl GgufForm {
    /// What most architectures have in common, still without a name: halves rotate, q, k and v are separate, SiLU, no
    /// biases out of attention or in the MLP.
    pub(super) const PLAIN: Self = Self {
        architecture: "",
        style: RopeStyle::HalfSplit,
        qkv: Fusion::Separate,
        gate_up: false,
        head: Head::Either,
        output_bias: false,
        mlp_bias: false,
        activation: Activation::Silu,
        windows: false,
        scale: Some(|spec| by_width(spec.head_dim)),
        frequencies: false,
        long_tables: false,
        clip: false,
        router: Router::Renormalized,
        rope: |spec, _| (!spec.ropes.is_empty()).then_some(0),
        refuses: |_| None,
    };

    /// Files of architecture `llama`.
    pub(super) const LLAMA: Self = Self {
        architecture: "llama",
        style: RopeStyle::Interleaved,
        output_bias: true,
        mlp_bias: true,
        frequencies: true,
        long_tables: true,
        ..Self::PLAIN
    };
}

/// The usual scale of scores of heads of this width.
pub(super) fn by_width(width: usize) -> f64 {
    1.0 / (width as f64).sqrt()
}

/// Gemma 2 and 3: their largest model, told by its number of layers, scales by the residual width per head.
pub(super) fn gemma_scale(spec: &Spec, layers_of_27b: usize) -> f64 {
    by_width(if spec.layers.len() == layers_of_27b { spec.hidden_size / spec.heads.max(1) } else { spec.head_dim })
}
