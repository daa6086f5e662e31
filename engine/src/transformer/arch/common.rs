//! What configurations have in common: the fields nearly all of them share, in their usual spelling.

use super::rope;
use crate::error::{Error, Result};
use crate::transformer::{Activation, Config, Experts, Norm, Router, Sizes, Spec};

/// What an architecture's configuration class in transformers says where a file does not.
#[derive(Debug, Clone, Copy)]
pub struct Absent {
    /// Whether the output layer is the embedding.
    pub tied: bool,
    /// Epsilon of the norms.
    pub eps: f64,
    /// Base of the rotary frequencies.
    pub theta: f64,
    /// Width of a head; else an equal part of the residual stream.
    pub head_dim: Option<usize>,
}

impl Absent {
    /// What most classes say.
    pub const USUAL: Self = Self { tied: false, eps: 1e-5, theta: rope::THETA, head_dim: None };
}

/// The fields of a hub configuration in Llama's spelling: sizes, norm epsilon, activation, rotary embedding, tied head.
pub fn from_hub(config: &Config, norm: fn(f64) -> Norm, absent: Absent) -> Result<Spec> {
    let mut spec = without_rope(config, norm, absent)?;
    let rope = rope::from_hub(config, spec.head_dim, absent.theta)?;
    spec.use_rope(rope);
    Ok(spec)
}

/// As [`from_hub`], for architectures whose rotary embedding is written in their own way.
pub fn without_rope(config: &Config, norm: fn(f64) -> Norm, absent: Absent) -> Result<Spec> {
    let hidden = config.need_size("hidden_size")?;
    let heads = config.need_size("num_attention_heads")?;
    let sizes = Sizes {
        vocab: config.need_size("vocab_size")?,
        hidden,
        mlp: config.need_size("intermediate_size")?,
        layers: config.need_size("num_hidden_layers")?,
        heads,
        kv_heads: config.size("num_key_value_heads")?.unwrap_or(heads),
        head_dim: config.size("head_dim")?.or(absent.head_dim).map_or_else(|| head_dim(config, hidden, heads), Ok)?,
        context: config.need_size("max_position_embeddings")?,
    };
    let mut eps = None;
    for key in ["rms_norm_eps", "layer_norm_eps", "norm_epsilon", "layer_norm_epsilon"] {
        eps = eps.or(config.number(key)?);
    }
    let mut spec = Spec::plain(sizes, norm(eps.unwrap_or(absent.eps)))?;
    spec.mlp.activation = activation(config, &["hidden_act", "hidden_activation"], Activation::Silu)?;
    spec.tied = config.flag("tie_word_embeddings")?.unwrap_or(absent.tied);
    Ok(spec)
}

/// The width of a head: the field of that name, or an equal part of the residual stream.
pub fn head_dim(config: &Config, hidden: usize, heads: usize) -> Result<usize> {
    match config.size("head_dim")? {
        Some(d) => Ok(d),
        None if heads > 0 && hidden.is_multiple_of(heads) => Ok(hidden / heads),
        None => {
            let expected = format!("a multiple of the {heads} attention heads");
            Err(Error::argument("model configuration, hidden_size", expected, hidden.to_string()))
        }
    }
}

/// The non-linearity named by the first of `keys` that is there.
pub fn activation(config: &Config, keys: &[&str], otherwise: Activation) -> Result<Activation> {
    for key in keys {
        if let Some(name) = config.text(key)? {
            return parse_activation(name);
        }
    }
    Ok(otherwise)
}

/// Activations by the names of the hub.
fn parse_activation(name: &str) -> Result<Activation> {
    Ok(match name {
        "silu" | "swish" => Activation::Silu,
        "gelu" => Activation::Gelu,
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_python_tanh" => Activation::GeluTanh,
        "relu" => Activation::Relu,
        "relu2" => Activation::ReluSquared,
        other => {
            return Err(Error::unsupported(
                format!("activation {other:?}"),
                "the candle backend computes silu, gelu, gelu_new, gelu_pytorch_tanh, relu and relu2",
            ));
        }
    })
}

/// What `layer_types` (transformers 5) says of each layer: whether it slides. `otherwise` decides in its absence.
pub fn sliding(config: &Config, layers: usize, otherwise: impl Fn(usize) -> bool) -> Result<Vec<bool>> {
    let Some(types) = config.texts("layer_types")? else { return Ok((0..layers).map(otherwise).collect()) };
    if types.len() != layers {
        let expected = format!("one per layer, {layers}");
        return Err(Error::argument("model configuration, layer_types", expected, types.len().to_string()));
    }
    types
        .into_iter()
        .map(|kind| match kind {
            "full_attention" => Ok(false),
            "sliding_attention" => Ok(true),
            other => Err(Error::unsupported(
                format!("layer type {other:?}"),
                "the candle backend computes full_attention and sliding_attention",
            )),
        })
        .collect()
}

/// Gives the layers that slide their window.
pub fn set_windows(spec: &mut Spec, sliding: &[bool], window: Option<usize>) {
    for (layer, sliding) in spec.layers.iter_mut().zip(sliding) {
        layer.window = window.filter(|_| *sliding);
    }
}

/// The window of architectures where every layer slides, in the key `sliding_window`; they do not read `layer_types`.
pub fn window_everywhere(spec: &mut Spec, config: &Config, absent: Option<usize>) -> Result<()> {
    let window = if config.has("sliding_window") { config.size("sliding_window")? } else { absent };
    spec.layers.iter_mut().for_each(|layer| layer.window = window);
    Ok(())
}

/// Biases of attention, where `attention_bias` asks for them: on q, k, v and on the projection out.
pub fn attention_bias(spec: &mut Spec, config: &Config) -> Result<()> {
    let bias = config.flag("attention_bias")?.unwrap_or(false);
    (spec.qkv_bias, spec.output_bias) = (bias, bias);
    Ok(())
}

/// A mixture of experts in the spelling of Mixtral, Qwen and OLMoE; `size` is the key of an expert's width.
pub fn experts(config: &Config, size: &str, router: Router) -> Result<Experts> {
    Ok(Experts {
        count: config.size("num_local_experts")?.map_or_else(|| config.need_size("num_experts"), Ok)?,
        used: config.need_size("num_experts_per_tok")?,
        size: config.need_size(size)?,
        router,
        shared: None,
    })
}
