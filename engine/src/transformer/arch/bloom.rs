//! BLOOM: layer norm (also on the embedding), biases, ALiBi, q, k and v in one matrix head by head.

use super::common;
use super::form::GgufForm;
use super::gguf;
use super::table::Architecture;
use crate::error::Error;
use crate::transformer::bindings::Slot;
use crate::transformer::{Activation, Alibi, Fusion, Norm, Sizes, Spec};

/// The context of training, which configurations often leave out.
const CONTEXT: usize = 2048;

/// GGUF files have q, k and v taken apart, one after the other.
pub const BLOOM: Architecture = Architecture {
    hub: &["bloom"],
    gguf: &["bloom"],
    from_hub: |config| {
        let hidden = config.size("hidden_size")?.map_or_else(|| config.need_size("n_embed"), Ok)?;
        let heads = config.size("n_head")?.map_or_else(|| config.need_size("num_attention_heads"), Ok)?;
        if config.flag("apply_residual_connection_post_layernorm")?.unwrap_or(false) {
            return Err(Error::unsupported("BLOOM with apply_residual_connection_post_layernorm", ""));
        }
        let sizes = Sizes {
            vocab: config.need_size("vocab_size")?,
            hidden,
            mlp: hidden.saturating_mul(4),
            layers: config.size("n_layer")?.map_or_else(|| config.need_size("num_hidden_layers"), Ok)?,
            heads,
            kv_heads: heads,
            head_dim: common::head_dim(config, hidden, heads)?,
            context: config.size("seq_length")?.unwrap_or(CONTEXT),
        };
        let mut spec = Spec::plain(sizes, Norm::layer(config.number("layer_norm_epsilon")?.unwrap_or(1e-5)))?;
        spec.embed_norm = true;
        spec.alibi = Some(Alibi { max_bias: 8.0, scale: 1.0 });
        (spec.qkv_bias, spec.output_bias) = (true, true);
        (spec.mlp.gated, spec.mlp.bias) = (false, true);
        spec.mlp.activation = Activation::GeluTanh;
        spec.layout.qkv = Fusion::Grouped;
        spec.tied = config.flag("tie_word_embeddings")?.unwrap_or(true);
        Ok(spec)
    },
    to_gguf: Some(GgufForm {
        architecture: "bloom",
        qkv: Fusion::Concatenated,
        output_bias: true,
        mlp_bias: true,
        activation: Activation::GeluTanh,
        ..GgufForm::PLAIN
    }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, None)?;
        spec.mlp.activation = gguf::activation(config, Activation::GeluTanh)?;
        // Files do not say it: the architecture always has it.
        spec.alibi = spec.alibi.or(Some(Alibi { max_bias: 8.0, scale: 1.0 }));
        Ok(spec)
    },
    hub_names: |_| {
        &[
            (Slot::Embed, "transformer.word_embeddings"),
            (Slot::EmbedNorm, "transformer.word_embeddings_layernorm"),
            (Slot::FinalNorm, "transformer.ln_f"),
            (Slot::AttnNorm, "transformer.h.{}.input_layernorm"),
            (Slot::Qkv, "transformer.h.{}.self_attention.query_key_value"),
            (Slot::O, "transformer.h.{}.self_attention.dense"),
            (Slot::MlpNorm, "transformer.h.{}.post_attention_layernorm"),
            (Slot::Up, "transformer.h.{}.mlp.dense_h_to_4h"),
            (Slot::Down, "transformer.h.{}.mlp.dense_4h_to_h"),
        ]
    },
    ..Architecture::NONE
};
