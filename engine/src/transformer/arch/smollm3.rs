//! SmolLM3: Llama without rotary embedding on every fourth layer.

use super::common::{self, Absent};
use super::form::GgufForm;
use super::gguf;
use super::table::Architecture;
use crate::error::Error;
use crate::transformer::{Norm, RopeStyle};

/// Which layers turn nothing where a configuration does not say: every fourth.
const INTERVAL: usize = 4;

/// `no_rope_layers` has a 1 for each layer that turns. GGUF permutes the rows of q and k, as for Llama.
pub const SMOLLM3: Architecture = Architecture {
    hub: &["smollm3"],
    gguf: &["smollm3"],
    from_hub: |config| {
        let mut spec =
            common::from_hub(config, Norm::rms, Absent { eps: 1e-6, theta: 2e6, tied: true, ..Absent::USUAL })?;
        common::attention_bias(&mut spec, config)?;
        spec.mlp.bias = config.flag("mlp_bias")?.unwrap_or(false);
        let layers = spec.layers.len();
        let interval = config.size("no_rope_layer_interval")?.unwrap_or(INTERVAL).max(1);
        let turned = match config.sizes("no_rope_layers")? {
            Some(turned) if turned.len() >= layers => turned.into_iter().take(layers).map(|t| t != 0).collect(),
            Some(turned) => {
                let expected = format!("at least one per layer, {layers}");
                return Err(Error::argument("model configuration, no_rope_layers", expected, turned.len().to_string()));
            }
            None => (0..layers).map(|i| !(i + 1).is_multiple_of(interval)).collect::<Vec<bool>>(),
        };
        for (layer, turned) in spec.layers.iter_mut().zip(&turned) {
            layer.rope = Some(0).filter(|_| *turned);
        }
        let used = config.flag("use_sliding_window")?.unwrap_or(false);
        let window = config.size("sliding_window")?.filter(|_| used);
        let sliding = common::sliding(config, layers, |i| used && turned.get(i) == Some(&false))?;
        common::set_windows(&mut spec, &sliding, window);
        Ok(spec)
    },
    to_gguf: Some(GgufForm {
        architecture: "smollm3",
        style: RopeStyle::Interleaved,
        rope: |_, i| (!(i + 1).is_multiple_of(INTERVAL)).then_some(0),
        ..GgufForm::PLAIN
    }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::Interleaved))?;
        gguf::windows(&mut spec, config)?;
        let turned = gguf::turned(config, spec.layers.len(), |i| !(i + 1).is_multiple_of(INTERVAL))?;
        for (layer, turned) in spec.layers.iter_mut().zip(turned) {
            layer.rope = layer.rope.filter(|_| turned);
        }
        Ok(spec)
    },
    ..Architecture::NONE
};
