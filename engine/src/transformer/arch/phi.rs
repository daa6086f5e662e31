//! Phi-1, 1.5 and 2: layer norm, attention and MLP in parallel behind one norm, biases everywhere, part of a head turns.

use super::common::{self, Absent};
use super::form::{GgufForm, Head};
use super::table::Architecture;
use super::{gguf, rope};
use crate::transformer::bindings::Slot;
use crate::transformer::{Activation, Norm, QkNorm, QkNormShape, RopeStyle};

/// The part of a head that turns where a configuration does not say.
const TURNED: f64 = 0.5;

/// Even the output layer has a bias.
pub const PHI: Architecture = Architecture {
    hub: &["phi"],
    gguf: &["phi2"],
    from_hub: |config| {
        let mut spec = common::without_rope(config, Norm::layer, Absent::USUAL)?;
        let rope = rope::partial_from_hub(config, spec.head_dim, TURNED)?;
        spec.use_rope(rope);
        (spec.parallel, spec.shared_norm) = (true, true);
        (spec.qkv_bias, spec.output_bias, spec.head_bias) = (true, true, true);
        (spec.mlp.gated, spec.mlp.bias) = (false, true);
        spec.mlp.activation = common::activation(config, &["hidden_act"], Activation::GeluTanh)?;
        if config.flag("qk_layernorm")?.unwrap_or(false) {
            spec.qk_norm = Some(QkNorm { norm: spec.norm, shape: QkNormShape::Shared });
        }
        Ok(spec)
    },
    to_gguf: Some(GgufForm {
        architecture: "phi2",
        head: Head::Own,
        output_bias: true,
        mlp_bias: true,
        activation: Activation::GeluTanh,
        refuses: |spec| spec.qk_norm.map(|_| "llama.cpp has no Phi with norms on q and k"),
        ..GgufForm::PLAIN
    }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::HalfSplit))?;
        (spec.parallel, spec.shared_norm) = (true, true);
        spec.mlp.activation = gguf::activation(config, Activation::GeluTanh)?;
        Ok(spec)
    },
    hub_names: |_| {
        &[
            (Slot::FinalNorm, "model.final_layernorm"),
            (Slot::O, "model.layers.{}.self_attn.dense"),
            (Slot::QNorm, "model.layers.{}.self_attn.q_layernorm"),
            (Slot::KNorm, "model.layers.{}.self_attn.k_layernorm"),
            (Slot::Up, "model.layers.{}.mlp.fc1"),
            (Slot::Down, "model.layers.{}.mlp.fc2"),
        ]
    },
    ..Architecture::NONE
};
