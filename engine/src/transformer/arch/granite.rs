//! Granite: Llama with four multipliers.

use super::common::{self, Absent};
use super::form::GgufForm;
use super::gguf;
use super::table::Architecture;
use crate::transformer::{Norm, RopeStyle};

/// Logits are divided by `logits_scaling`. GGUF permutes the rows of q and k, as for Llama.
pub const GRANITE: Architecture = Architecture {
    hub: &["granite"],
    gguf: &["granite"],
    from_hub: |config| {
        let mut spec = common::from_hub(config, Norm::rms, Absent { eps: 1e-6, ..Absent::USUAL })?;
        common::attention_bias(&mut spec, config)?;
        spec.mlp.bias = config.flag("mlp_bias")?.unwrap_or(false);
        spec.embedding_scale = config.number("embedding_multiplier")?.unwrap_or(1.0);
        spec.residual_scale = config.number("residual_multiplier")?.unwrap_or(1.0);
        spec.attention_scale = config.number("attention_multiplier")?.unwrap_or(1.0);
        spec.logit_scale = 1.0 / config.number("logits_scaling")?.unwrap_or(1.0);
        Ok(spec)
    },
    to_gguf: Some(GgufForm { architecture: "granite", scale: None, ..GgufForm::LLAMA }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::Interleaved))?;
        spec.logit_scale = 1.0 / config.number("logit_scale")?.filter(|s| *s != 0.0).unwrap_or(1.0);
        Ok(spec)
    },
    ..Architecture::NONE
};
