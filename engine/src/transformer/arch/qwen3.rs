//! Qwen3: Llama with RMS norm over each head of q and k.

use super::common;
use super::qwen2::upper_windows;
use super::table::Architecture;
use crate::transformer::RopeStyle;

/// Biases on the attention's projections only when the configuration asks for them.
pub const QWEN3: Architecture = Architecture {
    hub: &["qwen3"],
    gguf: &["qwen3"],
    from_hub: |config| {
        let mut spec = common::from_hub(config)?;
        let bias = config.flag("attention_bias")?.unwrap_or(false);
        (spec.qkv_bias, spec.output_bias) = (bias, bias);
        spec.qk_norm = true;
        spec.windows = upper_windows(config, spec.layers)?;
        Ok(spec)
    },
    from_gguf: |config, file| {
        let mut spec = common::from_gguf(config, file, RopeStyle::HalfSplit)?;
        spec.qk_norm = true;
        Ok(spec)
    },
};
