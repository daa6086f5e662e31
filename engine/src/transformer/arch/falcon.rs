//! Falcon: layer norm, q, k and v in one matrix, parallel halves. 7B has one key head and one norm, 40B several of both.

use super::common;
use super::form::GgufForm;
use super::table::Architecture;
use super::{gguf, rope};
use crate::error::Result;
use crate::transformer::bindings::{Row, Slot};
use crate::transformer::{Activation, Alibi, Config, Fusion, Norm, RopeStyle, Sizes, Spec};

/// Small Falcons (RW) use ALiBi and sequential halves instead.
pub const FALCON: Architecture = Architecture {
    hub: &["falcon", "RefinedWeb", "RefinedWebModel"],
    gguf: &["falcon"],
    from_hub,
    to_gguf: Some(GgufForm {
        architecture: "falcon",
        qkv: Fusion::Concatenated,
        activation: Activation::GeluTanh,
        refuses,
        ..GgufForm::PLAIN
    }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::HalfSplit))?;
        spec.parallel = true;
        spec.shared_norm = !gguf::Tensors::of(file).has("blk.0.attn_norm_2.weight");
        spec.mlp.activation = gguf::activation(config, Activation::Gelu)?;
        Ok(spec)
    },
    hub_names: |spec| if spec.parallel && !spec.shared_norm { TWO_NORMS } else { NAMES },
    // Of two norms, that of the MLP has the usual name of the other.
    gguf_names: |spec| match spec.shared_norm {
        true => &[],
        false => &[(Slot::AttnNorm, "blk.{}.attn_norm_2"), (Slot::MlpNorm, "blk.{}.attn_norm")],
    },
};

const NAMES: &[Row] = &[
    (Slot::Embed, "transformer.word_embeddings"),
    (Slot::FinalNorm, "transformer.ln_f"),
    (Slot::AttnNorm, "transformer.h.{}.input_layernorm"),
    (Slot::MlpNorm, "transformer.h.{}.post_attention_layernorm"),
    (Slot::Qkv, "transformer.h.{}.self_attention.query_key_value"),
    (Slot::O, "transformer.h.{}.self_attention.dense"),
    (Slot::Up, "transformer.h.{}.mlp.dense_h_to_4h"),
    (Slot::Down, "transformer.h.{}.mlp.dense_4h_to_h"),
];

const TWO_NORMS: &[Row] = &[
    (Slot::AttnNorm, "transformer.h.{}.ln_attn"),
    (Slot::MlpNorm, "transformer.h.{}.ln_mlp"),
    (Slot::Embed, "transformer.word_embeddings"),
    (Slot::FinalNorm, "transformer.ln_f"),
    (Slot::Qkv, "transformer.h.{}.self_attention.query_key_value"),
    (Slot::O, "transformer.h.{}.self_attention.dense"),
    (Slot::Up, "transformer.h.{}.mlp.dense_h_to_4h"),
    (Slot::Down, "transformer.h.{}.mlp.dense_4h_to_h"),
];

/// llama.cpp knows the large Falcons alone.
fn refuses(spec: &Spec) -> Option<&'static str> {
    match (spec.alibi, spec.parallel, spec.qkv_bias) {
        (Some(_), ..) => Some("llama.cpp has no ALiBi for Falcon"),
        (_, false, _) => Some("llama.cpp has no Falcon whose attention and MLP follow each other"),
        (_, _, true) => Some("llama.cpp has no Falcon with biases"),
        _ => None,
    }
}

fn from_hub(config: &Config) -> Result<Spec> {
    let hidden = config.need_size("hidden_size")?;
    let heads = config.size("num_attention_heads")?.map_or_else(|| config.need_size("n_head"), Ok)?;
    let new = config.flag("new_decoder_architecture")?;
    // The first 40B files have no such key, but a name of their own.
    let new = new.unwrap_or(config.text("model_type")? == Some("RefinedWeb"));
    let multi_query = config.flag("multi_query")?.unwrap_or(true);
    let kv_heads = match (new, multi_query) {
        (true, _) => config.size("num_kv_heads")?.or(config.size("n_head_kv")?).unwrap_or(heads),
        (false, true) => 1,
        (false, false) => heads,
    };
    let sizes = Sizes {
        vocab: config.need_size("vocab_size")?,
        hidden,
        mlp: config.size("ffn_hidden_size")?.unwrap_or(hidden.saturating_mul(4)),
        layers: config.size("num_hidden_layers")?.map_or_else(|| config.need_size("n_layer"), Ok)?,
        heads,
        kv_heads,
        head_dim: common::head_dim(config, hidden, heads)?,
        context: config.size("max_position_embeddings")?.unwrap_or(2048),
    };
    let mut spec = Spec::plain(sizes, Norm::layer(config.number("layer_norm_epsilon")?.unwrap_or(1e-5)))?;
    if config.flag("alibi")?.unwrap_or(false) {
        // The bias joins the scores before they are scaled.
        spec.alibi = Some(Alibi { max_bias: 8.0, scale: spec.attention_scale });
    } else {
        let rope = rope::from_hub(config, spec.head_dim, rope::THETA)?;
        spec.use_rope(rope);
    }
    spec.parallel = new || config.flag("parallel_attn")?.unwrap_or(true);
    let two_norms = new && config.size("num_ln_in_parallel_attn")?.unwrap_or(2) == 2;
    spec.shared_norm = spec.parallel && !two_norms;
    let bias = config.flag("bias")?.unwrap_or(false);
    (spec.qkv_bias, spec.output_bias, spec.mlp.bias) = (bias, bias, bias);
    spec.mlp.gated = false;
    spec.mlp.activation = common::activation(config, &["activation"], Activation::Gelu)?;
    spec.layout.qkv = if !new && multi_query { Fusion::Concatenated } else { Fusion::Grouped };
    spec.tied = config.flag("tie_word_embeddings")?.unwrap_or(true);
    Ok(spec)
}
