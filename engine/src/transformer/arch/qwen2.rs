//! Qwen2 and Qwen2.5: Llama with biases on q, k and v, and a window on the upper layers when asked for.

use super::common;
use super::table::Architecture;
use crate::error::Result;
use crate::transformer::{Config, RopeStyle};

/// Biases on q, k and v always, elsewhere never.
pub const QWEN2: Architecture = Architecture {
    hub: &["qwen2"],
    gguf: &["qwen2"],
    from_hub: |config| {
        let mut spec = common::from_hub(config)?;
        spec.qkv_bias = true;
        spec.windows = upper_windows(config, spec.layers)?;
        Ok(spec)
    },
    from_gguf: |config, file| common::from_gguf(config, file, RopeStyle::HalfSplit),
};

/// Windows of the Qwen family: off unless `use_sliding_window`, then from layer `max_window_layers` on.
pub fn upper_windows(config: &Config, layers: usize) -> Result<Vec<Option<usize>>> {
    let used = config.flag("use_sliding_window")?.unwrap_or(false);
    let window = config.size("sliding_window")?.filter(|_| used);
    let first = config.size("max_window_layers")?.unwrap_or(28);
    common::windows_by_layer(config, layers, window, |layer| layer >= first)
}
