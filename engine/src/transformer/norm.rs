//! Normalization over the last dimension.

use super::spec::{Norm, NormKind};
use crate::error::Result;
use candle_core::{D, Tensor};

/// A norm and its weights, ready to be applied.
#[derive(Debug, Clone)]
pub struct NormWeights {
    /// Which norm.
    pub norm: Norm,
    /// `[…, width]`, the offset added.
    pub weight: Option<Tensor>,
    /// `[…, width]`.
    pub bias: Option<Tensor>,
}

impl NormWeights {
    /// Normalizes `x` over its last dimension. A weight of several dimensions meets the last ones of `x`. Differentiable
    /// when anything is tracked.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if let Some(fused) = self.fused(x)? {
            return Ok(fused);
        }
        let width = x.dim(D::Minus1)? as f64;
        let mean_of = |t: &Tensor| -> Result<Tensor> { Ok((t.sum_keepdim(D::Minus1)? / width)?) };
        let centred = match self.norm.kind {
            NormKind::Rms => x.clone(),
            NormKind::Layer => x.broadcast_sub(&mean_of(x)?)?,
        };
        let scale = (mean_of(&centred.sqr()?)? + self.norm.eps)?.sqrt()?;
        let y = centred.broadcast_div(&scale)?;
        let y = match &self.weight {
            Some(weight) => y.broadcast_mul(weight)?,
            None => y,
        };
        Ok(match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        })
    }

    /// candle's fused kernels, for the forms that have one; they cannot be differentiated.
    fn fused(&self, x: &Tensor) -> Result<Option<Tensor>> {
        let Some(weight) = self.weight.as_ref().filter(|w| w.rank() == 1 && !w.track_op() && !x.track_op()) else {
            return Ok(None);
        };
        let eps = self.norm.eps as f32;
        Ok(match (self.norm.kind, &self.bias) {
            (NormKind::Rms, None) => Some(candle_nn::ops::rms_norm(&x.contiguous()?, weight, eps)?),
            (NormKind::Layer, Some(bias)) if !bias.track_op() => {
                Some(candle_nn::ops::layer_norm(&x.contiguous()?, weight, bias, eps)?)
            }
            _ => None,
        })
    }
}
