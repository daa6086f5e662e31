//! Mistral 7B and its kin: Llama with a sliding window. In GGUF they are files of architecture `llama`.

use super::common::{self, Absent};
use super::form::GgufForm;
use super::table::Architecture;
use crate::transformer::Norm;

/// The window where a configuration has no such key; `null` means none.
const WINDOW: usize = 4096;

/// Every layer slides.
pub const MISTRAL: Architecture = Architecture {
    hub: &["mistral"],
    from_hub: |config| {
        let mut spec = common::from_hub(config, Norm::rms, Absent { eps: 1e-6, ..Absent::USUAL })?;
        common::window_everywhere(&mut spec, config, Some(WINDOW))?;
        Ok(spec)
    },
    to_gguf: Some(GgufForm::LLAMA),
    ..Architecture::NONE
};
