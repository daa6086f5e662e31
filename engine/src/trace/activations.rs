//! What a run leaves behind.

use crate::Token;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Activations by name, in the order of the pass.
#[derive(Debug, Clone, Default)]
pub struct Activations(Vec<(String, Tensor)>);

impl Activations {
    pub(super) fn push(&mut self, name: &str, value: Tensor) {
        self.0.push((name.to_owned(), value.named(name)));
    }

    /// The activation at a hook point.
    ///
    /// # Errors
    /// A name that was not kept; the nearest of those that were is suggested.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, t)| t).ok_or_else(|| {
            Error::not_found("activation", name, self.names()).with_help(match self.0.len() {
                0 => "this run kept no activations; name hook points, or patterns of them, when you run".to_owned(),
                n => format!("this run kept {n}; name other hook points, or patterns of them, when you run"),
            })
        })
    }

    /// Names, in the order of the pass.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Names and activations, in the order of the pass.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One pass over a prompt.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The tokens that were fed.
    pub tokens: Vec<Token>,
    /// One row per token, `[pos, vocabulary]`: row `i` predicts token `i + 1`.
    pub logits: Tensor,
    /// What was asked for, as it went on: after hooks, where there were any.
    pub activations: Activations,
}
