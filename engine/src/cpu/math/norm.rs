//! Norms of rows.

use super::lanes::{Isa, Kernel, Lanes};
use crate::error::{Error, Result};

/// out = x ÷ √(mean(x²) + eps) · (weight + offset) for each row of `x`; a row is as long as `weight`.
///
/// `offset` is 0, or 1 for models that store the weight less 1 (Gemma). Formula: Zhang and Sennrich, "Root Mean Square
/// Layer Normalization", 2019.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, offset: f32, out: &mut [f32]) -> Result<()> {
    rms_norm_with(Isa::best(), x, weight, eps, offset, out)
}

pub(super) fn rms_norm_with(isa: Isa, x: &[f32], weight: &[f32], eps: f32, offset: f32, out: &mut [f32]) -> Result<()> {
    check(x, weight, None, out)?;
    isa.run(RmsNorm { x, weight, eps, offset, out });
    Ok(())
}

/// out = (x − mean(x)) ÷ √(variance(x) + eps) · weight + bias for each row of `x`; a row is as long as `weight`.
///
/// The variance is that of the row itself (divided by its length). Formula: Ba, Kiros and Hinton, "Layer
/// Normalization", 2016.
pub fn layer_norm(x: &[f32], weight: &[f32], bias: Option<&[f32]>, eps: f32, out: &mut [f32]) -> Result<()> {
    layer_norm_with(Isa::best(), x, weight, bias, eps, out)
}

pub(super) fn layer_norm_with(
    isa: Isa,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    eps: f32,
    out: &mut [f32],
) -> Result<()> {
    check(x, weight, bias, out)?;
    isa.run(LayerNorm { x, weight, bias: bias.unwrap_or_default(), eps, out });
    Ok(())
}

fn check(x: &[f32], weight: &[f32], bias: Option<&[f32]>, out: &[f32]) -> Result<()> {
    if weight.is_empty() || !x.len().is_multiple_of(weight.len()) {
        let expected = format!("rows as long as the weight, {}", weight.len());
        return Err(Error::argument("norm", expected, format!("{} numbers", x.len())));
    }
    if out.len() != x.len() {
        return Err(Error::argument("result of a norm", format!("{} numbers", x.len()), out.len().to_string()));
    }
    if let Some(bias) = bias
        && bias.len() != weight.len()
    {
        return Err(Error::argument("bias of a norm", format!("{} numbers", weight.len()), bias.len().to_string()));
    }
    Ok(())
}

/// Σ (x − center)² in four sums, so that additions overlap and rounding errors stay small.
#[inline(always)]
fn square_sum<L: Lanes>(lanes: L, x: &[f32], center: f32) -> f32 {
    let centers = lanes.splat(center);
    let mut sums = [lanes.splat(0.0); 4];
    let mut blocks = x.chunks_exact(4 * L::WIDTH);
    for block in &mut blocks {
        for (sum, x) in sums.iter_mut().zip(block.chunks_exact(L::WIDTH)) {
            let x = lanes.sub(lanes.load(x), centers);
            *sum = lanes.fma(x, x, *sum);
        }
    }
    let [a, b, c, d] = sums;
    let mut total = lanes.add(lanes.add(a, c), lanes.add(b, d));
    let mut chunks = blocks.remainder().chunks_exact(L::WIDTH);
    for x in &mut chunks {
        let x = lanes.sub(lanes.load(x), centers);
        total = lanes.fma(x, x, total);
    }
    let mut total = lanes.sum(total);
    for x in chunks.remainder() {
        let x = x - center;
        total += x * x;
    }
    total
}

/// Σ x
#[inline(always)]
fn sum<L: Lanes>(lanes: L, x: &[f32]) -> f32 {
    let mut sums = [lanes.splat(0.0); 4];
    let mut blocks = x.chunks_exact(4 * L::WIDTH);
    for block in &mut blocks {
        for (sum, x) in sums.iter_mut().zip(block.chunks_exact(L::WIDTH)) {
            *sum = lanes.add(*sum, lanes.load(x));
        }
    }
    let [a, b, c, d] = sums;
    let mut total = lanes.add(lanes.add(a, c), lanes.add(b, d));
    for x in blocks.remainder().chunks(L::WIDTH) {
        total = lanes.add(total, lanes.load(x));
    }
    lanes.sum(total)
}

struct RmsNorm<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
    offset: f32,
    out: &'a mut [f32],
}

impl Kernel for RmsNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let n = self.weight.len();
        let offset = lanes.splat(self.offset);
        for (x, out) in self.x.chunks_exact(n).zip(self.out.chunks_exact_mut(n)) {
            let factor = lanes.splat(1.0 / (square_sum(lanes, x, 0.0) / n as f32 + self.eps).sqrt());
            let parts = x.chunks(L::WIDTH).zip(self.weight.chunks(L::WIDTH));
            for ((x, weight), out) in parts.zip(out.chunks_mut(L::WIDTH)) {
                let weight = lanes.add(lanes.load(weight), offset);
                lanes.store(lanes.mul(lanes.mul(lanes.load(x), factor), weight), out);
            }
        }
    }
}

struct LayerNorm<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    /// Empty where there is none.
    bias: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
}

impl Kernel for LayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let n = self.weight.len();
        for (x, out) in self.x.chunks_exact(n).zip(self.out.chunks_exact_mut(n)) {
            let mean = sum(lanes, x) / n as f32;
            let factor = lanes.splat(1.0 / (square_sum(lanes, x, mean) / n as f32 + self.eps).sqrt());
            let mean = lanes.splat(mean);
            let parts = x.chunks(L::WIDTH).zip(self.weight.chunks(L::WIDTH));
            for ((x, weight), out) in parts.zip(out.chunks_mut(L::WIDTH)) {
                let x = lanes.mul(lanes.sub(lanes.load(x), mean), factor);
                lanes.store(lanes.mul(x, lanes.load(weight)), out);
            }
            for (bias, out) in self.bias.chunks(L::WIDTH).zip(out.chunks_mut(L::WIDTH)) {
                lanes.store(lanes.add(lanes.load(out), lanes.load(bias)), out);
            }
        }
    }
}
