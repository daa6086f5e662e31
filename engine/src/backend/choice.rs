//! A caller's choice of backend, and how choices are spelled.

use super::BackendKind;
use crate::error::{Error, Result, nearest};
use std::str::FromStr;

/// Which backend shall run a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackendChoice {
    /// GGUF goes to llama.cpp (to candle in a build without it), safetensors to candle.
    #[default]
    Auto,
    /// This one or an error.
    Only(BackendKind),
    /// As `Auto`, and the other backend when the first one cannot; a warning says so.
    Fallback,
}

impl FromStr for BackendChoice {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        choose(
            "backend",
            s,
            &[
                ("auto", Self::Auto),
                ("llama_cpp", Self::Only(BackendKind::LlamaCpp)),
                ("candle", Self::Only(BackendKind::Candle)),
                ("fallback", Self::Fallback),
            ],
        )
    }
}

/// The value that goes by the name `given`; the error names the nearest of those `known`.
pub(crate) fn choose<T: Copy>(what: &str, given: &str, known: &[(&str, T)]) -> Result<T> {
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == given) {
        return Ok(*value);
    }
    let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
    let error = Error::argument(what, format!("one of {}", names.join(", ")), format!("{given:?}"));
    Err(match nearest(given, names) {
        Some(name) => error.with_help(format!("did you mean {name:?}?")),
        None => error,
    })
}
