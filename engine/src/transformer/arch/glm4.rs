//! GLM-4 (0414): norms before and after both halves of a block, half of each head turned by neighbouring coordinates.

use super::common::{self, Absent};
use super::form::GgufForm;
use super::table::Architecture;
use super::{gguf, rope};
use crate::transformer::bindings::Slot;
use crate::transformer::{Norm, Placement, RopeStyle};

/// The part of a head that turns where a configuration does not say.
const TURNED: f64 = 0.5;

/// Biases on q, k and v alone.
pub const GLM4: Architecture = Architecture {
    hub: &["glm4"],
    gguf: &["glm4"],
    from_hub: |config| {
        let mut spec =
            common::without_rope(config, Norm::rms, Absent { eps: 1.5625e-7, head_dim: Some(128), ..Absent::USUAL })?;
        let mut rope = rope::partial_from_hub(config, spec.head_dim, TURNED)?;
        rope.style = RopeStyle::Interleaved;
        spec.use_rope(rope);
        spec.qkv_bias = config.flag("attention_bias")?.unwrap_or(false);
        spec.placement = Placement::Sandwich;
        spec.layout.gate_up = true;
        Ok(spec)
    },
    to_gguf: Some(GgufForm { architecture: "glm4", style: RopeStyle::Interleaved, gate_up: true, ..GgufForm::PLAIN }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::Interleaved))?;
        spec.placement = Placement::Sandwich;
        Ok(spec)
    },
    hub_names: |_| {
        &[
            (Slot::AttnPostNorm, "model.layers.{}.post_self_attn_layernorm"),
            (Slot::MlpNorm, "model.layers.{}.post_attention_layernorm"),
            (Slot::MlpPostNorm, "model.layers.{}.post_mlp_layernorm"),
        ]
    },
    ..Architecture::NONE
};
