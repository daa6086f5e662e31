//! Llama (1 to 3.x), and everything that calls itself so.

use super::common::{self, Absent};
use super::form::GgufForm;
use super::gguf;
use super::table::Architecture;
use crate::transformer::{Norm, RopeStyle};

/// Biases are off unless the configuration asks for them. GGUF permutes the rows of q and k for interleaved rotation;
/// its files of this name may also be Mistral's or Mixtral's.
pub const LLAMA: Architecture = Architecture {
    hub: &["llama"],
    gguf: &["llama"],
    from_hub: |config| {
        let mut spec = common::from_hub(config, Norm::rms, Absent { eps: 1e-6, ..Absent::USUAL })?;
        common::attention_bias(&mut spec, config)?;
        spec.mlp.bias = config.flag("mlp_bias")?.unwrap_or(false);
        Ok(spec)
    },
    to_gguf: Some(GgufForm::LLAMA),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::Interleaved))?;
        gguf::windows(&mut spec, config)?;
        Ok(spec)
    },
    ..Architecture::NONE
};
