//! How far two tensors are apart.

use crate::control::Control;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::meter::Meter;
use crate::tensor::values::CHUNK;
use rayon::prelude::*;

/// How far a tensor is from a reference of the same shape. NaN anywhere makes the distances NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Number of values.
    pub n: u64,
    /// How many are bitwise-equal numbers (NaN equals nothing).
    pub equal: u64,
    /// Largest |a - b|; equal infinities are at distance 0.
    pub max_abs_diff: f64,
    /// Mean |a - b|.
    pub mean_abs_diff: f64,
    /// Mean (a - b)².
    pub mse: f64,
    /// Σ(a - b)² / Σb², as llama.cpp's tests measure it; 0 when both are all zero.
    pub nmse: f64,
    /// Cosine of the angle between the two, taken as flat vectors; NaN when either is all zero.
    pub cosine: f64,
}

#[derive(Clone, Copy, Default)]
struct Sums {
    equal: u64,
    far: u64,
    max: f64,
    abs: f64,
    sq: f64,
    aa: f64,
    bb: f64,
    ab: f64,
}

impl Sums {
    fn push(&mut self, a: f64, b: f64, rtol: f64, atol: f64) {
        self.equal += u64::from(a == b);
        let d = if a == b { 0.0 } else { (a - b).abs() };
        // NumPy's isclose; written so that NaN is far. Infinities are close only to themselves.
        let close = a == b || (b.is_finite() && d <= atol + rtol * b.abs());
        self.far += u64::from(!close);
        self.max = if self.max.is_nan() || self.max > d { self.max } else { d };
        self.abs += d;
        self.sq += d * d;
        self.aa += a * a;
        self.bb += b * b;
        self.ab += a * b;
    }

    fn merge(self, o: Self) -> Self {
        let max = if self.max.is_nan() || self.max > o.max { self.max } else { o.max };
        Self {
            equal: self.equal + o.equal,
            far: self.far + o.far,
            max,
            abs: self.abs + o.abs,
            sq: self.sq + o.sq,
            aa: self.aa + o.aa,
            bb: self.bb + o.bb,
            ab: self.ab + o.ab,
        }
    }
}

impl Tensor {
    fn sums(&self, what: &str, other: &Self, tolerance: (f64, f64), control: &Control) -> Result<Sums> {
        if self.shape() != other.shape() {
            let expected = format!("two tensors of one shape, {:?}", self.shape());
            return Err(Error::argument(what, expected, format!("{:?}", other.shape())));
        }
        let (a, b, n) = (self.values()?, other.values()?, self.elements());
        let meter = Meter::new(control, self.describe(what), n, "values");
        let parts = (0..n.div_ceil(CHUNK))
            .into_par_iter()
            .map_init(
                || (Vec::new(), Vec::new()),
                |(x, y): &mut (Vec<f64>, Vec<f64>), i| {
                    let start = i * CHUNK;
                    let len = CHUNK.min(n - start);
                    meter.step(len)?;
                    x.resize(len, 0.0);
                    y.resize(len, 0.0);
                    a.read(start, x)?;
                    b.read(start, y)?;
                    let mut sums = Sums::default();
                    x.iter().zip(y.iter()).for_each(|(a, b)| sums.push(*a, *b, tolerance.0, tolerance.1));
                    Ok(sums)
                },
            )
            .collect::<Result<Vec<_>>>()?;
        meter.finish();
        Ok(parts.into_iter().fold(Sums::default(), Sums::merge))
    }

    /// All distances from `reference`, which must have the same shape.
    pub fn compare(&self, reference: &Self, control: &Control) -> Result<Comparison> {
        let s = self.sums("compare", reference, (0.0, 0.0), control)?;
        let n = self.elements() as f64;
        Ok(Comparison {
            n: self.elements() as u64,
            equal: s.equal,
            max_abs_diff: s.max,
            mean_abs_diff: s.abs / n,
            mse: s.sq / n,
            nmse: if s.sq == 0.0 { 0.0 } else { s.sq / s.bb },
            cosine: cosine(&s),
        })
    }

    /// Whether |a - b| ≤ atol + rtol·|b| everywhere, as `numpy.allclose`: NaN is close to nothing, infinities to themselves.
    pub fn allclose(&self, reference: &Self, rtol: f64, atol: f64) -> Result<bool> {
        Ok(self.sums("allclose", reference, (rtol, atol), &Control::default())?.far == 0)
    }

    /// Largest |a - b|.
    pub fn max_abs_diff(&self, reference: &Self) -> Result<f64> {
        Ok(self.sums("max_abs_diff", reference, (0.0, 0.0), &Control::default())?.max)
    }

    /// Σ(a - b)² / Σb², where b is the reference.
    pub fn nmse(&self, reference: &Self) -> Result<f64> {
        Ok(self.compare(reference, &Control::default())?.nmse)
    }

    /// Cosine of the angle between the two, taken as flat vectors.
    pub fn cosine(&self, other: &Self) -> Result<f64> {
        Ok(cosine(&self.sums("cosine", other, (0.0, 0.0), &Control::default())?))
    }

    /// Σ a·b over two tensors of one shape.
    pub fn dot(&self, other: &Self) -> Result<f64> {
        Ok(self.sums("dot", other, (0.0, 0.0), &Control::default())?.ab)
    }
}

fn cosine(s: &Sums) -> f64 {
    // One root is exact for equal tensors; two do not overflow or vanish where the product of the sums would.
    let product = s.aa * s.bb;
    let c = s.ab / if product.is_normal() { product.sqrt() } else { s.aa.sqrt() * s.bb.sqrt() };
    if c.is_nan() { c } else { c.clamp(-1.0, 1.0) }
}
