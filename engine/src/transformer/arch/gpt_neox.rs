//! GPT-NeoX and Pythia: layer norm, biases, q, k and v in one matrix head by head, usually parallel halves.

use super::common::{self, Absent};
use super::form::{GgufForm, Head};
use super::table::Architecture;
use super::{gguf, rope};
use crate::transformer::bindings::Slot;
use crate::transformer::{Activation, Fusion, Norm, RopeStyle};

/// The part of a head that turns where a configuration does not say.
const TURNED: f64 = 0.25;

/// GGUF files have q, k and v taken apart, one after the other.
pub const GPT_NEOX: Architecture = Architecture {
    hub: &["gpt_neox"],
    gguf: &["gptneox"],
    from_hub: |config| {
        let mut spec = common::without_rope(config, Norm::layer, Absent::USUAL)?;
        let rope = rope::partial_from_hub(config, spec.head_dim, TURNED)?;
        spec.use_rope(rope);
        spec.parallel = config.flag("use_parallel_residual")?.unwrap_or(true);
        let bias = config.flag("attention_bias")?.unwrap_or(true);
        (spec.qkv_bias, spec.output_bias) = (bias, bias);
        (spec.mlp.gated, spec.mlp.bias) = (false, true);
        spec.mlp.activation = common::activation(config, &["hidden_act"], Activation::Gelu)?;
        spec.layout.qkv = Fusion::Grouped;
        Ok(spec)
    },
    to_gguf: Some(GgufForm {
        architecture: "gptneox",
        qkv: Fusion::Concatenated,
        head: Head::Own,
        output_bias: true,
        mlp_bias: true,
        activation: Activation::GeluTanh,
        ..GgufForm::PLAIN
    }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::HalfSplit))?;
        spec.parallel = config.flag("use_parallel_residual")?.unwrap_or(true);
        // Files of llama.cpp's own converter do not say it, and llama.cpp computes the approximation.
        spec.mlp.activation = gguf::activation(config, Activation::GeluTanh)?;
        Ok(spec)
    },
    hub_names: |_| {
        &[
            (Slot::Embed, "gpt_neox.embed_in"),
            (Slot::FinalNorm, "gpt_neox.final_layer_norm"),
            (Slot::Head, "embed_out"),
            (Slot::AttnNorm, "gpt_neox.layers.{}.input_layernorm"),
            (Slot::Qkv, "gpt_neox.layers.{}.attention.query_key_value"),
            (Slot::O, "gpt_neox.layers.{}.attention.dense"),
            (Slot::MlpNorm, "gpt_neox.layers.{}.post_attention_layernorm"),
            (Slot::Up, "gpt_neox.layers.{}.mlp.dense_h_to_4h"),
            (Slot::Down, "gpt_neox.layers.{}.mlp.dense_4h_to_h"),
        ]
    },
    ..Architecture::NONE
};
