//! StableLM: Llama with layer norm and a quarter of each head turned; 12B has parallel halves and norms per head.

use super::common::{self, Absent};
use super::form::{GgufForm, Head};
use super::table::Architecture;
use super::{gguf, rope};
use crate::transformer::bindings::Slot;
use crate::transformer::{Norm, QkNorm, QkNormShape, RopeStyle};

/// The part of a head that turns where a configuration does not say.
const TURNED: f64 = 0.25;

/// Parallel halves share one norm.
pub const STABLELM: Architecture = Architecture {
    hub: &["stablelm"],
    gguf: &["stablelm"],
    from_hub: |config| {
        let mut spec = common::without_rope(config, Norm::layer, Absent::USUAL)?;
        let rope = rope::partial_from_hub(config, spec.head_dim, TURNED)?;
        spec.use_rope(rope);
        spec.qkv_bias = config.flag("use_qkv_bias")?.unwrap_or(false);
        let parallel = config.flag("use_parallel_residual")?.unwrap_or(false);
        (spec.parallel, spec.shared_norm) = (parallel, parallel);
        if config.flag("qk_layernorm")?.unwrap_or(false) {
            spec.qk_norm = Some(QkNorm { norm: spec.norm.without_bias(), shape: QkNormShape::PerHead });
        }
        Ok(spec)
    },
    to_gguf: Some(GgufForm { architecture: "stablelm", head: Head::Own, ..GgufForm::PLAIN }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::HalfSplit))?;
        let parallel = !gguf::Tensors::of(file).has("blk.0.ffn_norm.weight");
        (spec.parallel, spec.shared_norm) = (parallel, parallel);
        spec.qk_norm = spec.qk_norm.map(|qk| QkNorm { shape: QkNormShape::PerHead, ..qk });
        Ok(spec)
    },
    hub_names: |_| {
        &[
            (Slot::QNorm, "model.layers.{}.self_attn.q_layernorm.norms.{e}"),
            (Slot::KNorm, "model.layers.{}.self_attn.k_layernorm.norms.{e}"),
        ]
    },
    ..Architecture::NONE
};
