//! Sums, exponentials, soft caps and softmax.

use super::activation::{Alone, Pointwise};
use super::functions;
use super::lanes::{Isa, Kernel, Lanes};
use crate::error::{Error, Result};

/// x ← e^x for every number; −∞ gives 0.
pub fn exp(x: &mut [f32]) {
    exp_with(Isa::best(), x);
}

pub(super) fn exp_with(isa: Isa, x: &mut [f32]) {
    isa.run(Alone(Exp, x));
}

/// x ← cap · tanh(x ÷ cap) for every number: bounds logits smoothly by ±cap. `cap` is greater than 0.
pub fn softcap(x: &mut [f32], cap: f32) -> Result<()> {
    softcap_with(Isa::best(), x, cap)
}

pub(super) fn softcap_with(isa: Isa, x: &mut [f32], cap: f32) -> Result<()> {
    if cap > 0.0 {
        isa.run(Alone(SoftCap(cap), x));
        Ok(())
    } else {
        Err(Error::argument("soft cap", "a number greater than 0", cap.to_string()))
    }
}

/// x ← x + y, number by number: a residual connection. The two are of one length.
pub fn add(x: &mut [f32], y: &[f32]) -> Result<()> {
    add_with(Isa::best(), x, y)
}

pub(super) fn add_with(isa: Isa, x: &mut [f32], y: &[f32]) -> Result<()> {
    if x.len() != y.len() {
        return Err(Error::argument("sum", format!("{} numbers", x.len()), y.len().to_string()));
    }
    isa.run(Add(x, y));
    Ok(())
}

/// x ← e^(x − m) ÷ Σ e^(x − m) with m the greatest of `x`: probabilities from logits. A row of nothing but −∞, which
/// has no probabilities, becomes 0.
pub fn softmax_row(x: &mut [f32]) {
    softmax_row_with(Isa::best(), x);
}

pub(super) fn softmax_row_with(isa: Isa, x: &mut [f32]) {
    isa.run(Softmax(x));
}

#[derive(Clone, Copy)]
struct Exp;

impl Pointwise for Exp {
    #[inline(always)]
    fn at<L: Lanes>(self, lanes: L, x: L::Vector) -> L::Vector {
        functions::exp(lanes, x)
    }
}

#[derive(Clone, Copy)]
struct SoftCap(f32);

impl Pointwise for SoftCap {
    #[inline(always)]
    fn at<L: Lanes>(self, lanes: L, x: L::Vector) -> L::Vector {
        let cap = lanes.splat(self.0);
        lanes.mul(cap, functions::tanh(lanes, lanes.div(x, cap)))
    }
}

struct Add<'a>(&'a mut [f32], &'a [f32]);

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        for (x, y) in self.0.chunks_mut(L::WIDTH).zip(self.1.chunks(L::WIDTH)) {
            lanes.store(lanes.add(lanes.load(x), lanes.load(y)), x);
        }
    }
}

struct Softmax<'a>(&'a mut [f32]);

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let x = self.0;
        // Whole vectors first; of the last part, where missing lanes would read as 0, numbers one by one.
        let mut greatest = lanes.splat(f32::NEG_INFINITY);
        let chunks = x.chunks_exact(L::WIDTH);
        let rest = chunks.remainder();
        for x in chunks {
            greatest = lanes.max(greatest, lanes.load(x));
        }
        let greatest = rest.iter().fold(lanes.greatest(greatest), |a, b| if a > *b { a } else { *b });
        // The least finite number takes the place of −∞, so that the difference is a number.
        let greatest = lanes.splat(if greatest < f32::MIN { f32::MIN } else { greatest });
        let mut total = lanes.splat(0.0);
        let mut chunks = x.chunks_exact_mut(L::WIDTH);
        for x in &mut chunks {
            let e = functions::exp(lanes, lanes.sub(lanes.load(x), greatest));
            total = lanes.add(total, e);
            lanes.store(e, x);
        }
        let mut total = lanes.sum(total);
        let rest = chunks.into_remainder();
        lanes.store(functions::exp(lanes, lanes.sub(lanes.load(rest), greatest)), rest);
        total += rest.iter().sum::<f32>();
        if total == 0.0 {
            return;
        }
        let factor = lanes.splat(1.0 / total);
        for x in x.chunks_mut(L::WIDTH) {
            lanes.store(lanes.mul(lanes.load(x), factor), x);
        }
    }
}
