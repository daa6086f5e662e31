//! Steps of a pass that gradients go back through, on the processor: computed by the kernels of any other pass, with a way
//! back of their own. So a record holds what goes into a step and what comes out, and nothing between.

use super::norm::NormWeights;
use super::rope::RopeTable;
use super::slices;
use super::spec::{Activation, NormKind};
use crate::error::Result;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Shape, Tensor};
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// From what went in, what came out and the derivative by that: derivatives by what went in.
type Back<const N: usize> = Box<dyn Fn([&Tensor; N], &Tensor, &Tensor) -> Result<[Tensor; N]> + Send + Sync>;

/// A step that was computed already, on its way into candle's record.
pub struct Recorded<const N: usize> {
    name: &'static str,
    made: Mutex<Option<(CpuStorage, Shape)>>,
    back: Back<N>,
}

impl<const N: usize> Recorded<N> {
    /// `made` is what the step gives; `back` is handed tensors that are not tracked.
    pub fn new(
        name: &'static str,
        made: &Tensor,
        back: impl Fn([&Tensor; N], &Tensor, &Tensor) -> Result<[Tensor; N]> + Send + Sync + 'static,
    ) -> Result<Self> {
        let values = slices::with(made, |values| Ok(CpuStorage::F32(values.to_vec())))?;
        Ok(Self { name, made: Mutex::new(Some((values, made.shape().clone()))), back: Box::new(back) })
    }

    fn take(&self) -> candle_core::Result<(CpuStorage, Shape)> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner).take();
        made.ok_or_else(|| candle_core::Error::Msg(format!("{} was recorded twice", self.name)))
    }

    fn back(&self, inputs: [&Tensor; N], result: &Tensor, gradient: &Tensor) -> candle_core::Result<[Tensor; N]> {
        let bare = inputs.map(Tensor::detach);
        (self.back)(bare.each_ref(), &result.detach(), &gradient.detach()).map_err(candle_core::Error::wrap)
    }
}

impl CustomOp1 for Recorded<1> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        self.take()
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, gradient: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let [x] = self.back([x], y, gradient)?;
        Ok(Some(x))
    }
}

impl CustomOp2 for Recorded<2> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.take()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        y: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let [a, b] = self.back([a, b], y, gradient)?;
        Ok((Some(a), Some(b)))
    }
}

impl CustomOp3 for Recorded<3> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.take()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        y: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [a, b, c] = self.back([a, b, c], y, gradient)?;
        Ok((Some(a), Some(b), Some(c)))
    }
}

/// Whether a step on `x` belongs here.
pub fn takes(x: &Tensor) -> bool {
    x.track_op() && x.device().is_cpu() && x.dtype() == DType::F32
}

/// `x` turned by a table: on the way back it is turned the other way.
pub fn rope(x: &Tensor, table: &RopeTable) -> Result<Tensor> {
    let (y, back) = (table.apply(&x.detach())?, table.reversed()?);
    let step = Recorded::new("rope", &y, move |_, _, g| Ok([back.apply(&g.contiguous()?)?]))?;
    Ok(x.apply_op1(step)?)
}

/// Softmax over the last dimension.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    let y = candle_nn::ops::softmax_last_dim(&x.detach().contiguous()?)?;
    let step = Recorded::new("softmax", &y, |_, y, g| Ok([softmax_back(y, g)?]))?;
    Ok(x.apply_op1(step)?)
}

/// The derivative by what a softmax was given, from what it gave.
pub fn softmax_back(y: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let width = y.dims().last().copied().unwrap_or(1).max(1);
    let values = slices::with(y, |y| {
        slices::with(gradient, |g| {
            let mut out = y.to_vec();
            out.par_chunks_mut(width).zip(g.par_chunks(width)).for_each(|(out, g)| {
                let along: f32 = out.iter().zip(g).map(|(y, g)| y * g).sum();
                out.iter_mut().zip(g).for_each(|(y, g)| *y *= g - along);
            });
            Ok(out)
        })
    })?;
    Ok(Tensor::from_vec(values, y.shape(), y.device())?)
}

/// `x + y` for a `y` of the same last dimensions that is not looked back to.
pub fn masked(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let step = Recorded::new("mask", &x.detach().broadcast_add(y)?, |_, _, g| Ok([g.clone()]))?;
    Ok(x.apply_op1(step)?)
}

/// A norm over the last dimension, whose weights are not looked back to.
pub fn norm(x: &Tensor, weights: &NormWeights) -> Result<Tensor> {
    let y = weights.forward(&x.detach())?;
    let weights = weights.clone();
    let step = Recorded::new("norm", &y, move |[x], _, g| Ok([norm_back(x, &weights, g)?]))?;
    Ok(x.apply_op1(step)?)
}

fn norm_back(x: &Tensor, norm: &NormWeights, gradient: &Tensor) -> Result<Tensor> {
    let width = x.dims().last().copied().unwrap_or(1).max(1);
    let (n, eps, layer) = (width as f32, norm.norm.eps as f32, norm.norm.kind == NormKind::Layer);
    let row = |x: &[f32], g: &[f32], w: &[f32], out: &mut [f32]| {
        let mean = if layer { x.iter().sum::<f32>() / n } else { 0.0 };
        let scale = 1.0 / (x.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / n + eps).sqrt();
        let weighed = || g.iter().zip(w).map(|(g, w)| g * w);
        let common = if layer { weighed().sum::<f32>() / n } else { 0.0 };
        let along = weighed().zip(x).map(|(g, x)| g * (x - mean) * scale).sum::<f32>() / n;
        for ((out, g), x) in out.iter_mut().zip(weighed()).zip(x) {
            *out = scale * (g - common - (x - mean) * scale * along);
        }
    };
    let values = slices::with(x, |x| {
        slices::with(gradient, |g| {
            slices::with(&norm.weight, |w| {
                let mut out = vec![0.0; x.len()];
                // A weight of several rows meets the last dimensions of `x`.
                let block = w.len().max(1);
                out.par_chunks_mut(block).zip(x.par_chunks(block).zip(g.par_chunks(block))).for_each(
                    |(out, (x, g))| {
                        let rows = x.chunks(width).zip(g.chunks(width)).zip(w.chunks(width));
                        out.chunks_mut(width).zip(rows).for_each(|(out, ((x, g), w))| row(x, g, w, out));
                    },
                );
                Ok(out)
            })
        })
    })?;
    Ok(Tensor::from_vec(values, x.shape(), x.device())?)
}

/// A non-linearity and its slope at `x`; `None` where there is none here.
fn curve(activation: Activation) -> Option<fn(f32) -> (f32, f32)> {
    let curve: fn(f32) -> (f32, f32) = match activation {
        Activation::Silu => |x: f32| {
            let s = 1.0 / (1.0 + (-x).exp());
            (x * s, s * (1.0 + x * (1.0 - s)))
        },
        Activation::GeluTanh => |x: f32| {
            const C: f32 = 0.797_884_6;
            let t = (C * (x + 0.044_715 * x * x * x)).tanh();
            let slope = C * (1.0 + 3.0 * 0.044_715 * x * x);
            (0.5 * x * (1.0 + t), 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope)
        },
        Activation::Relu => |x: f32| if x > 0.0 { (x, 1.0) } else { (0.0, 0.0) },
        Activation::ReluSquared => |x: f32| if x > 0.0 { (x * x, 2.0 * x) } else { (0.0, 0.0) },
        Activation::Gelu => return None,
    };
    Some(curve)
}

/// The non-linearity of `pre`, times `linear`; `None` for one without a slope of its own here.
pub fn gated(pre: &Tensor, linear: &Tensor, activation: Activation) -> Option<Result<Tensor>> {
    let curve = curve(activation)?;
    let make = || -> Result<Tensor> {
        let y = slices::activate(&pre.detach(), Some(&linear.detach()), activation)?;
        let step = Recorded::new("gated", &y, move |[pre, linear], _, g| gated_back(pre, linear, g, curve))?;
        Ok(pre.apply_op2(linear, step)?)
    };
    Some(make())
}

fn gated_back(pre: &Tensor, linear: &Tensor, g: &Tensor, curve: fn(f32) -> (f32, f32)) -> Result<[Tensor; 2]> {
    let both = slices::with(pre, |pre| {
        slices::with(linear, |linear| {
            slices::with(g, |g| {
                let mut by_pre = pre.to_vec();
                let mut by_linear = linear.to_vec();
                by_pre.par_iter_mut().zip(&mut by_linear).zip(g).with_min_len(1 << 12).for_each(
                    |((pre, linear), g)| {
                        let (value, slope) = curve(*pre);
                        (*pre, *linear) = (g * *linear * slope, g * value);
                    },
                );
                Ok([by_pre, by_linear])
            })
        })
    })?;
    let [by_pre, by_linear] = both;
    Ok([
        Tensor::from_vec(by_pre, pre.shape(), pre.device())?,
        Tensor::from_vec(by_linear, linear.shape(), linear.device())?,
    ])
}
