//! Command R: layer norm without bias, parallel halves behind one norm, neighbouring coordinates turned, scaled logits.

use super::common::{self, Absent};
use super::form::{GgufForm, Head};
use super::gguf;
use super::table::Architecture;
use crate::error::Result;
use crate::transformer::{Config, Norm, QkNorm, QkNormShape, RopeStyle, Spec};

/// R+ has norms on q and k, one weight per head.
pub const COHERE: Architecture = Architecture {
    hub: &["cohere"],
    gguf: &["command-r"],
    from_hub: |config| {
        let mut spec = family(config, 500_000.0)?;
        if config.flag("use_qk_norm")?.unwrap_or(false) {
            spec.qk_norm = Some(QkNorm { norm: spec.norm, shape: QkNormShape::PerHead });
        }
        Ok(spec)
    },
    to_gguf: Some(GgufForm {
        architecture: "command-r",
        style: RopeStyle::Interleaved,
        head: Head::Shared,
        ..GgufForm::PLAIN
    }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::Interleaved))?;
        (spec.parallel, spec.shared_norm) = (true, true);
        spec.logit_scale = config.number("logit_scale")?.unwrap_or(1.0);
        spec.qk_norm = spec.qk_norm.map(|qk| QkNorm { shape: QkNormShape::PerHead, ..qk });
        Ok(spec)
    },
    ..Architecture::NONE
};

/// What both generations share; `theta` is the rotary base where a configuration does not say.
pub fn family(config: &Config, theta: f64) -> Result<Spec> {
    let absent = Absent { theta, tied: true, ..Absent::USUAL };
    let mut spec = common::from_hub(config, |eps| Norm::layer(eps).without_bias(), absent)?;
    common::attention_bias(&mut spec, config)?;
    spec.ropes.iter_mut().for_each(|rope| rope.style = RopeStyle::Interleaved);
    (spec.parallel, spec.shared_norm) = (true, true);
    spec.logit_scale = config.number("logit_scale")?.unwrap_or(0.0625);
    Ok(spec)
}
