//! Normalization over the last dimension.

use crate::error::Result;
use candle_core::{D, Tensor};

/// RMS norm (arXiv:1910.07467): `x / sqrt(mean(x²) + eps) * weight` over the last dimension. Differentiable when `x` or
/// `weight` is tracked.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    if x.track_op() || weight.track_op() {
        let mean = (x.sqr()?.sum_keepdim(D::Minus1)? / x.dim(D::Minus1)? as f64)?;
        let normed = x.broadcast_div(&(mean + eps)?.sqrt()?)?;
        Ok(normed.broadcast_mul(weight)?)
    } else {
        Ok(candle_nn::ops::rms_norm(&x.contiguous()?, weight, eps as f32)?)
    }
}
