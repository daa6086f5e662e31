//! Rotary positions: Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021.

use super::lanes::{Isa, Kernel, Lanes};
use crate::error::{Error, Result};

/// Which two numbers of a head are turned together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// i and i + dims/2 (GPT-NeoX, Llama as the hub stores it).
    HalfSplit,
    /// 2i and 2i + 1 (GPT-J, Llama as GGUF stores it).
    Interleaved,
}

/// Turns each pair (a, b) of the first `dims` numbers of every head to (a cos − b sin, b cos + a sin), in place; the
/// rest of a head stays.
///
/// `x` is [tokens, heads, head_dim]; `cos` and `sin` are [tokens, dims/2], the angles of each token's position.
pub fn rope(
    x: &mut [f32],
    heads: usize,
    head_dim: usize,
    dims: usize,
    cos: &[f32],
    sin: &[f32],
    pairs: Pairs,
) -> Result<()> {
    rope_with(Isa::best(), Rope { x, heads, head_dim, dims, cos, sin, pairs })
}

pub(super) fn rope_with(isa: Isa, rope: Rope<'_>) -> Result<()> {
    let Rope { heads, head_dim, dims, .. } = rope;
    if dims == 0 || !dims.is_multiple_of(2) || dims > head_dim {
        let expected = format!("an even number of dimensions up to {head_dim}");
        return Err(Error::argument("rotary positions", expected, dims.to_string()));
    }
    let row = heads.checked_mul(head_dim).filter(|row| *row > 0 && rope.x.len().is_multiple_of(*row));
    let Some(row) = row else {
        let expected = format!("tokens of {heads} × {head_dim} numbers");
        return Err(Error::argument("rotary positions", expected, format!("{} numbers", rope.x.len())));
    };
    let angles = rope.x.len() / row * (dims / 2);
    if rope.cos.len() != angles || rope.sin.len() != angles {
        let found = format!("{} and {}", rope.cos.len(), rope.sin.len());
        return Err(Error::argument("angles of rotary positions", format!("{angles} cosines and sines"), found));
    }
    isa.run(rope);
    Ok(())
}

/// The arguments of [`rope()`].
pub(super) struct Rope<'a> {
    pub x: &'a mut [f32],
    pub heads: usize,
    pub head_dim: usize,
    pub dims: usize,
    pub cos: &'a [f32],
    pub sin: &'a [f32],
    pub pairs: Pairs,
}

impl Kernel for Rope<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let half = self.dims / 2;
        let angles = self.cos.chunks_exact(half).zip(self.sin.chunks_exact(half));
        for (token, (cos, sin)) in self.x.chunks_exact_mut(self.heads * self.head_dim).zip(angles) {
            for head in token.chunks_exact_mut(self.head_dim) {
                let Some(turned) = head.get_mut(..self.dims) else { return };
                match self.pairs {
                    Pairs::HalfSplit => half_split(lanes, turned, cos, sin),
                    Pairs::Interleaved => interleaved(turned, cos, sin),
                }
            }
        }
    }
}

#[inline(always)]
fn half_split<L: Lanes>(lanes: L, x: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (first, second) = x.split_at_mut(cos.len());
    let parts = first.chunks_mut(L::WIDTH).zip(second.chunks_mut(L::WIDTH));
    for ((first, second), (cos, sin)) in parts.zip(cos.chunks(L::WIDTH).zip(sin.chunks(L::WIDTH))) {
        let (a, b) = (lanes.load(first), lanes.load(second));
        let (cos, sin) = (lanes.load(cos), lanes.load(sin));
        lanes.store(lanes.sub(lanes.mul(a, cos), lanes.mul(b, sin)), first);
        lanes.store(lanes.fma(b, cos, lanes.mul(a, sin)), second);
    }
}

/// The compiler finds the shuffles for neighbours.
#[inline(always)]
fn interleaved(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (pairs, _) = x.as_chunks_mut::<2>();
    for (pair, (cos, sin)) in pairs.iter_mut().zip(cos.iter().zip(sin)) {
        let [a, b] = *pair;
        *pair = [a * cos - b * sin, b * cos + a * sin];
    }
}
