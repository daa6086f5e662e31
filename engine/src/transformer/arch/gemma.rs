//! Gemma: embeddings scaled by the root of their width, norm weights stored less one, GELU in the gate.

use super::common::{self, Absent};
use super::form::{GgufForm, Head};
use super::gguf;
use super::table::Architecture;
use crate::error::{Error, Result};
use crate::transformer::{Activation, Config, Norm, RopeStyle, Spec};

/// GGUF files have the one added to the norms already.
pub const GEMMA: Architecture = Architecture {
    hub: &["gemma"],
    gguf: &["gemma"],
    from_hub: |config| {
        let mut spec = common::from_hub(
            config,
            offset_rms,
            Absent { eps: 1e-6, tied: true, head_dim: Some(256), ..Absent::USUAL },
        )?;
        family(&mut spec, config)?;
        common::attention_bias(&mut spec, config)?;
        Ok(spec)
    },
    to_gguf: Some(GgufForm {
        architecture: "gemma",
        head: Head::Shared,
        activation: Activation::GeluTanh,
        ..GgufForm::PLAIN
    }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::HalfSplit))?;
        family_gguf(&mut spec, config)?;
        Ok(spec)
    },
    ..Architecture::NONE
};

/// RMS norm with a stored weight of `weight - 1`.
pub fn offset_rms(eps: f64) -> Norm {
    Norm { offset: 1.0, ..Norm::rms(eps) }
}

/// What all Gemmas share. Gemma 1's `hidden_act` says `gelu` and means the approximation, as its authors corrected in
/// `hidden_activation`.
pub fn family(spec: &mut Spec, config: &Config) -> Result<()> {
    if config.flag("use_bidirectional_attention")?.unwrap_or(false) {
        return Err(Error::unsupported(
            "a Gemma whose tokens see those after them (use_bidirectional_attention)",
            "the candle backend computes decoders; this model is an encoder",
        ));
    }
    spec.mlp.activation = common::activation(config, &["hidden_activation"], Activation::GeluTanh)?;
    spec.embedding_scale = (spec.hidden_size as f64).sqrt();
    Ok(())
}

/// What all Gemmas share and their GGUF files do not say.
pub fn family_gguf(spec: &mut Spec, config: &Config) -> Result<()> {
    spec.mlp.activation = gguf::activation(config, Activation::GeluTanh)?;
    spec.embedding_scale = (spec.hidden_size as f64).sqrt();
    Ok(())
}
