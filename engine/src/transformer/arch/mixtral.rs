//! Mixtral: Mistral with a mixture of experts in every block. In GGUF they are files of architecture `llama`.

use super::common::{self, Absent};
use super::form::GgufForm;
use super::table::Architecture;
use crate::transformer::bindings::Slot;
use crate::transformer::{Norm, Router};

/// Experts are weighted by a softmax over those chosen, which is the same as that over all, renormalized.
pub const MIXTRAL: Architecture = Architecture {
    hub: &["mixtral"],
    from_hub: |config| {
        let mut spec = common::from_hub(config, Norm::rms, Absent { theta: 1e6, ..Absent::USUAL })?;
        common::window_everywhere(&mut spec, config, None)?;
        spec.experts = Some(common::experts(config, "intermediate_size", Router::Renormalized)?);
        spec.layers.iter_mut().for_each(|layer| layer.experts = true);
        Ok(spec)
    },
    to_gguf: Some(GgufForm::LLAMA),
    hub_names: |_| {
        &[
            (Slot::Router, "model.layers.{}.block_sparse_moe.gate"),
            (Slot::ExpertGate, "model.layers.{}.block_sparse_moe.experts.{e}.w1"),
            (Slot::ExpertUp, "model.layers.{}.block_sparse_moe.experts.{e}.w3"),
            (Slot::ExpertDown, "model.layers.{}.block_sparse_moe.experts.{e}.w2"),
        ]
    },
    ..Architecture::NONE
};
