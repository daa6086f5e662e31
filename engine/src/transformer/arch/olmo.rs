//! OLMo: Llama with layer norms that have neither weight nor bias, and perhaps clipped q, k and v.

use super::common::{self, Absent};
use super::form::GgufForm;
use super::gguf;
use super::table::Architecture;
use crate::transformer::{Norm, NormKind, RopeStyle};

/// The epsilon is not configurable.
const EPS: f64 = 1e-5;

/// GGUF permutes the rows of q and k, as for Llama.
pub const OLMO: Architecture = Architecture {
    hub: &["olmo"],
    gguf: &["olmo"],
    from_hub: |config| {
        let mut spec = common::from_hub(config, bare, Absent::USUAL)?;
        spec.norm.eps = EPS;
        common::attention_bias(&mut spec, config)?;
        spec.clip_qkv = config.number("clip_qkv")?;
        Ok(spec)
    },
    to_gguf: Some(GgufForm { architecture: "olmo", style: RopeStyle::Interleaved, clip: true, ..GgufForm::PLAIN }),
    from_gguf: |config, file| gguf::spec(config, file, Some(RopeStyle::Interleaved)),
    ..Architecture::NONE
};

fn bare(eps: f64) -> Norm {
    Norm { kind: NormKind::Layer, eps, offset: 0.0, weight: false, bias: false }
}
