//! From any model that can be opened to any file that can be written, told by their paths.

use super::{GgufOptions, gguf_to_safetensors, hub_to_gguf, requantize};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::hub::HubFolder;
use crate::format::{self, DType, Format, detect};
use std::path::Path;

/// The type of weights where a caller asks for none.
const USUAL: DType = DType::F16;

/// Converts the model `from`: into one GGUF file where `to` ends in `.gguf`, otherwise into a folder in the hub's layout.
/// Weights are stored as `dtype`, F16 unless another is asked for.
///
/// # Errors
/// `from` is no model, is `to` itself, already is what it should become, or as [`hub_to_gguf`], [`requantize`] and
/// [`gguf_to_safetensors`].
pub fn convert(from: impl AsRef<Path>, to: impl AsRef<Path>, dtype: Option<DType>, control: &Control) -> Result<()> {
    let (detected, to) = (detect(from)?, to.as_ref());
    let place = |path: &Path| path.canonicalize().ok();
    if place(to).is_some_and(|to| Some(to) == place(&detected.path)) {
        let found = format!("{:?}, the model itself", to.display().to_string());
        return Err(Error::argument("convert: where to", "another path than that of the model", found));
    }
    let into_gguf = to.extension().is_some_and(|e| e.eq_ignore_ascii_case("gguf"));
    let folder = match detected.format {
        Format::Gguf => None,
        Format::HubFolder => Some(HubFolder::open(&detected.path)?),
        // Weights alone are no model: their folder has the config and the tokenizer.
        Format::Safetensors | Format::PyTorch | Format::ShardIndex => {
            Some(HubFolder::around(format::open(&detected.path)?)?)
        }
    };
    match (folder, into_gguf) {
        (Some(folder), true) => {
            hub_to_gguf(&folder, to, dtype.unwrap_or(USUAL), &GgufOptions::default(), control).map(drop)
        }
        (None, true) => requantize(&detected.path, to, dtype.unwrap_or(USUAL), control),
        (None, false) => gguf_to_safetensors(&detected.path, to, dtype.unwrap_or(USUAL), control),
        (Some(_), false) => {
            let found = format!("{:?}, and {} is a folder already", to.display().to_string(), detected.path.display());
            Err(Error::argument("convert: where to", "a path that ends in .gguf", found))
        }
    }
}
