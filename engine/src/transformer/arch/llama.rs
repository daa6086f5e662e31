//! Llama (1 to 3.x), and everything that calls itself so.

use super::common;
use super::table::Architecture;
use crate::transformer::RopeStyle;

/// Biases are off unless the configuration asks for them. GGUF permutes the rows of q and k for interleaved rotation.
pub const LLAMA: Architecture = Architecture {
    hub: &["llama"],
    gguf: &["llama"],
    from_hub: |config| {
        let mut spec = common::from_hub(config)?;
        let bias = config.flag("attention_bias")?.unwrap_or(false);
        (spec.qkv_bias, spec.output_bias) = (bias, bias);
        spec.mlp_bias = config.flag("mlp_bias")?.unwrap_or(false);
        Ok(spec)
    },
    from_gguf: |config, file| {
        let mut spec = common::from_gguf(config, file, RopeStyle::Interleaved)?;
        spec.windows = common::windows(spec.layers, config.size("attention.sliding_window")?)?;
        Ok(spec)
    },
};
