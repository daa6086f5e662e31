//! Qwen3: Llama with RMS norm over each head of q and k.

use super::common::{self, Absent};
use super::form::GgufForm;
use super::gguf;
use super::qwen2::upper_windows;
use super::table::Architecture;
use crate::transformer::{Norm, QkNorm, QkNormShape, RopeStyle};

/// Biases on the attention's projections only when the configuration asks for them.
pub const QWEN3: Architecture = Architecture {
    hub: &["qwen3"],
    gguf: &["qwen3"],
    from_hub: |config| {
        let mut spec = common::from_hub(config, Norm::rms, Absent { eps: 1e-6, head_dim: Some(128), ..Absent::USUAL })?;
        common::attention_bias(&mut spec, config)?;
        spec.qk_norm = Some(QkNorm { norm: spec.norm, shape: QkNormShape::Shared });
        upper_windows(&mut spec, config)?;
        Ok(spec)
    },
    to_gguf: Some(GgufForm { architecture: "qwen3", ..GgufForm::PLAIN }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::HalfSplit))?;
        gguf::windows(&mut spec, config)?;
        Ok(spec)
    },
    ..Architecture::NONE
};
