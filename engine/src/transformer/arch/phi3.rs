//! Phi-3 and 3.5: Llama whose q, k, v are one matrix and whose gate and up are one.

use super::table::Architecture;
use super::{common, gguf};
use crate::transformer::{Fusion, Norm, RopeStyle};

/// Every layer slides where there is a window.
pub const PHI3: Architecture = Architecture {
    hub: &["phi3"],
    gguf: &["phi3"],
    from_hub: |config| {
        let mut spec = common::from_hub(config, Norm::rms, false)?;
        common::window_everywhere(&mut spec, config, None)?;
        (spec.layout.qkv, spec.layout.gate_up) = (Fusion::Concatenated, true);
        Ok(spec)
    },
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, RopeStyle::HalfSplit)?;
        let window = config.size("attention.sliding_window")?.filter(|w| *w > 0);
        spec.layers.iter_mut().for_each(|layer| layer.window = window);
        Ok(spec)
    },
    ..Architecture::NONE
};
