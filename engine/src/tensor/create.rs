//! Tensors that come from nowhere: constants, ranges, noise, nested lists.

use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::DType;
use crate::tensor::{Tensor, memory};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

impl Tensor {
    /// F32 zeros.
    pub fn zeros(shape: &[usize]) -> Result<Self> {
        Self::full(shape, 0.0)
    }

    /// F32 ones.
    pub fn ones(shape: &[usize]) -> Result<Self> {
        Self::full(shape, 1.0)
    }

    /// An F32 tensor of one value.
    pub fn full(shape: &[usize], value: f64) -> Result<Self> {
        Self::from_vec(vec![value as f32; room("full", shape)?], shape)
    }

    /// The F32 identity matrix.
    pub fn eye(n: usize) -> Result<Self> {
        let len = room("eye", &[n, n])?;
        let mut values = vec![0f32; len];
        values.iter_mut().step_by(n + 1).for_each(|v| *v = 1.0);
        Self::from_vec(values, &[n, n])
    }

    /// `start, start + step, …` up to but without `stop`: I64 where all three are whole, else F32.
    pub fn arange(start: f64, stop: f64, step: f64) -> Result<Self> {
        if step == 0.0 || !step.is_finite() || !start.is_finite() || !stop.is_finite() {
            return Err(Error::argument(
                "arange",
                "finite numbers and a step other than 0",
                format!("{start}, {stop}, {step}"),
            ));
        }
        let n = ((stop - start) / step).ceil().max(0.0);
        if n >= (1u64 << 48) as f64 {
            return Err(Error::argument("arange", "a range that fits in memory", format!("{n} values")));
        }
        let n = room("arange", &[n as usize])?;
        let value = |i: usize| start + i as f64 * step;
        if [start, stop, step].iter().all(|v| v.fract() == 0.0) {
            return Self::from_values((0..n).map(|i| value(i) as i64).collect(), &[n]);
        }
        Self::from_vec((0..n).map(|i| value(i) as f32).collect(), &[n])
    }

    /// `n` F32 values from `start` to `stop`, both included, at equal distances.
    pub fn linspace(start: f64, stop: f64, n: usize) -> Result<Self> {
        let n = room("linspace", &[n])?;
        let last = n.saturating_sub(1);
        let value =
            |i: usize| if i == last && n > 1 { stop } else { start + (stop - start) * i as f64 / last.max(1) as f64 };
        Self::from_vec((0..n).map(|i| value(i) as f32).collect(), &[n])
    }

    /// F32 values from [0, 1), the same for the same seed on every machine (ChaCha8).
    pub fn rand(shape: &[usize], seed: u64) -> Result<Self> {
        let n = room("rand", shape)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Self::from_vec((0..n).map(|_| rng.random::<f32>()).collect(), shape)
    }

    /// F32 values of the standard normal distribution (Box and Muller), the same for the same seed.
    pub fn randn(shape: &[usize], seed: u64) -> Result<Self> {
        let n = room("randn", shape)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut values = Vec::with_capacity(n + 1);
        while values.len() < n {
            // 1 - u is never 0, so its logarithm is finite.
            let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
            let (sin, cos) = (std::f64::consts::TAU * rng.random::<f64>()).sin_cos();
            values.push((radius * cos) as f32);
            values.push((radius * sin) as f32);
        }
        values.truncate(n);
        Self::from_vec(values, shape)
    }

    /// A tensor of whole numbers (I64).
    pub fn from_integers(values: Vec<i64>, shape: &[usize]) -> Result<Self> {
        Self::from_values(values, shape)
    }

    /// Zeros of this tensor's shape in the type it computes in.
    pub fn zeros_like(&self) -> Result<Self> {
        Self::zeros(self.shape())?.cast(crate::tensor::elementwise::arithmetic_type(self.dtype()))
    }

    /// Ones of this tensor's shape in the type it computes in.
    pub fn ones_like(&self) -> Result<Self> {
        Self::ones(self.shape())?.cast(crate::tensor::elementwise::arithmetic_type(self.dtype()))
    }

    /// `self` where `mask` is not zero, `other` elsewhere; all three broadcast.
    pub fn where_else(&self, mask: &Self, other: &Self, control: &Control) -> Result<Self> {
        let shape = crate::tensor::shape::broadcast("where", self.shape(), other.shape())?;
        let shape = crate::tensor::shape::broadcast("where", mask.shape(), &shape)?;
        memory::room_for("where", memory::elements("where", &shape)?, 16)?;
        let dtype = crate::tensor::elementwise::promote_joined(self.dtype(), other.dtype());
        let dtype = if dtype == DType::BOOL { DType::BOOL } else { crate::tensor::elementwise::arithmetic_type(dtype) };
        let (a, b) = (self.broadcast_to(&shape)?.values()?, other.broadcast_to(&shape)?.values()?);
        let m = mask.broadcast_to(&shape)?.values()?;
        let n = memory::elements("where", &shape)?;
        crate::tensor::elementwise::build::<f64>(dtype, &shape, n, control, |part, start| {
            let (mut no, mut pick) = (vec![0f64; part.len()], vec![0f64; part.len()]);
            a.read(start, part)?;
            b.read(start, &mut no)?;
            m.read(start, &mut pick)?;
            part.iter_mut().zip(no).zip(pick).for_each(|((v, no), m)| {
                if m == 0.0 {
                    *v = no;
                }
            });
            Ok(())
        })
    }
}

/// The elements of a shape that is about to be filled.
fn room(what: &str, shape: &[usize]) -> Result<usize> {
    let n = memory::elements(what, shape)?;
    memory::room_for(what, n, size_of::<f64>())?;
    Ok(n)
}
