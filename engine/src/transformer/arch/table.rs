//! The table of architectures, and how one is found.

use super::form::GgufForm;
use super::known;
use super::{
    bloom, cohere, cohere2, falcon, gemma, gemma2, gemma3, glm4, gpt_neox, gpt2, granite, llama, mistral, mixtral, mpt,
    olmo, olmo2, olmoe, phi, phi3, qwen2, qwen2_moe, qwen3, qwen3_moe, smollm3, stablelm, starcoder2,
};
use crate::error::{Error, Result, nearest};
use crate::format::TensorFile;
use crate::transformer::bindings::{Naming, Row};
use crate::transformer::{Config, Spec};
use std::path::Path;

/// One architecture: the names it goes by, how it reads its configuration, and what it calls its weights.
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
    /// How GGUF holds it; `None`: GGUF does not.
    pub to_gguf: Option<GgufForm>,
    /// Weights that the hub's checkpoints call otherwise than Llama's.
    pub hub_names: fn(&Spec) -> &'static [Row],
    /// Weights that GGUF files call otherwise than usual.
    pub gguf_names: fn(&Spec) -> &'static [Row],
}

impl Architecture {
    /// No names, and configurations that are refused: what a declaration leaves out.
    pub(super) const NONE: Self = Self {
        hub: &[],
        gguf: &[],
        from_hub: |config| Err(config.missing("model_type")),
        from_gguf: |config, _| Err(config.missing("general.architecture")),
        to_gguf: None,
        hub_names: |_| &[],
        gguf_names: |_| &[],
    };
}

const ALL: &[&Architecture] = &[
    &bloom::BLOOM,
    &cohere::COHERE,
    &cohere2::COHERE2,
    &falcon::FALCON,
    &gemma::GEMMA,
    &gemma2::GEMMA2,
    &gemma3::GEMMA3,
    &glm4::GLM4,
    &gpt2::GPT2,
    &gpt_neox::GPT_NEOX,
    &granite::GRANITE,
    &llama::LLAMA,
    &mistral::MISTRAL,
    &mixtral::MIXTRAL,
    &mpt::MPT,
    &olmo::OLMO,
    &olmo2::OLMO2,
    &olmoe::OLMOE,
    &phi::PHI,
    &phi3::PHI3,
    &qwen2::QWEN2,
    &qwen2_moe::QWEN2_MOE,
    &qwen3::QWEN3,
    &qwen3_moe::QWEN3_MOE,
    &smollm3::SMOLLM3,
    &stablelm::STABLELM,
    &starcoder2::STARCODER2,
];

/// Every `model_type` that can be computed.
pub fn supported() -> impl Iterator<Item = &'static str> {
    ALL.iter().flat_map(|a| a.hub.iter().copied())
}

/// The names of an architecture's weights that differ from the usual ones.
pub fn names(spec: &Spec, naming: Naming) -> &'static [Row] {
    let name = spec.architecture.as_str();
    let known = |a: &&&Architecture| match naming {
        Naming::Hub => a.hub.contains(&name),
        Naming::Gguf => a.gguf.contains(&name),
    };
    ALL.iter().find(known).map_or(&[], |a| match naming {
        Naming::Hub => (a.hub_names)(spec),
        Naming::Gguf => (a.gguf_names)(spec),
    })
}

/// How GGUF holds the hub's architecture of this name.
pub fn gguf_form(model_type: &str) -> Option<&'static GgufForm> {
    ALL.iter().find(|a| a.hub.contains(&model_type)).and_then(|a| a.to_gguf.as_ref())
}

/// The spec of a hub `config.json`. What is wrong with it is said with its path.
pub fn from_hub(config: &Config) -> Result<Spec> {
    hub_spec(config).map_err(|e| in_file(e, config.path()))
}

fn hub_spec(config: &Config) -> Result<Spec> {
    let name = config.text("model_type")?.ok_or_else(|| config.missing("model_type"))?;
    let found = ALL.iter().find(|a| a.hub.contains(&name)).ok_or_else(|| unknown(name, false))?;
    let mut spec = (found.from_hub)(config)?;
    name.clone_into(&mut spec.architecture);
    config.text("_name_or_path")?.unwrap_or_default().clone_into(&mut spec.name);
    spec.validate()?;
    Ok(spec)
}

/// The spec of a GGUF file. What is wrong with its metadata is said with its path.
pub fn from_gguf(file: &dyn TensorFile) -> Result<Spec> {
    gguf_spec(file).map_err(|e| in_file(e, file.path()))
}

fn gguf_spec(file: &dyn TensorFile) -> Result<Spec> {
    let top = Config::hub(file.metadata(), file.path());
    let name = top.text("general.architecture")?.ok_or_else(|| top.missing("general.architecture"))?;
    let found = ALL.iter().find(|a| a.gguf.contains(&name)).ok_or_else(|| unknown(name, true))?;
    let mut spec = (found.from_gguf)(&Config::gguf(file.metadata(), file.path(), name), file)?;
    name.clone_into(&mut spec.architecture);
    top.text("general.name")?.unwrap_or_default().clone_into(&mut spec.name);
    spec.validate()?;
    Ok(spec)
}

/// What contradicts itself in a configuration as an error of its file.
fn in_file(error: Error, path: &Path) -> Error {
    match error {
        Error::Argument { what, expected, found, help } => {
            Error::format(path, format!("{what}: expected {expected}, found {found}")).with_help(help)
        }
        other => other,
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_is_wrong_with_a_configuration_is_said_with_its_file() {
        let said = |heads: serde_json::Value| {
            let config = serde_json::json!({
                "model_type": "llama", "hidden_size": 64, "intermediate_size": 64, "vocab_size": 8,
                "num_hidden_layers": 1, "num_attention_heads": heads, "num_key_value_heads": 3,
                "max_position_embeddings": 32
            });
            let serde_json::Value::Object(map) = config else { unreachable!() };
            let path = Path::new("folder/config.json");
            from_hub(&Config::hub(&map, path)).unwrap_err().to_string()
        };
        let contradiction = said(4.into());
        assert!(contradiction.starts_with("folder/config.json: model configuration, "), "{contradiction}");
        assert!(contradiction.contains("a multiple of the 3 key/value heads, found 4"), "{contradiction}");
        assert!(said("four".into()).starts_with("folder/config.json: "));
    }
}
