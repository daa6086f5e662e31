//! OLMo 2: norms after both halves of a block instead of before, and on the whole of q and k.

use super::common::{self, Absent};
use super::form::{GgufForm, Head};
use super::gguf;
use super::table::Architecture;
use crate::error::Result;
use crate::transformer::bindings::Slot;
use crate::transformer::{Config, Norm, Placement, QkNorm, QkNormShape, Rope, RopeScaling, RopeStyle, Spec};

/// Every fourth layer of OLMo 3 sees everything, unless the file says otherwise.
const PATTERN: usize = 4;

/// The residual stream enters attention and MLP as it is.
pub const OLMO2: Architecture = Architecture {
    hub: &["olmo2"],
    gguf: &["olmo2"],
    from_hub: |config| {
        let mut spec = common::from_hub(config, Norm::rms, Absent::USUAL)?;
        common::attention_bias(&mut spec, config)?;
        spec.placement = Placement::Post;
        spec.qk_norm = Some(QkNorm { norm: spec.norm, shape: QkNormShape::Whole });
        Ok(spec)
    },
    to_gguf: Some(GgufForm { architecture: "olmo2", head: Head::Own, windows: true, ..GgufForm::PLAIN }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::HalfSplit))?;
        spec.placement = Placement::Post;
        slide(&mut spec, config)?;
        spec.qk_norm = spec.qk_norm.map(|qk| QkNorm { shape: QkNormShape::Whole, ..qk });
        Ok(spec)
    },
    hub_names: |_| &[(Slot::MlpPostNorm, "model.layers.{}.post_feedforward_layernorm")],
    ..Architecture::NONE
};

/// OLMo 3, whose files have the same name: three of four layers slide, and those do not stretch their frequencies.
fn slide(spec: &mut Spec, config: &Config) -> Result<()> {
    let Some(window) = config.size("attention.sliding_window")?.filter(|w| *w > 0) else { return Ok(()) };
    let sliding = gguf::sliding(config, spec.layers.len(), |i| !(i + 1).is_multiple_of(PATTERN))?;
    common::set_windows(spec, &sliding, Some(window));
    let plain: Vec<Rope> = spec.ropes.iter().map(|r| Rope { scaling: RopeScaling::None, ..r.clone() }).collect();
    spec.ropes.extend(plain);
    for (layer, sliding) in spec.layers.iter_mut().zip(sliding) {
        layer.rope = Some(usize::from(sliding));
    }
    Ok(())
}
