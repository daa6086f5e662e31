//! Phi-3 and 3.5: Llama whose q, k, v are one matrix and whose gate and up are one.

use super::common::{self, Absent};
use super::form::GgufForm;
use super::gguf;
use super::table::Architecture;
use crate::transformer::{Fusion, Norm, RopeStyle};

/// Every layer slides where there is a window.
pub const PHI3: Architecture = Architecture {
    hub: &["phi3"],
    gguf: &["phi3"],
    from_hub: |config| {
        let mut spec = common::from_hub(config, Norm::rms, Absent::USUAL)?;
        common::window_everywhere(&mut spec, config, None)?;
        (spec.layout.qkv, spec.layout.gate_up) = (Fusion::Concatenated, true);
        Ok(spec)
    },
    to_gguf: Some(GgufForm {
        architecture: "phi3",
        qkv: Fusion::Concatenated,
        gate_up: true,
        long_tables: true,
        ..GgufForm::PLAIN
    }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::HalfSplit))?;
        gguf::windows(&mut spec, config)?;
        Ok(spec)
    },
    ..Architecture::NONE
};
