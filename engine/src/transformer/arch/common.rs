//! What the configurations of the Llama family have in common.

use crate::error::{Error, Result};
use crate::format::{DType, TensorFile};
use crate::transformer::{Config, Rope, RopeScaling, RopeStyle, Spec};

/// Base of the frequencies where a configuration does not say.
const THETA: f64 = 10_000.0;

/// The common fields of a hub configuration, in either spelling: plain Llama, without biases or windows.
pub fn from_hub(config: &Config) -> Result<Spec> {
    let activation = config.text("hidden_act")?.or(config.text("hidden_activation")?).unwrap_or("silu");
    if !matches!(activation, "silu" | "swish") {
        let what = format!("activation {activation:?} in a model of the Llama family");
        return Err(Error::unsupported(what, "the candle backend computes \"silu\" here"));
    }
    let hidden_size = config.need_size("hidden_size")?;
    let heads = config.need_size("num_attention_heads")?;
    let layers = config.need_size("num_hidden_layers")?;
    let head_dim = match config.size("head_dim")? {
        Some(d) => d,
        None if heads > 0 && hidden_size % heads == 0 => hidden_size / heads,
        None => {
            let expected = format!("a multiple of the {heads} attention heads");
            return Err(Error::argument("model configuration, hidden_size", expected, hidden_size.to_string()));
        }
    };
    Ok(Spec {
        architecture: config.text("model_type")?.unwrap_or_default().to_owned(),
        name: config.text("_name_or_path")?.unwrap_or_default().to_owned(),
        vocab_size: config.need_size("vocab_size")?,
        hidden_size,
        intermediate_size: config.need_size("intermediate_size")?,
        layers,
        heads,
        kv_heads: config.size("num_key_value_heads")?.unwrap_or(heads),
        head_dim,
        context_trained: config.need_size("max_position_embeddings")?,
        norm_eps: config.number("rms_norm_eps")?.unwrap_or(1e-6),
        rope: rope_from_hub(config, head_dim)?,
        windows: windows(layers, None)?,
        qkv_bias: false,
        output_bias: false,
        mlp_bias: false,
        qk_norm: false,
        tied: config.flag("tie_word_embeddings")?.unwrap_or(false),
    })
}

/// One window for every layer. A number of layers that no model has is left to validation, unallocated.
pub fn windows(layers: usize, window: Option<usize>) -> Result<Vec<Option<usize>>> {
    if layers > 4096 {
        return Err(Error::argument("model configuration, number of layers", "at most 4096", layers.to_string()));
    }
    Ok(vec![window; layers])
}

/// A window for the layers that `layer_types` (transformers 5) calls sliding or, in its absence, for those that
/// `otherwise` says.
pub fn windows_by_layer(
    config: &Config,
    layers: usize,
    window: Option<usize>,
    otherwise: impl Fn(usize) -> bool,
) -> Result<Vec<Option<usize>>> {
    let mut all = windows(layers, None)?;
    let types = config.texts("layer_types")?;
    if let Some(types) = &types {
        if types.len() != layers {
            let expected = format!("one per layer, {layers}");
            return Err(Error::argument("model configuration, layer_types", expected, types.len().to_string()));
        }
        if let Some(other) = types.iter().find(|t| !matches!(**t, "full_attention" | "sliding_attention")) {
            return Err(Error::unsupported(
                format!("layer type {other:?}"),
                "the candle backend computes full_attention and sliding_attention",
            ));
        }
    }
    for (i, w) in all.iter_mut().enumerate() {
        let sliding = match &types {
            Some(types) => types.get(i) == Some(&"sliding_attention"),
            None => otherwise(i),
        };
        *w = window.filter(|_| sliding);
    }
    Ok(all)
}

/// transformers 5 says `rope_parameters`, earlier ones `rope_theta` beside `rope_scaling`.
fn rope_from_hub(config: &Config, head_dim: usize) -> Result<Rope> {
    let new = config.object("rope_parameters")?;
    if new.is_some_and(|p| p.has_objects()) {
        return Err(Error::unsupported(
            "rope_parameters per layer type",
            "the candle backend computes one rotary embedding for all layers of this architecture",
        ));
    }
    let scaling = match new {
        Some(p) => Some(p),
        None => config.object("rope_scaling")?,
    };
    let in_new = new.map(|p| p.number("rope_theta")).transpose()?.flatten();
    let theta = match in_new {
        Some(t) => t,
        None => config.number("rope_theta")?.unwrap_or(THETA),
    };
    let part = new.map(|p| p.number("partial_rotary_factor")).transpose()?.flatten();
    let part = part.or(config.number("partial_rotary_factor")?).unwrap_or(1.0);
    Ok(Rope {
        theta,
        dims: (head_dim as f64 * part) as usize,
        style: RopeStyle::HalfSplit,
        scaling: scaling.map_or(Ok(RopeScaling::None), |s| scaling_from_hub(&s))?,
    })
}

fn scaling_from_hub(config: &Config) -> Result<RopeScaling> {
    let kind = config.text("rope_type")?.or(config.text("type")?).unwrap_or("default");
    Ok(match kind {
        "default" => RopeScaling::None,
        "linear" => RopeScaling::Linear { factor: config.need_number("factor")? },
        "llama3" => RopeScaling::Llama3 {
            factor: config.need_number("factor")?,
            low: config.need_number("low_freq_factor")?,
            high: config.need_number("high_freq_factor")?,
            original: config.need_number("original_max_position_embeddings")?,
        },
        other => return Err(unsupported_scaling(other)),
    })
}

fn unsupported_scaling(kind: &str) -> Error {
    Error::unsupported(
        format!("the candle backend does not compute rope scaling {kind:?}"),
        "it computes linear and llama3; llama.cpp also yarn and longrope, from a GGUF of this model",
    )
}

/// The common fields of GGUF metadata. Biases are there when their tensors are, the output layer is tied when it has
/// none of its own.
pub fn from_gguf(config: &Config, file: &dyn TensorFile, style: RopeStyle) -> Result<Spec> {
    if let Some(experts) = config.size("expert_count")?.filter(|n| *n > 0) {
        return Err(Error::unsupported(
            format!("the candle backend does not compute mixtures of experts yet ({experts} experts)"),
            "llama.cpp does: load it with #{ backend: \"llama_cpp\" }",
        ));
    }
    let has = |name: &str| file.tensors().iter().any(|t| t.name == name);
    let embed = file.tensors().iter().find(|t| t.name == "token_embd.weight");
    let embed = embed.ok_or_else(|| Error::format(file.path(), "the file has no tensor \"token_embd.weight\""))?;
    let hidden_size = config.need_size("embedding_length")?;
    let heads = config.need_size("attention.head_count")?;
    let layers = config.need_size("block_count")?;
    let head_dim = match config.size("attention.key_length")? {
        Some(d) => d,
        None => hidden_size / heads.max(1),
    };
    if let Some(v) = config.size("attention.value_length")?.filter(|v| *v != head_dim) {
        return Err(Error::unsupported(
            format!("heads whose values ({v}) are not as wide as their keys ({head_dim})"),
            "llama.cpp may compute them: load it with #{ backend: \"llama_cpp\" }",
        ));
    }
    Ok(Spec {
        architecture: String::new(),
        name: String::new(),
        vocab_size: embed.shape.first().copied().unwrap_or(0),
        hidden_size,
        intermediate_size: config.need_size("feed_forward_length")?,
        layers,
        heads,
        kv_heads: config.size("attention.head_count_kv")?.unwrap_or(heads),
        head_dim,
        context_trained: config.need_size("context_length")?,
        norm_eps: config.need_number("attention.layer_norm_rms_epsilon")?,
        rope: Rope {
            theta: config.number("rope.freq_base")?.unwrap_or(THETA),
            dims: config.size("rope.dimension_count")?.unwrap_or(head_dim),
            style,
            scaling: scaling_from_gguf(config, file)?,
        },
        windows: windows(layers, None)?,
        qkv_bias: has("blk.0.attn_q.bias"),
        output_bias: has("blk.0.attn_output.bias"),
        mlp_bias: has("blk.0.ffn_gate.bias"),
        qk_norm: false,
        tied: !has("output.weight"),
    })
}

fn scaling_from_gguf(config: &Config, file: &dyn TensorFile) -> Result<RopeScaling> {
    if let Some(index) = file.tensors().iter().position(|t| t.name == "rope_freqs.weight") {
        let dtype = file.tensors().get(index).map(|t| t.dtype);
        if dtype != Some(DType::F32) {
            return Err(Error::format(file.path(), "\"rope_freqs.weight\": expected F32"));
        }
        let (values, _) = file.data(index)?.as_chunks::<4>();
        return Ok(RopeScaling::Factors(values.iter().map(|v| f32::from_le_bytes(*v)).collect()));
    }
    match config.text("rope.scaling.type")?.unwrap_or("none") {
        "none" => Ok(match config.number("rope.scale_linear")? {
            Some(factor) if factor != 1.0 => RopeScaling::Linear { factor },
            _ => RopeScaling::None,
        }),
        "linear" => Ok(RopeScaling::Linear { factor: config.number("rope.scaling.factor")?.unwrap_or(1.0) }),
        other => Err(unsupported_scaling(other)),
    }
}
