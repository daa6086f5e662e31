//! Which backend takes which file.

use super::{BackendChoice, BackendKind};
use crate::error::{Error, Result};
use crate::format::Format;

/// The backends to try, in order, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Tried first; a second entry is tried when the first cannot.
    pub backends: Vec<BackendKind>,
    /// In words, for a person.
    pub why: String,
}

/// Whether this build contains llama.cpp.
pub const HAS_LLAMA_CPP: bool = cfg!(feature = "llama-cpp");

/// Chooses backends for a file of this format.
///
/// # Errors
/// A forced backend that cannot take the format, or that this build lacks; the error says which can.
pub fn route(format: Format, choice: BackendChoice) -> Result<Route> {
    let gguf = format == Format::Gguf;
    let name = match format {
        Format::Gguf => "GGUF",
        Format::Safetensors => "safetensors",
        Format::PyTorch => "a PyTorch checkpoint",
        Format::ShardIndex => "a sharded checkpoint",
        Format::HubFolder => "a hub folder",
    };
    match choice {
        BackendChoice::Only(BackendKind::LlamaCpp) if !HAS_LLAMA_CPP => Err(Error::unsupported(
            "this build of Minerva does not contain llama.cpp",
            "use #{ backend: \"candle\" }, or build with the default features",
        )),
        BackendChoice::Only(BackendKind::LlamaCpp) if !gguf => Err(Error::unsupported(
            format!("backend llama_cpp reads GGUF files only, and this is {name}"),
            "backend candle can take it: use #{ backend: \"candle\" } or leave the choice to \"auto\"",
        )),
        BackendChoice::Only(kind) => Ok(Route { backends: vec![kind], why: format!("{kind} was asked for") }),
        BackendChoice::Auto if gguf && HAS_LLAMA_CPP => {
            Ok(Route { backends: vec![BackendKind::LlamaCpp], why: "GGUF runs on llama_cpp".into() })
        }
        BackendChoice::Auto if gguf => Ok(Route {
            backends: vec![BackendKind::Candle],
            why: "this build has no llama.cpp, and candle runs GGUF too".into(),
        }),
        BackendChoice::Auto => Ok(Route { backends: vec![BackendKind::Candle], why: format!("{name} runs on candle") }),
        BackendChoice::Fallback if gguf && HAS_LLAMA_CPP => Ok(Route {
            backends: vec![BackendKind::LlamaCpp, BackendKind::Candle],
            why: "GGUF runs on llama_cpp, with candle to fall back on".into(),
        }),
        BackendChoice::Fallback => Ok(Route {
            backends: vec![BackendKind::Candle],
            why: format!("{name} runs on candle; there is no second backend for it"),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn gguf_has_both_and_safetensors_has_candle() {
        let first = |f, c| route(f, c).map(|r| r.backends);
        assert_eq!(first(Format::HubFolder, BackendChoice::Auto).unwrap(), [BackendKind::Candle]);
        assert_eq!(first(Format::Gguf, BackendChoice::Only(BackendKind::Candle)).unwrap(), [BackendKind::Candle]);
        let gguf = if HAS_LLAMA_CPP { BackendKind::LlamaCpp } else { BackendKind::Candle };
        assert_eq!(first(Format::Gguf, BackendChoice::Auto).unwrap(), [gguf]);
        let both = first(Format::Gguf, BackendChoice::Fallback).unwrap();
        assert_eq!(both.len(), if HAS_LLAMA_CPP { 2 } else { 1 });
    }

    #[test]
    fn a_forced_backend_that_cannot_names_the_one_that_can() {
        let e = route(Format::Safetensors, BackendChoice::Only(BackendKind::LlamaCpp)).unwrap_err().to_string();
        assert!(e.contains("candle"), "{e}");
    }
}
