//! Rotary position embedding: tables of cosines and sines, and the rotation.

use super::spec::{Rope, RopeScaling, RopeStyle};
use crate::error::Result;
use candle_core::{D, Device, Tensor};

/// The rotary embedding of one model.
#[derive(Debug, Clone)]
pub struct Rotary {
    frequencies: Vec<f32>,
    style: RopeStyle,
}

/// Cosines and sines for some positions in a row, `[positions, dims/2]` f32 each.
#[derive(Debug, Clone)]
pub struct RopeTable {
    cos: Tensor,
    sin: Tensor,
    dims: usize,
    style: RopeStyle,
}

/// The frequency of each pair, in radians per position, f32 as `transformers` computes them: rounding them otherwise
/// would move angles at far positions by more than every other source of error.
pub fn frequencies(rope: &Rope) -> Vec<f32> {
    let base = |i: usize| 1.0 / (rope.theta as f32).powf((2 * i) as f32 / rope.dims as f32);
    (0..rope.dims / 2)
        .map(|i| {
            let f = base(i);
            match &rope.scaling {
                RopeScaling::None => f,
                RopeScaling::Linear { factor } => f / *factor as f32,
                RopeScaling::Llama3 { factor, low, high, original } => {
                    llama3(f, *factor as f32, *low as f32, *high as f32, *original as f32)
                }
                RopeScaling::Factors(factors) => f / factors.get(i).copied().unwrap_or(1.0),
            }
        })
        .collect()
}

/// Llama 3.1's scaling of one frequency: by wavelength, kept, divided, or interpolated between both.
fn llama3(f: f32, factor: f32, low: f32, high: f32, original: f32) -> f32 {
    let wavelength = 2.0 * std::f32::consts::PI / f;
    if wavelength < original / high {
        f
    } else if wavelength > original / low {
        f / factor
    } else {
        let smooth = (original / wavelength - low) / (high - low);
        (1.0 - smooth) * f / factor + smooth * f
    }
}

impl Rotary {
    /// Computes the frequencies.
    pub fn new(rope: &Rope) -> Self {
        Self { frequencies: frequencies(rope), style: rope.style }
    }

    /// The table for positions `start..start + len`. It is made for each pass: a few thousand cosines are nothing beside
    /// the pass, and a table for a whole context can be large.
    pub fn table(&self, start: usize, len: usize, device: &Device) -> Result<RopeTable> {
        let angles = (start..start + len).flat_map(|p| self.frequencies.iter().map(move |f| p as f32 * f));
        let (cos, sin): (Vec<f32>, Vec<f32>) = angles.map(|a| (a.cos(), a.sin())).unzip();
        let shape = (len, self.frequencies.len());
        let (cos, sin) = (Tensor::from_vec(cos, shape, device)?, Tensor::from_vec(sin, shape, device)?);
        Ok(RopeTable { cos, sin, dims: 2 * self.frequencies.len(), style: self.style })
    }
}

impl RopeTable {
    /// Turns `x`, `[batch, heads, tokens, head_dim]`; the table holds one row per token. Differentiable when `x` is
    /// tracked (candle's fused kernels have no backward).
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        use candle_nn::rotary_emb::{rope, rope_i, rope_i_slow, rope_slow};
        let width = x.dim(D::Minus1)?;
        let turned = if width == self.dims { x.clone() } else { x.narrow(D::Minus1, 0, self.dims)? }.contiguous()?;
        let turned = match (self.style, x.track_op()) {
            (RopeStyle::HalfSplit, false) => rope(&turned, &self.cos, &self.sin)?,
            (RopeStyle::HalfSplit, true) => rope_slow(&turned, &self.cos, &self.sin)?,
            (RopeStyle::Interleaved, false) => rope_i(&turned, &self.cos, &self.sin)?,
            (RopeStyle::Interleaved, true) => rope_i_slow(&turned, &self.cos, &self.sin)?,
        };
        if width == self.dims {
            return Ok(turned);
        }
        let kept = x.narrow(D::Minus1, self.dims, width - self.dims)?;
        Ok(Tensor::cat(&[&turned, &kept], D::Minus1)?)
    }
}
