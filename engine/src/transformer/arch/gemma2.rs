//! Gemma 2: norms before and after both halves of a block, softcaps, a window on every other layer.

use super::gemma::{family, family_gguf, offset_rms};
use super::table::Architecture;
use super::{common, gguf};
use crate::error::Result;
use crate::transformer::bindings::{Row, Slot};
use crate::transformer::{Config, Placement, RopeStyle, Spec};

/// In the hub's layout the norm after attention has the name that others give to the norm before the MLP.
pub const SANDWICH_NAMES: &[Row] = &[(Slot::MlpNorm, "model.layers.{}.pre_feedforward_layernorm")];

/// Even layers slide. Scores are scaled by `query_pre_attn_scalar`, not by the width of a head.
pub const GEMMA2: Architecture = Architecture {
    hub: &["gemma2"],
    gguf: &["gemma2"],
    from_hub: |config| {
        let mut spec = common::from_hub(config, offset_rms, true)?;
        family(&mut spec, config)?;
        common::attention_bias(&mut spec, config)?;
        spec.placement = Placement::Sandwich;
        scale(&mut spec, config, 256.0)?;
        let sliding = common::sliding(config, spec.layers.len(), |i| i.is_multiple_of(2))?;
        let window = if config.has("sliding_window") { config.size("sliding_window")? } else { Some(4096) };
        common::set_windows(&mut spec, &sliding, window);
        spec.attention_softcap = softcap(config, "attn_logit_softcapping", 50.0)?;
        spec.logit_softcap = softcap(config, "final_logit_softcapping", 30.0)?;
        Ok(spec)
    },
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, RopeStyle::HalfSplit)?;
        family_gguf(&mut spec);
        spec.placement = Placement::Sandwich;
        let sliding: Vec<bool> = (0..spec.layers.len()).map(|i| i.is_multiple_of(2)).collect();
        common::set_windows(&mut spec, &sliding, config.size("attention.sliding_window")?);
        spec.attention_softcap.get_or_insert(50.0);
        spec.logit_softcap.get_or_insert(30.0);
        // llama.cpp: the 27B alone (46 layers) scales by the residual width per head.
        if spec.layers.len() == 46 {
            spec.attention_scale = 1.0 / (spec.hidden_size as f64 / spec.heads as f64).sqrt();
        }
        Ok(spec)
    },
    hub_names: |_| SANDWICH_NAMES,
    ..Architecture::NONE
};

/// Scores times `query_pre_attn_scalar^-1/2`.
pub fn scale(spec: &mut Spec, config: &Config, absent: f64) -> Result<()> {
    spec.attention_scale = 1.0 / config.number("query_pre_attn_scalar")?.unwrap_or(absent).sqrt();
    Ok(())
}

/// A softcap whose absence means the class's own and whose `null` means none.
fn softcap(config: &Config, key: &str, absent: f64) -> Result<Option<f64>> {
    if config.has(key) { config.number(key) } else { Ok(Some(absent)) }
}
