//! Between a backend's activations and the tensors of those who look at them.

use super::activations::Activations;
use super::select::Selection;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::transformer::{Hooks, Point};
use candle_core::{DType, Tensor as Candle};

/// Is given the name of a hook point and the activation there, without a batch dimension, and returns what goes on in its
/// place; `None` leaves it as it is.
pub type Callback<'a> = Box<dyn FnMut(&str, &Tensor) -> Result<Option<Tensor>> + 'a>;

/// A callback and the points it is called at.
pub struct Hook<'a> {
    /// A glob over names of hook points.
    pub pattern: String,
    /// Called once per point and pass.
    pub callback: Callback<'a>,
}

impl<'a> Hook<'a> {
    /// A hook at the points that `pattern` matches.
    pub fn new(pattern: impl Into<String>, callback: impl FnMut(&str, &Tensor) -> Result<Option<Tensor>> + 'a) -> Self {
        Self { pattern: pattern.into(), callback: Box::new(callback) }
    }
}

impl std::fmt::Debug for Hook<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hook").field("pattern", &self.pattern).finish_non_exhaustive()
    }
}

/// Hooks, in their order at each point; after them what goes on is kept where it was asked for.
pub(super) struct Tapped<'a> {
    pub(super) hooks: Vec<Hook<'a>>,
    pub(super) at: Selection,
    pub(super) keep: Selection,
    pub(super) kept: Activations,
}

impl Hooks for Tapped<'_> {
    fn wants(&self, point: Point, layer: usize) -> bool {
        !self.at.patterns_at(point, layer).is_empty() || !self.keep.patterns_at(point, layer).is_empty()
    }

    fn visit(&mut self, point: Point, layer: usize, value: Candle) -> Result<Candle> {
        let name = point.name(layer);
        let mut value = value;
        for place in self.at.patterns_at(point, layer) {
            let Some(hook) = self.hooks.get_mut(*place) else { continue };
            let shown = alone(&value)?.named(&name);
            if let Some(changed) = (hook.callback)(&name, &shown)? {
                value = fitted(&name, &value, shown.shape(), &changed)?;
            }
        }
        if !self.keep.patterns_at(point, layer).is_empty() {
            self.kept.push(&name, alone(&value)?);
        }
        Ok(value)
    }
}

/// The activation of the only prompt of a batch.
pub(super) fn alone(value: &Candle) -> Result<Tensor> {
    Tensor::from_candle(value.squeeze(0)?.contiguous()?)
}

/// What a hook returned, as the pass goes on with it.
fn fitted(name: &str, before: &Candle, shape: &[usize], changed: &Tensor) -> Result<Candle> {
    if changed.shape() != shape {
        let error = Error::argument(
            format!("hook at {name:?}"),
            format!("a tensor of the activation's shape {shape:?}"),
            format!("shape {:?}", changed.shape()),
        );
        return Err(error.with_help("return a tensor of the shape that came, or () to leave the activation as it is"));
    }
    let changed = changed.to_candle()?.to_dtype(DType::F32)?.to_device(before.device())?;
    Ok(changed.reshape(before.shape())?.contiguous()?)
}
