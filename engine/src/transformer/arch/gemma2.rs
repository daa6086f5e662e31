//! Gemma 2: norms before and after both halves of a block, softcaps, a window on every other layer.

use super::common::{self, Absent};
use super::form::{GgufForm, Head, gemma_scale};
use super::gemma::{family, family_gguf, offset_rms};
use super::gguf;
use super::table::Architecture;
use crate::error::Result;
use crate::transformer::bindings::{Row, Slot};
use crate::transformer::{Activation, Config, Placement, RopeStyle, Spec};

/// In the hub's layout the norm after attention has the name that others give to the norm before the MLP.
pub const SANDWICH_NAMES: &[Row] = &[(Slot::MlpNorm, "model.layers.{}.pre_feedforward_layernorm")];

/// The model that scales otherwise.
const LAYERS_OF_27B: usize = 46;

/// Even layers slide. Scores are scaled by `query_pre_attn_scalar`, not by the width of a head.
pub const GEMMA2: Architecture = Architecture {
    hub: &["gemma2"],
    gguf: &["gemma2"],
    from_hub: |config| {
        let mut spec = common::from_hub(
            config,
            offset_rms,
            Absent { eps: 1e-6, tied: true, head_dim: Some(256), ..Absent::USUAL },
        )?;
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
    to_gguf: Some(GgufForm {
        architecture: "gemma2",
        head: Head::Shared,
        activation: Activation::GeluTanh,
        windows: true,
        scale: Some(|spec| gemma_scale(spec, LAYERS_OF_27B)),
        ..GgufForm::PLAIN
    }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::HalfSplit))?;
        family_gguf(&mut spec, config)?;
        spec.placement = Placement::Sandwich;
        let sliding = gguf::sliding(config, spec.layers.len(), |i| i.is_multiple_of(2))?;
        common::set_windows(&mut spec, &sliding, config.size("attention.sliding_window")?);
        spec.attention_softcap.get_or_insert(50.0);
        spec.logit_softcap.get_or_insert(30.0);
        spec.attention_scale = gemma_scale(&spec, LAYERS_OF_27B);
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
