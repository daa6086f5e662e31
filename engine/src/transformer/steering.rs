//! Steering: vectors that are added to activations in every pass.

use super::hooks::Point;
use super::slices;
use crate::error::Result;
use candle_core::Tensor;
use std::collections::HashMap;

/// What is added, by hook point: a tensor of the activation's shape without batch and positions, the same for every token.
#[derive(Debug, Clone, Default)]
pub struct Steering(HashMap<(Point, usize), Tensor>);

impl Steering {
    /// Whether nothing is added anywhere.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds `value` at a point, to what is added there already.
    pub fn push(&mut self, point: Point, layer: usize, value: &Tensor) -> Result<()> {
        let sum = match self.0.get(&(point, layer)) {
            Some(old) => (old + value)?,
            None => value.contiguous()?,
        };
        self.0.insert((point, layer), sum);
        Ok(())
    }

    /// The activation that goes on, `[batch, pos, …]`.
    pub fn add_to(&self, point: Point, layer: usize, x: Tensor) -> Result<Tensor> {
        match self.0.get(&(point, layer)) {
            None => Ok(x),
            Some(value) if slices::is_plain(&x) && slices::is_plain(value) => slices::add(&x, value),
            Some(value) => Ok(x.broadcast_add(value)?),
        }
    }
}
