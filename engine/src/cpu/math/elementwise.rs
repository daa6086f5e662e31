//! Sums and soft caps.

use super::activation::{Alone, Pointwise};
use super::functions;
use super::lanes::{Isa, Kernel, Lanes};
use crate::error::{Error, Result};

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
