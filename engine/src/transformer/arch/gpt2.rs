//! GPT-2: learned positions, layer norm, biases, one matrix for q, k and v, matrices stored `[in, out]`.

use super::common;
use super::form::GgufForm;
use super::gguf;
use super::table::Architecture;
use crate::error::Error;
use crate::transformer::bindings::Slot;
use crate::transformer::{Activation, Fusion, Norm, Sizes, Spec};

/// GGUF files have the matrices turned the usual way.
pub const GPT2: Architecture = Architecture {
    hub: &["gpt2"],
    gguf: &["gpt2"],
    from_hub: |config| {
        let (hidden, heads) = (config.need_size("n_embd")?, config.need_size("n_head")?);
        let sizes = Sizes {
            vocab: config.need_size("vocab_size")?,
            hidden,
            mlp: config.size("n_inner")?.unwrap_or(hidden.saturating_mul(4)),
            layers: config.need_size("n_layer")?,
            heads,
            kv_heads: heads,
            head_dim: common::head_dim(config, hidden, heads)?,
            context: config.size("n_positions")?.map_or_else(|| config.need_size("n_ctx"), Ok)?,
        };
        let mut spec = Spec::plain(sizes, Norm::layer(config.number("layer_norm_epsilon")?.unwrap_or(1e-5)))?;
        if config.flag("scale_attn_by_inverse_layer_idx")?.unwrap_or(false) {
            return Err(Error::unsupported("GPT-2 with scale_attn_by_inverse_layer_idx", ""));
        }
        if !config.flag("scale_attn_weights")?.unwrap_or(true) {
            spec.attention_scale = 1.0;
        }
        spec.learned_positions = true;
        (spec.qkv_bias, spec.output_bias) = (true, true);
        (spec.mlp.gated, spec.mlp.bias) = (false, true);
        spec.mlp.activation = common::activation(config, &["activation_function"], Activation::GeluTanh)?;
        (spec.layout.qkv, spec.layout.transposed) = (Fusion::Concatenated, true);
        spec.tied = config.flag("tie_word_embeddings")?.unwrap_or(true);
        Ok(spec)
    },
    to_gguf: Some(GgufForm {
        architecture: "gpt2",
        qkv: Fusion::Concatenated,
        output_bias: true,
        mlp_bias: true,
        activation: Activation::GeluTanh,
        ..GgufForm::PLAIN
    }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, None)?;
        spec.mlp.activation = gguf::activation(config, Activation::GeluTanh)?;
        Ok(spec)
    },
    hub_names: |_| {
        &[
            (Slot::Embed, "transformer.wte"),
            (Slot::Positions, "transformer.wpe"),
            (Slot::FinalNorm, "transformer.ln_f"),
            (Slot::AttnNorm, "transformer.h.{}.ln_1"),
            (Slot::Qkv, "transformer.h.{}.attn.c_attn"),
            (Slot::O, "transformer.h.{}.attn.c_proj"),
            (Slot::MlpNorm, "transformer.h.{}.ln_2"),
            (Slot::Up, "transformer.h.{}.mlp.c_fc"),
            (Slot::Down, "transformer.h.{}.mlp.c_proj"),
        ]
    },
    ..Architecture::NONE
};
