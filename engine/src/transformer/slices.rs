//! Tensors as the slices that the processor's kernels take. What is here serves plain tensors only: f32, on the CPU,
//! with nothing tracked; everything else goes through candle's own operations.

use super::norm::NormWeights;
use super::spec::{Activation, NormKind};
use crate::cpu::math::{self, layer_norm, rms_norm};
use crate::error::{Error, Result};
use candle_core::{CpuStorage, DType, Storage, Tensor};
use half::f16;
use rayon::prelude::*;

/// Numbers below which a loop is not worth sharing among threads.
const SHARED: usize = 32 << 10;

/// Whether `x` may take the kernels.
pub fn is_plain(x: &Tensor) -> bool {
    x.device().is_cpu() && !x.track_op() && x.dtype() == DType::F32
}

/// Calls `f` with the values of a plain tensor, row-major.
pub fn with<R>(x: &Tensor, f: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(all)), Some((from, to))) => f(all.get(from..to).unwrap_or_default()),
        _ => Err(not_plain()),
    }
}

/// Values of a cache, from a tensor's first to the end of its buffer.
#[derive(Clone, Copy)]
pub enum Stored<'a> {
    /// Single precision.
    F32(&'a [f32]),
    /// Half precision.
    F16(&'a [f16]),
}

/// Calls `f` with what lies from the first value of `x` on, and the distance between its outermost rows.
pub fn with_stored<R>(x: &Tensor, f: impl FnOnce(Stored, usize) -> Result<R>) -> Result<R> {
    let (storage, layout) = x.storage_and_layout();
    let stride = layout.stride().first().copied().unwrap_or(0);
    match &*storage {
        Storage::Cpu(CpuStorage::F32(all)) => {
            f(Stored::F32(all.get(layout.start_offset()..).unwrap_or_default()), stride)
        }
        Storage::Cpu(CpuStorage::F16(all)) => {
            f(Stored::F16(all.get(layout.start_offset()..).unwrap_or_default()), stride)
        }
        _ => Err(not_plain()),
    }
}

fn not_plain() -> Error {
    Error::backend("candle", "a kernel of the processor was given a tensor of another type or device")
}

/// A norm over the last dimension, `weight` (and `bias`) of one dimension.
pub fn norm(x: &Tensor, norm: &NormWeights) -> Result<Tensor> {
    let (kind, eps) = (norm.norm.kind, norm.norm.eps as f32);
    let run = |x: &[f32], weight: &[f32], bias: Option<&[f32]>| -> Result<Vec<f32>> {
        let width = weight.len().max(1);
        let mut out = vec![0.0; x.len()];
        let one = |x: &[f32], out: &mut [f32]| match kind {
            NormKind::Rms => rms_norm(x, weight, eps, 0.0, out),
            NormKind::Layer => layer_norm(x, weight, bias, eps, out),
        };
        let step = (SHARED / width).max(1) * width;
        out.par_chunks_mut(step).zip(x.par_chunks(step)).try_for_each(|(out, x)| one(x, out))?;
        Ok(out)
    };
    let values = with(x, |x| {
        with(&norm.weight, |weight| match &norm.bias {
            Some(bias) => with(bias, |bias| run(x, weight, Some(bias))),
            None => run(x, weight, None),
        })
    })?;
    Ok(Tensor::from_vec(values, x.shape(), x.device())?)
}

fn kernel(activation: Activation) -> math::Activation {
    match activation {
        Activation::Silu => math::Activation::Silu,
        Activation::Gelu => math::Activation::GeluErf,
        Activation::GeluTanh => math::Activation::GeluTanh,
        Activation::Relu => math::Activation::Relu,
        Activation::ReluSquared => math::Activation::ReluSquared,
    }
}

/// `activation(gate) · up`, or `activation(gate)` alone.
pub fn activate(gate: &Tensor, up: Option<&Tensor>, activation: Activation) -> Result<Tensor> {
    let kernel = kernel(activation);
    let values = with(gate, |gate| match up {
        Some(up) => with(up, |up| {
            let mut out = vec![0.0; gate.len()];
            let parts = out.par_chunks_mut(SHARED).zip(gate.par_chunks(SHARED).zip(up.par_chunks(SHARED)));
            parts.try_for_each(|(out, (gate, up))| kernel.mul(gate, up, out))?;
            Ok(out)
        }),
        None => {
            let mut out = gate.to_vec();
            out.par_chunks_mut(SHARED).for_each(|part| kernel.apply(part));
            Ok(out)
        }
    })?;
    Ok(Tensor::from_vec(values, gate.shape(), gate.device())?)
}

/// cap · tanh(x ÷ cap).
pub fn softcap(x: &Tensor, cap: f32) -> Result<Tensor> {
    let values = with(x, |x| {
        let mut out = x.to_vec();
        out.par_chunks_mut(SHARED).try_for_each(|part| math::softcap(part, cap))?;
        Ok(out)
    })?;
    Ok(Tensor::from_vec(values, x.shape(), x.device())?)
}

/// Turns `x`, `[batch, tokens, heads, head_dim]`, by `cos` and `sin`, `[tokens, dims/2]`.
pub fn rope(x: &Tensor, cos: &Tensor, sin: &Tensor, dims: usize, pairs: math::Pairs) -> Result<Tensor> {
    let (_, tokens, heads, head_dim) = x.dims4()?;
    let values = with(x, |x| {
        with(cos, |cos| {
            with(sin, |sin| {
                let mut out = x.to_vec();
                let half = dims / 2;
                // A whole number of tokens at a time, each batch row from the table's start.
                let step = (SHARED / (heads * head_dim).max(1)).clamp(1, tokens);
                for row in out.chunks_mut((tokens * heads * head_dim).max(1)) {
                    row.par_chunks_mut(step * heads * head_dim)
                        .zip(cos.par_chunks(step * half).zip(sin.par_chunks(step * half)))
                        .try_for_each(|(x, (cos, sin))| math::rope(x, heads, head_dim, dims, cos, sin, pairs))?;
                }
                Ok(out)
            })
        })
    })?;
    Ok(Tensor::from_vec(values, x.shape(), x.device())?)
}

/// `x + y`, of one shape or `y` one row of `x`.
pub fn add(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let values = with(x, |x| {
        with(y, |y| {
            if y.is_empty() || !x.len().is_multiple_of(y.len()) {
                return Err(Error::argument("sum", format!("rows of {} numbers", y.len()), x.len().to_string()));
            }
            let mut out = x.to_vec();
            if x.len() == y.len() {
                let parts = out.par_chunks_mut(SHARED).zip(y.par_chunks(SHARED));
                parts.try_for_each(|(out, y)| math::add(out, y))?;
            } else {
                let rows = (SHARED / y.len()).max(1) * y.len();
                out.par_chunks_mut(rows)
                    .try_for_each(|out| out.chunks_mut(y.len()).try_for_each(|out| math::add(out, y)))?;
            }
            Ok(out)
        })
    })?;
    Ok(Tensor::from_vec(values, x.shape(), x.device())?)
}
