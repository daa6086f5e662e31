//! OLMoE: Llama with a mixture of experts and norms on the whole of q and k.

use super::common::{self, Absent};
use super::form::{GgufForm, Head};
use super::gguf;
use super::table::Architecture;
use crate::transformer::{Norm, QkNorm, QkNormShape, RopeStyle, Router};

/// Every block is a mixture.
pub const OLMOE: Architecture = Architecture {
    hub: &["olmoe"],
    gguf: &["olmoe"],
    from_hub: |config| {
        let mut spec = common::from_hub(config, Norm::rms, Absent::USUAL)?;
        common::attention_bias(&mut spec, config)?;
        spec.qk_norm = Some(QkNorm { norm: spec.norm, shape: QkNormShape::Whole });
        spec.clip_qkv = config.number("clip_qkv")?;
        let renormalized = config.flag("norm_topk_prob")?.unwrap_or(false);
        let router = if renormalized { Router::Renormalized } else { Router::Softmax };
        spec.experts = Some(common::experts(config, "intermediate_size", router)?);
        spec.layers.iter_mut().for_each(|layer| layer.experts = true);
        Ok(spec)
    },
    to_gguf: Some(GgufForm { architecture: "olmoe", head: Head::Own, router: Router::Softmax, ..GgufForm::PLAIN }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::HalfSplit))?;
        spec.qk_norm = spec.qk_norm.map(|qk| QkNorm { shape: QkNormShape::Whole, ..qk });
        gguf::router(&mut spec, config, Router::Softmax)?;
        Ok(spec)
    },
    ..Architecture::NONE
};
