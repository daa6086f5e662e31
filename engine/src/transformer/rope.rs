//! Rotary position embedding: tables of cosines and sines, and the rotation.

use super::spec::{Rope, RopeScaling, RopeStyle};
use crate::cpu::math::Pairs;
use crate::error::Result;
use candle_core::{D, Device, Tensor};

/// A rotary embedding of one model, for a load with a certain context.
#[derive(Debug, Clone)]
pub struct Rotary {
    rope: Rope,
    context: usize,
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
///
/// `tokens` is the length of the sequence so far, `context` that of the load; only scalings that depend on a length look
/// at them.
pub fn frequencies(rope: &Rope, tokens: usize, context: usize) -> Vec<f32> {
    let power = |theta: f32, i: usize| theta.powf((2 * i) as f32 / rope.dims as f32);
    let base = |i: usize| 1.0 / power(rope.theta as f32, i);
    let divided =
        |factors: &[f32], i: usize| 1.0 / (factors.get(i).copied().unwrap_or(1.0) * power(rope.theta as f32, i));
    (0..rope.dims / 2)
        .map(|i| match &rope.scaling {
            RopeScaling::None => base(i),
            RopeScaling::Linear { factor } => base(i) / *factor as f32,
            RopeScaling::Dynamic { factor, original } => {
                let length = (tokens as f64).max(*original);
                let exponent = rope.dims as f64 / (rope.dims as f64 - 2.0);
                let theta = rope.theta * (factor * length / original - (factor - 1.0)).powf(exponent);
                1.0 / power(theta as f32, i)
            }
            RopeScaling::Llama3 { factor, low, high, original } => {
                llama3(base(i), *factor as f32, *low as f32, *high as f32, *original as f32)
            }
            RopeScaling::Yarn { factor, original, fast, slow, truncate, .. } => {
                let kept = 1.0 - yarn_ramp(rope, i, *original, *fast, *slow, *truncate);
                base(i) / *factor as f32 * (1.0 - kept) + base(i) * kept
            }
            RopeScaling::Long { short, long, original, .. } => {
                divided(if context > *original { long } else { short }, i)
            }
            RopeScaling::Factors(factors) => base(i) / factors.get(i).copied().unwrap_or(1.0),
        })
        .collect()
}

/// How far frequency `i` is divided, 0 to 1: a ramp between the indices whose wavelengths fit `fast` and `slow` times
/// into the original context.
fn yarn_ramp(rope: &Rope, i: usize, original: f64, fast: f64, slow: f64, truncate: bool) -> f32 {
    let dims = rope.dims as f64;
    let index = |turns: f64| dims * (original / (turns * 2.0 * std::f64::consts::PI)).ln() / (2.0 * rope.theta.ln());
    let (mut low, mut high) = (index(fast), index(slow));
    if truncate {
        (low, high) = (low.floor(), high.ceil());
    }
    let (low, mut high) = (low.max(0.0), high.min(dims - 1.0));
    if low == high {
        high += 0.001;
    }
    ((i as f32 - low as f32) / (high - low) as f32).clamp(0.0, 1.0)
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
    /// The embedding for a load that holds `context` tokens.
    pub fn new(rope: &Rope, context: usize) -> Self {
        Self { rope: rope.clone(), context }
    }

    /// The table for positions `start..start + len`. It is made for each pass: a few thousand cosines are nothing beside
    /// the pass, and a table for a whole context can be large.
    pub fn table(&self, start: usize, len: usize, device: &Device) -> Result<RopeTable> {
        let frequencies = frequencies(&self.rope, start + len, self.context);
        let magnitude = match self.rope.scaling {
            RopeScaling::Yarn { magnitude, .. } | RopeScaling::Long { magnitude, .. } => magnitude as f32,
            _ => 1.0,
        };
        let angles = (start..start + len).flat_map(|p| frequencies.iter().map(move |f| p as f32 * f));
        let (cos, sin): (Vec<f32>, Vec<f32>) = angles.map(|a| (a.cos() * magnitude, a.sin() * magnitude)).unzip();
        let shape = (len, frequencies.len());
        let (cos, sin) = (Tensor::from_vec(cos, shape, device)?, Tensor::from_vec(sin, shape, device)?);
        Ok(RopeTable { cos, sin, dims: self.rope.dims, style: self.rope.style })
    }
}

impl RopeTable {
    /// The table that turns the other way, by as much.
    pub fn reversed(&self) -> Result<Self> {
        Ok(Self { sin: self.sin.neg()?, ..self.clone() })
    }

    /// Turns `x`, `[batch, tokens, heads, head_dim]`; the table holds one row per token. Differentiable when `x` is
    /// tracked (candle's fused kernels have no backward).
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        if super::slices::is_plain(x) {
            let pairs = match self.style {
                RopeStyle::HalfSplit => Pairs::HalfSplit,
                RopeStyle::Interleaved => Pairs::Interleaved,
            };
            return super::slices::rope(x, &self.cos, &self.sin, self.dims, pairs);
        }
        if super::recorded::takes(x) {
            return super::recorded::rope(x, self);
        }
        use candle_nn::rotary_emb::{rope, rope_i, rope_i_slow, rope_slow};
        let width = x.dim(D::Minus1)?;
        let turned = if width == self.dims { x.clone() } else { x.narrow(D::Minus1, 0, self.dims)? };
        let turned = turned.transpose(1, 2)?.contiguous()?;
        let turned = match (self.style, x.track_op()) {
            (RopeStyle::HalfSplit, false) => rope(&turned, &self.cos, &self.sin)?,
            (RopeStyle::HalfSplit, true) => rope_slow(&turned, &self.cos, &self.sin)?,
            (RopeStyle::Interleaved, false) => rope_i(&turned, &self.cos, &self.sin)?,
            (RopeStyle::Interleaved, true) => rope_i_slow(&turned, &self.cos, &self.sin)?,
        };
        let turned = turned.transpose(1, 2)?;
        if width == self.dims {
            return Ok(turned.contiguous()?);
        }
        let kept = x.narrow(D::Minus1, self.dims, width - self.dims)?;
        Ok(Tensor::cat(&[&turned, &kept], D::Minus1)?)
    }
}
