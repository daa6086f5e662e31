//! Activations of feed-forward networks: alone, in place, or with a gate, f(gate) · up.

use super::functions::{gated, gelu};
use super::lanes::{Isa, Kernel, Lanes};
use crate::error::{Error, Result};

/// √(8/π), of the tanh form of GELU.
const GELU_RATE: f32 = 1.595_769_2;
const GELU_CUBE: f32 = 0.044_715;

/// A function applied to each number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x ÷ (1 + e^−x)
    Silu,
    /// ½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))
    GeluTanh,
    /// ½ x (1 + erf(x ÷ √2))
    GeluErf,
    /// max(x, 0)
    Relu,
    /// max(x, 0)²
    ReluSquared,
}

impl Activation {
    /// Applies it to every number of `x`.
    pub fn apply(self, x: &mut [f32]) {
        self.apply_with(Isa::best(), x);
    }

    /// out = f(gate) · up, number by number; the three are of one length.
    pub fn mul(self, gate: &[f32], up: &[f32], out: &mut [f32]) -> Result<()> {
        self.mul_with(Isa::best(), gate, up, out)
    }

    pub(super) fn apply_with(self, isa: Isa, x: &mut [f32]) {
        match self {
            Self::Silu => isa.run(Alone(Silu, x)),
            Self::GeluTanh => isa.run(Alone(GeluTanh, x)),
            Self::GeluErf => isa.run(Alone(GeluErf, x)),
            Self::Relu => isa.run(Alone(Relu, x)),
            Self::ReluSquared => isa.run(Alone(ReluSquared, x)),
        }
    }

    pub(super) fn mul_with(self, isa: Isa, gate: &[f32], up: &[f32], out: &mut [f32]) -> Result<()> {
        if gate.len() != out.len() || up.len() != out.len() {
            return Err(Error::argument(
                "gated activation",
                format!("a gate and a factor of {} numbers", out.len()),
                format!("{} and {}", gate.len(), up.len()),
            ));
        }
        match self {
            Self::Silu => isa.run(Gated(Silu, gate, up, out)),
            Self::GeluTanh => isa.run(Gated(GeluTanh, gate, up, out)),
            Self::GeluErf => isa.run(Gated(GeluErf, gate, up, out)),
            Self::Relu => isa.run(Gated(Relu, gate, up, out)),
            Self::ReluSquared => isa.run(Gated(ReluSquared, gate, up, out)),
        }
        Ok(())
    }
}

/// A function of one vector.
pub(super) trait Pointwise: Copy {
    /// Its values.
    fn at<L: Lanes>(self, lanes: L, x: L::Vector) -> L::Vector;
}

/// A function applied in place.
pub(super) struct Alone<'a, F>(pub F, pub &'a mut [f32]);

impl<F: Pointwise> Kernel for Alone<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let mut blocks = self.1.chunks_exact_mut(2 * L::WIDTH);
        for block in &mut blocks {
            let (x, y) = block.split_at_mut(L::WIDTH);
            let (fx, fy) = (self.0.at(lanes, lanes.load(x)), self.0.at(lanes, lanes.load(y)));
            lanes.store(fx, x);
            lanes.store(fy, y);
        }
        for x in blocks.into_remainder().chunks_mut(L::WIDTH) {
            lanes.store(self.0.at(lanes, lanes.load(x)), x);
        }
    }
}

struct Gated<'a, F>(F, &'a [f32], &'a [f32], &'a mut [f32]);

impl<F: Pointwise> Kernel for Gated<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self(f, gate, up, out) = self;
        let (gates, ups, mut outs) =
            (gate.chunks_exact(L::WIDTH), up.chunks_exact(L::WIDTH), out.chunks_exact_mut(L::WIDTH));
        let (gate, up) = (gates.remainder(), ups.remainder());
        for ((gate, up), out) in gates.zip(ups).zip(&mut outs) {
            lanes.store(lanes.mul(f.at(lanes, lanes.load(gate)), lanes.load(up)), out);
        }
        lanes.store(lanes.mul(f.at(lanes, lanes.load(gate)), lanes.load(up)), outs.into_remainder());
    }
}

#[derive(Clone, Copy)]
struct Silu;

impl Pointwise for Silu {
    #[inline(always)]
    fn at<L: Lanes>(self, lanes: L, x: L::Vector) -> L::Vector {
        gated(lanes, x, 1.0)
    }
}

#[derive(Clone, Copy)]
struct GeluTanh;

impl Pointwise for GeluTanh {
    #[inline(always)]
    fn at<L: Lanes>(self, lanes: L, x: L::Vector) -> L::Vector {
        // ½ (1 + tanh u) is 1 ÷ (1 + e^−2u), which does not cancel for negative u.
        let (rate, cube) = (lanes.splat(-GELU_RATE), lanes.splat(-GELU_RATE * GELU_CUBE));
        let power = lanes.mul(x, lanes.fma(lanes.mul(x, x), cube, rate));
        let one = lanes.splat(1.0);
        lanes.div(x, lanes.add(one, super::functions::exp(lanes, power)))
    }
}

#[derive(Clone, Copy)]
struct GeluErf;

impl Pointwise for GeluErf {
    #[inline(always)]
    fn at<L: Lanes>(self, lanes: L, x: L::Vector) -> L::Vector {
        gelu(lanes, x)
    }
}

#[derive(Clone, Copy)]
struct Relu;

impl Pointwise for Relu {
    #[inline(always)]
    fn at<L: Lanes>(self, lanes: L, x: L::Vector) -> L::Vector {
        lanes.max(lanes.splat(0.0), x)
    }
}

#[derive(Clone, Copy)]
struct ReluSquared;

impl Pointwise for ReluSquared {
    #[inline(always)]
    fn at<L: Lanes>(self, lanes: L, x: L::Vector) -> L::Vector {
        let x = lanes.max(lanes.splat(0.0), x);
        lanes.mul(x, x)
    }
}
