//! Mistral 7B and its kin: Llama with a sliding window. In GGUF they are files of architecture `llama`.

use super::common;
use super::table::Architecture;
use crate::transformer::RopeStyle;

/// The window where a configuration has no such key; `null` means none.
const WINDOW: usize = 4096;

/// Every layer slides.
pub const MISTRAL: Architecture = Architecture {
    hub: &["mistral"],
    gguf: &[],
    from_hub: |config| {
        let mut spec = common::from_hub(config)?;
        let window = if config.has("sliding_window") { config.size("sliding_window")? } else { Some(WINDOW) };
        spec.windows = common::windows_by_layer(config, spec.layers, window, |_| true)?;
        Ok(spec)
    },
    from_gguf: |config, file| common::from_gguf(config, file, RopeStyle::Interleaved),
};
