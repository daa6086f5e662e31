//! Where every architecture starts from.

use super::axes::{Activation, Layer, Layout, Mlp, Norm, Placement};
use super::decoder::Spec;
use super::rope::Rope;
use super::validate::MAX_LAYERS;
use crate::error::{Error, Result};

/// The sizes every decoder has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // they are those of the spec
pub struct Sizes {
    pub vocab: usize,
    pub hidden: usize,
    pub mlp: usize,
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub context: usize,
}

impl Spec {
    /// A plain Llama of these sizes, still without rotary embedding: no biases, no windows, gated SiLU, an output layer of
    /// its own.
    ///
    /// # Errors
    /// More layers than any model has.
    pub fn plain(sizes: Sizes, norm: Norm) -> Result<Self> {
        // Asked before anything is allocated for the layers.
        if sizes.layers > MAX_LAYERS {
            let expected = format!("1 to {MAX_LAYERS}");
            return Err(Error::argument("model configuration, number of layers", expected, sizes.layers.to_string()));
        }
        Ok(Self {
            architecture: String::new(),
            name: String::new(),
            vocab_size: sizes.vocab,
            hidden_size: sizes.hidden,
            heads: sizes.heads,
            kv_heads: sizes.kv_heads,
            head_dim: sizes.head_dim,
            context_trained: sizes.context,
            layers: vec![Layer { rope: None, ..Layer::PLAIN }; sizes.layers],
            norm,
            placement: Placement::Pre,
            parallel: false,
            shared_norm: false,
            embed_norm: false,
            qk_norm: None,
            ropes: Vec::new(),
            learned_positions: false,
            alibi: None,
            attention_scale: 1.0 / (sizes.head_dim as f64).sqrt(),
            attention_softcap: None,
            clip_qkv: None,
            qkv_bias: false,
            output_bias: false,
            mlp: Mlp { size: sizes.mlp, gated: true, activation: Activation::Silu, bias: false },
            experts: None,
            embedding_scale: 1.0,
            residual_scale: 1.0,
            logit_scale: 1.0,
            logit_softcap: None,
            tied: false,
            head_bias: false,
            layout: Layout::PLAIN,
        })
    }

    /// Every layer turns q and k by this embedding.
    pub fn use_rope(&mut self, rope: Rope) {
        self.ropes = vec![rope];
        self.layers.iter_mut().for_each(|layer| layer.rope = Some(0));
    }
}
