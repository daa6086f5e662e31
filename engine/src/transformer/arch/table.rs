//! The table of architectures, and how one is found.

use super::{known, llama, mistral, qwen2, qwen3};
use crate::error::{Error, Result, nearest};
use crate::format::TensorFile;
use crate::transformer::{Config, Spec};

/// One architecture: the names it goes by and how it reads its configuration.
#[derive(Debug)]
pub struct Architecture {
    /// `model_type` in a hub `config.json`; empty when the hub's layout is not read.
    pub hub: &'static [&'static str],
    /// `general.architecture` in GGUF; empty when GGUF has no such name.
    pub gguf: &'static [&'static str],
    /// The spec that a hub configuration describes.
    pub from_hub: fn(&Config) -> Result<Spec>,
    /// The spec that GGUF metadata (and the presence of tensors) describes.
    pub from_gguf: fn(&Config, &dyn TensorFile) -> Result<Spec>,
}

const ALL: &[&Architecture] = &[&llama::LLAMA, &mistral::MISTRAL, &qwen2::QWEN2, &qwen3::QWEN3];

/// Every `model_type` that can be computed.
pub fn supported() -> impl Iterator<Item = &'static str> {
    ALL.iter().flat_map(|a| a.hub.iter().copied())
}

/// The spec of a hub `config.json`.
pub fn from_hub(config: &Config) -> Result<Spec> {
    let name = config.text("model_type")?.ok_or_else(|| config.missing("model_type"))?;
    let found = ALL.iter().find(|a| a.hub.contains(&name)).ok_or_else(|| unknown(name, false))?;
    let spec = (found.from_hub)(config)?;
    spec.validate()?;
    Ok(spec)
}

/// The spec of a GGUF file.
pub fn from_gguf(file: &dyn TensorFile) -> Result<Spec> {
    let top = Config::hub(file.metadata(), file.path());
    let name = top.text("general.architecture")?.ok_or_else(|| top.missing("general.architecture"))?;
    let found = ALL.iter().find(|a| a.gguf.contains(&name)).ok_or_else(|| unknown(name, true))?;
    let mut spec = (found.from_gguf)(&Config::gguf(file.metadata(), file.path(), name), file)?;
    name.clone_into(&mut spec.architecture);
    top.text("general.name")?.unwrap_or_default().clone_into(&mut spec.name);
    spec.validate()?;
    Ok(spec)
}

/// The error for an architecture that the candle backend cannot compute.
fn unknown(name: &str, gguf: bool) -> Error {
    let here: Vec<&str> = supported().collect();
    let near = nearest(name, here.iter().copied()).map(|n| format!("; the nearest is {n:?}")).unwrap_or_default();
    let what = format!("the candle backend does not compute architecture {name:?}{near}");
    let help = match (known::to_llama_cpp(name), gguf) {
        (true, true) => "llama.cpp knows it: load it with #{ backend: \"llama_cpp\" }".to_owned(),
        (true, false) => format!("llama.cpp knows it: use a GGUF of this model. candle computes {}", here.join(", ")),
        (false, _) => format!("candle computes {}; llama.cpp does not know this architecture either", here.join(", ")),
    };
    Error::unsupported(what, help)
}
