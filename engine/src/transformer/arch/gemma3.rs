//! Gemma 3 (text): Gemma 2 without softcaps, with norms on q and k and a rotary base of their own for sliding layers.

use super::common::{self, Absent};
use super::form::{GgufForm, gemma_scale};
use super::gemma::{family, family_gguf, offset_rms};
use super::gemma2::{SANDWICH_NAMES, scale};
use super::table::Architecture;
use super::{gguf, rope};
use crate::transformer::{Activation, Placement, QkNorm, QkNormShape, Rope, RopeScaling, RopeStyle, Spec};

/// Every sixth layer sees everything, unless the configuration says otherwise.
const PATTERN: usize = 6;

/// Base of the sliding layers' frequencies.
const LOCAL_THETA: f64 = 10_000.0;

/// The model that scales otherwise.
const LAYERS_OF_27B: usize = 62;

/// Full layers use the first rotary embedding, sliding ones the second.
pub const GEMMA3: Architecture = Architecture {
    hub: &["gemma3_text"],
    gguf: &["gemma3"],
    from_hub: |config| {
        let mut spec = common::without_rope(
            config,
            offset_rms,
            Absent { eps: 1e-6, tied: true, head_dim: Some(256), ..Absent::USUAL },
        )?;
        family(&mut spec, config)?;
        common::attention_bias(&mut spec, config)?;
        spec.placement = Placement::Sandwich;
        spec.qk_norm = Some(QkNorm { norm: spec.norm, shape: QkNormShape::Shared });
        scale(&mut spec, config, 256.0)?;
        let d = spec.head_dim;
        let full = rope::of_kind(config, "full_attention", d, ("rope_theta", 1_000_000.0), true)?;
        let local = ("rope_local_base_freq", LOCAL_THETA);
        spec.ropes = vec![full, rope::of_kind(config, "sliding_attention", d, local, false)?];
        let pattern = config.size("sliding_window_pattern")?.unwrap_or(PATTERN).max(1);
        let sliding = common::sliding(config, spec.layers.len(), |i| !(i + 1).is_multiple_of(pattern))?;
        let window = if config.has("sliding_window") { config.size("sliding_window")? } else { Some(4096) };
        set_layers(&mut spec, &sliding, window);
        spec.attention_softcap = config.number("attn_logit_softcapping")?;
        spec.logit_softcap = config.number("final_logit_softcapping")?;
        Ok(spec)
    },
    to_gguf: Some(GgufForm {
        architecture: "gemma3",
        activation: Activation::GeluTanh,
        windows: true,
        scale: Some(|spec| gemma_scale(spec, LAYERS_OF_27B)),
        rope: |spec, i| spec.layers.get(i).map(|layer| usize::from(layer.window.is_some())),
        ..GgufForm::PLAIN
    }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::HalfSplit))?;
        family_gguf(&mut spec, config)?;
        spec.placement = Placement::Sandwich;
        let dims = spec.head_dim;
        if !config.has("rope.freq_base") {
            spec.ropes =
                vec![Rope { theta: 1_000_000.0, dims, style: RopeStyle::HalfSplit, scaling: RopeScaling::None }];
        }
        let theta = config.number("rope.freq_base_swa")?.unwrap_or(LOCAL_THETA);
        spec.ropes.push(Rope { theta, dims, style: RopeStyle::HalfSplit, scaling: RopeScaling::None });
        let sliding = gguf::sliding(config, spec.layers.len(), |i| !(i + 1).is_multiple_of(PATTERN))?;
        set_layers(&mut spec, &sliding, config.size("attention.sliding_window")?);
        spec.attention_scale = gemma_scale(&spec, LAYERS_OF_27B);
        Ok(spec)
    },
    hub_names: |_| SANDWICH_NAMES,
    ..Architecture::NONE
};

fn set_layers(spec: &mut Spec, sliding: &[bool], window: Option<usize>) {
    common::set_windows(spec, sliding, window);
    for (layer, sliding) in spec.layers.iter_mut().zip(sliding) {
        layer.rope = Some(usize::from(*sliding));
    }
}
