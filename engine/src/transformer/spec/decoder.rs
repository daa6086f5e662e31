//! A decoder as plain axes.

use super::axes::{Alibi, Experts, Layer, Layout, Mlp, Norm, Placement, QkNorm};
use super::rope::Rope;

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
    /// Query heads.
    pub heads: usize,
    /// Key/value heads; `heads` is a multiple.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Tokens the model was trained for.
    pub context_trained: usize,
    /// The blocks.
    pub layers: Vec<Layer>,

    /// The norms of the blocks and the final one.
    pub norm: Norm,
    /// Where they stand.
    pub placement: Placement,
    /// Attention and MLP read the same residual stream: `x + attention(norm(x)) + mlp(norm(x))`.
    pub parallel: bool,
    /// A block has one norm, which attention and MLP share; only where they are parallel.
    pub shared_norm: bool,
    /// A norm right after the embedding (BLOOM).
    pub embed_norm: bool,
    /// A norm on q and k.
    pub qk_norm: Option<QkNorm>,

    /// The rotary embeddings that layers choose from; most models have one.
    pub ropes: Vec<Rope>,
    /// A learned embedding per position, `[context_trained, hidden]`.
    pub learned_positions: bool,
    /// A bias on attention scores by distance.
    pub alibi: Option<Alibi>,

    /// What scores are multiplied with before softmax.
    pub attention_scale: f64,
    /// Scores become `cap · tanh(score / cap)`.
    pub attention_softcap: Option<f64>,
    /// q, k and v are clamped to `±clip`, after their norms.
    pub clip_qkv: Option<f64>,
    /// Biases on the projections to q, k and v.
    pub qkv_bias: bool,
    /// Bias on the projection out of attention.
    pub output_bias: bool,

    /// The MLP.
    pub mlp: Mlp,
    /// The mixture of experts of the layers that have one.
    pub experts: Option<Experts>,

    /// What embeddings are multiplied with.
    pub embedding_scale: f64,
    /// What attention and MLP are multiplied with before they join the residual stream.
    pub residual_scale: f64,
    /// What logits are multiplied with.
    pub logit_scale: f64,
    /// Logits become `cap · tanh(logit / cap)`.
    pub logit_softcap: Option<f64>,
    /// The output layer is the embedding.
    pub tied: bool,
    /// Bias on the output layer.
    pub head_bias: bool,

    /// How the file stores the weights.
    pub layout: Layout,
}

impl Spec {
    /// Width of all query heads together.
    pub fn q_size(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all key (or value) heads together.
    pub fn kv_size(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Bytes one token takes in a KV cache whose numbers have `width` bytes.
    pub fn kv_bytes_per_token(&self, width: usize) -> u64 {
        // Asked before anything is allocated, so it must not overflow on a header that lies.
        let sizes = [2, self.layers.len(), self.kv_size(), width];
        sizes.into_iter().fold(1, |product: u64, size| product.saturating_mul(size as u64))
    }
}
