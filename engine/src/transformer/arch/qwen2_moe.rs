//! Qwen1.5-MoE and Qwen2-MoE: Qwen2 with experts, one of them shared by all tokens and weighed by a gate of its own.

use super::common::{self, Absent};
use super::form::{GgufForm, Head};
use super::gguf;
use super::table::Architecture;
use crate::error::Result;
use crate::transformer::{Config, Norm, RopeStyle, Router, Spec};

/// The probabilities of the chosen experts are used as they are unless `norm_topk_prob`.
pub const QWEN2_MOE: Architecture = Architecture {
    hub: &["qwen2_moe"],
    gguf: &["qwen2moe"],
    from_hub: |config| {
        let mut spec = common::from_hub(config, Norm::rms, Absent { eps: 1e-6, ..Absent::USUAL })?;
        spec.qkv_bias = config.flag("qkv_bias")?.unwrap_or(true);
        lower_windows(&mut spec, config)?;
        qwen_experts(&mut spec, config)?;
        if let Some(experts) = &mut spec.experts {
            experts.shared = Some(config.need_size("shared_expert_intermediate_size")?);
        }
        Ok(spec)
    },
    to_gguf: Some(GgufForm { architecture: "qwen2moe", head: Head::Own, router: Router::Softmax, ..GgufForm::PLAIN }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::HalfSplit))?;
        gguf::windows(&mut spec, config)?;
        gguf::router(&mut spec, config, Router::Softmax)?;
        Ok(spec)
    },
    ..Architecture::NONE
};

/// Windows: off unless `use_sliding_window`, then on every other layer below `max_window_layers`.
fn lower_windows(spec: &mut Spec, config: &Config) -> Result<()> {
    let used = config.flag("use_sliding_window")?.unwrap_or(false);
    let window = config.size("sliding_window")?.filter(|w| used && *w > 0);
    let end = config.size("max_window_layers")?.unwrap_or(28);
    let sliding = common::sliding(config, spec.layers.len(), |i| !(i + 1).is_multiple_of(2) && i < end)?;
    common::set_windows(spec, &sliding, window);
    Ok(())
}

/// The experts of the Qwen family: in every layer that `decoder_sparse_step` counts and `mlp_only_layers` does not name.
pub fn qwen_experts(spec: &mut Spec, config: &Config) -> Result<()> {
    let router = if config.flag("norm_topk_prob")?.unwrap_or(false) { Router::Renormalized } else { Router::Softmax };
    spec.experts = Some(common::experts(config, "moe_intermediate_size", router)?);
    let step = config.size("decoder_sparse_step")?.unwrap_or(1);
    let dense = config.sizes("mlp_only_layers")?.unwrap_or_default();
    for (i, layer) in spec.layers.iter_mut().enumerate() {
        layer.experts = step > 0 && (i + 1).is_multiple_of(step) && !dense.contains(&i);
    }
    Ok(())
}
