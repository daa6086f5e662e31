//! Normalization over the last dimension.

use super::recorded;
use super::slices;
use super::spec::{Norm, NormKind};
use crate::error::Result;
use candle_core::{D, DType, Tensor};

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
        let constant = |t: &Tensor| !t.track_op() && t.dtype() == DType::F32;
        if recorded::takes(x) && constant(&self.weight) && self.bias.as_ref().is_none_or(constant) {
            return recorded::norm(x, self);
        }
        let tracked = [Some(x), Some(&self.weight), self.bias.as_ref()].into_iter().flatten().any(Tensor::track_op);
        if self.weight.rank() == 1 && !tracked {
            return self.fused(x);
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
    /// candle's own kernels, for other devices; they cannot be differentiated.
    fn fused(&self, x: &Tensor) -> Result<Tensor> {
        let (x, eps) = (x.contiguous()?, self.norm.eps as f32);
        Ok(match self.norm.kind {
            NormKind::Rms => candle_nn::ops::rms_norm(&x, &self.weight, eps)?,
            NormKind::Layer => {
                let none = self.weight.zeros_like()?;
                candle_nn::ops::layer_norm(&x, &self.weight, self.bias.as_ref().unwrap_or(&none), eps)?
            }
        })
    }
}
