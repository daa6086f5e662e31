//! OLMo 2: norms after both halves of a block instead of before, and on the whole of q and k.

use super::table::Architecture;
use super::{common, gguf};
use crate::transformer::bindings::Slot;
use crate::transformer::{Norm, Placement, QkNorm, QkNormShape, RopeStyle};

/// The residual stream enters attention and MLP as it is.
pub const OLMO2: Architecture = Architecture {
    hub: &["olmo2"],
    gguf: &["olmo2"],
    from_hub: |config| {
        let mut spec = common::from_hub(config, Norm::rms, false)?;
        common::attention_bias(&mut spec, config)?;
        spec.placement = Placement::Post;
        spec.qk_norm = Some(QkNorm { norm: spec.norm, shape: QkNormShape::Whole });
        Ok(spec)
    },
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, RopeStyle::HalfSplit)?;
        spec.placement = Placement::Post;
        spec.qk_norm = spec.qk_norm.map(|qk| QkNorm { shape: QkNormShape::Whole, ..qk });
        Ok(spec)
    },
    hub_names: |_| &[(Slot::MlpPostNorm, "model.layers.{}.post_feedforward_layernorm")],
    ..Architecture::NONE
};
