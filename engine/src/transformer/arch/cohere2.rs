//! Command R7B and A: Command R with windows; only the layers that slide turn q and k.

use super::cohere::family;
use super::form::{GgufForm, Head};
use super::table::Architecture;
use super::{common, gguf, rope};
use crate::transformer::{RopeStyle, Spec};

/// Every fourth layer sees everything, unless the configuration says otherwise.
const PATTERN: usize = 4;

/// Layers that see everything have no rotary embedding.
pub const COHERE2: Architecture = Architecture {
    hub: &["cohere2"],
    gguf: &["cohere2"],
    from_hub: |config| {
        let mut spec = family(config, rope::THETA)?;
        let mut pattern = config.size("sliding_window_pattern")?;
        pattern = pattern.or(config.size("_sliding_window_pattern")?);
        let pattern = pattern.unwrap_or(PATTERN).max(1);
        let sliding = common::sliding(config, spec.layers.len(), |i| !(i + 1).is_multiple_of(pattern))?;
        let window = if config.has("sliding_window") { config.size("sliding_window")? } else { Some(4096) };
        set_layers(&mut spec, &sliding, window);
        Ok(spec)
    },
    to_gguf: Some(GgufForm {
        architecture: "cohere2",
        style: RopeStyle::Interleaved,
        head: Head::Shared,
        windows: true,
        rope: |spec, i| spec.layers.get(i).and_then(|layer| layer.window).map(|_| 0),
        ..GgufForm::PLAIN
    }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::Interleaved))?;
        (spec.parallel, spec.shared_norm) = (true, true);
        spec.logit_scale = config.number("logit_scale")?.unwrap_or(1.0);
        let sliding = gguf::sliding(config, spec.layers.len(), |i| !(i + 1).is_multiple_of(PATTERN))?;
        set_layers(&mut spec, &sliding, config.size("attention.sliding_window")?);
        Ok(spec)
    },
    ..Architecture::NONE
};

fn set_layers(spec: &mut Spec, sliding: &[bool], window: Option<usize>) {
    common::set_windows(spec, sliding, window);
    for (layer, sliding) in spec.layers.iter_mut().zip(sliding) {
        layer.rope = layer.rope.filter(|_| *sliding);
    }
}
