//! MPT: layer norm without bias, ALiBi, q, k and v in one matrix, no biases.

use super::common;
use super::form::GgufForm;
use super::gguf;
use super::table::Architecture;
use crate::error::Error;
use crate::transformer::bindings::Slot;
use crate::transformer::{Activation, Alibi, Fusion, Norm, Sizes, Spec};

/// Attention is configured in an object of its own, `attn_config`.
pub const MPT: Architecture = Architecture {
    hub: &["mpt"],
    gguf: &["mpt"],
    from_hub: |config| {
        let (hidden, heads) = (config.need_size("d_model")?, config.need_size("n_heads")?);
        let attention = config.object("attn_config")?;
        let sub = |key: &str| attention.map(|a| a.size(key)).transpose().map(Option::flatten);
        let sizes = Sizes {
            vocab: config.need_size("vocab_size")?,
            hidden,
            mlp: config.size("expansion_ratio")?.unwrap_or(4).saturating_mul(hidden),
            layers: config.need_size("n_layers")?,
            heads,
            kv_heads: sub("kv_n_heads")?.unwrap_or(heads),
            head_dim: common::head_dim(config, hidden, heads)?,
            context: config.size("max_seq_len")?.unwrap_or(2048),
        };
        let eps = config.number("layer_norm_epsilon")?.unwrap_or(1e-5);
        let mut spec = Spec::plain(sizes, Norm::layer(eps).without_bias())?;
        if let Some(attention) = attention {
            spec.clip_qkv = attention.number("clip_qkv")?.filter(|c| *c != 0.0);
            if let Some(scale) = attention.number("softmax_scale")? {
                spec.attention_scale = scale;
            }
            if attention.flag("qk_ln")?.unwrap_or(false) {
                return Err(Error::unsupported(
                    "MPT with norms on q and k",
                    "llama.cpp computes it from a GGUF of this model",
                ));
            }
            if !attention.flag("alibi")?.unwrap_or(true) {
                return Err(Error::unsupported(
                    "MPT with learned positions instead of ALiBi",
                    "llama.cpp computes it from a GGUF of this model",
                ));
            }
        }
        let max_bias = attention.map(|a| a.number("alibi_bias_max")).transpose()?.flatten().unwrap_or(8.0);
        spec.alibi = Some(Alibi { max_bias, scale: 1.0 });
        spec.mlp.gated = false;
        spec.mlp.activation = Activation::Gelu;
        spec.layout.qkv = Fusion::Concatenated;
        spec.tied = config.flag("tie_word_embeddings")?.unwrap_or(true);
        Ok(spec)
    },
    to_gguf: Some(GgufForm {
        architecture: "mpt",
        qkv: Fusion::Concatenated,
        output_bias: true,
        mlp_bias: true,
        activation: Activation::GeluTanh,
        clip: true,
        ..GgufForm::PLAIN
    }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, None)?;
        spec.mlp.activation = gguf::activation(config, Activation::Gelu)?;
        Ok(spec)
    },
    hub_names: |_| {
        &[
            (Slot::Embed, "transformer.wte"),
            (Slot::FinalNorm, "transformer.norm_f"),
            (Slot::AttnNorm, "transformer.blocks.{}.norm_1"),
            (Slot::Qkv, "transformer.blocks.{}.attn.Wqkv"),
            (Slot::QNorm, "transformer.blocks.{}.attn.q_ln"),
            (Slot::KNorm, "transformer.blocks.{}.attn.k_ln"),
            (Slot::O, "transformer.blocks.{}.attn.out_proj"),
            (Slot::MlpNorm, "transformer.blocks.{}.norm_2"),
            (Slot::Up, "transformer.blocks.{}.ffn.up_proj"),
            (Slot::Down, "transformer.blocks.{}.ffn.down_proj"),
        ]
    },
    ..Architecture::NONE
};
