//! Qwen3-MoE: Qwen3 with a mixture of experts, none of them shared.

use super::common::{self, Absent};
use super::form::GgufForm;
use super::gguf;
use super::qwen2_moe::qwen_experts;
use super::table::Architecture;
use crate::transformer::{Norm, QkNorm, QkNormShape, RopeStyle, Router};

/// Whether the chosen experts' probabilities are renormalized, the configuration says; in GGUF they are.
pub const QWEN3_MOE: Architecture = Architecture {
    hub: &["qwen3_moe"],
    gguf: &["qwen3moe"],
    from_hub: |config| {
        let mut spec = common::from_hub(config, Norm::rms, Absent { eps: 1e-6, ..Absent::USUAL })?;
        common::attention_bias(&mut spec, config)?;
        spec.qk_norm = Some(QkNorm { norm: spec.norm, shape: QkNormShape::Shared });
        // Every layer slides, unlike its siblings'.
        let used = config.flag("use_sliding_window")?.unwrap_or(false);
        let window = config.size("sliding_window")?.filter(|w| used && *w > 0);
        spec.layers.iter_mut().for_each(|layer| layer.window = window);
        qwen_experts(&mut spec, config)?;
        Ok(spec)
    },
    to_gguf: Some(GgufForm { architecture: "qwen3moe", ..GgufForm::PLAIN }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::HalfSplit))?;
        gguf::windows(&mut spec, config)?;
        gguf::router(&mut spec, config, Router::Renormalized)?;
        Ok(spec)
    },
    ..Architecture::NONE
};
