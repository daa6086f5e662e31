//! Qwen2 and Qwen2.5: Llama with biases on q, k and v, and a window on the upper layers when asked for.

use super::common::{self, Absent};
use super::form::GgufForm;
use super::gguf;
use super::table::Architecture;
use crate::error::Result;
use crate::transformer::{Config, Norm, RopeStyle, Spec};

/// Biases on q, k and v always, elsewhere never.
pub const QWEN2: Architecture = Architecture {
    hub: &["qwen2"],
    gguf: &["qwen2"],
    from_hub: |config| {
        let mut spec = common::from_hub(config, Norm::rms, Absent { eps: 1e-6, ..Absent::USUAL })?;
        spec.qkv_bias = true;
        upper_windows(&mut spec, config)?;
        Ok(spec)
    },
    to_gguf: Some(GgufForm { architecture: "qwen2", ..GgufForm::PLAIN }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::HalfSplit))?;
        gguf::windows(&mut spec, config)?;
        Ok(spec)
    },
    ..Architecture::NONE
};

/// Windows of the Qwen family: off unless `use_sliding_window`, then from layer `max_window_layers` on.
pub fn upper_windows(spec: &mut Spec, config: &Config) -> Result<()> {
    let used = config.flag("use_sliding_window")?.unwrap_or(false);
    let window = config.size("sliding_window")?.filter(|w| used && *w > 0);
    let first = config.size("max_window_layers")?.unwrap_or(28);
    let sliding = common::sliding(config, spec.layers.len(), |layer| layer >= first)?;
    common::set_windows(spec, &sliding, window);
    Ok(())
}
