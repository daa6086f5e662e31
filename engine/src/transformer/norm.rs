//! Normalization over the last dimension.

use super::slices;
use super::spec::{Norm, NormKind};
use crate::error::Result;
use candle_core::{D, Tensor};

/// A norm and its weights, ready to be applied.
#[derive(Debug, Clone)]
pub struct NormWeights {
    /// Which norm.
    pub norm: Norm,
    /// `[…, width]`, the offset added; ones where the architecture has no weight.
    pub weight: Tensor,
    /// `[…, width]`.
    pub bias: Option<Tensor>,
}

impl NormWeights {
    /// Normalizes `x` over its last dimension. A weight of several dimensions meets the last ones of `x`. Differentiable
    /// when anything is tracked.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let plain = |t: &Tensor| slices::is_plain(t);
        if self.weight.rank() == 1 && plain(x) && plain(&self.weight) && self.bias.as_ref().is_none_or(plain) {
            return slices::norm(x, self);
        }
        let width = x.dim(D::Minus1)? as f64;
        let mean_of = |t: &Tensor| -> Result<Tensor> { Ok((t.sum_keepdim(D::Minus1)? / width)?) };
        let centred = match self.norm.kind {
            NormKind::Rms => x.clone(),
            NormKind::Layer => x.broadcast_sub(&mean_of(x)?)?,
        };
        let scale = (mean_of(&centred.sqr()?)? + self.norm.eps)?.sqrt()?;
        let y = centred.broadcast_div(&scale)?.broadcast_mul(&self.weight)?;
        Ok(match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        })
    }
}
