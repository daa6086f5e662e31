//! Activations as whole numbers.

use rayon::prelude::*;

use super::isa::Isa;
use super::layout::{BLOCK, TOKENS, Tokens};
use super::round::Round;
use crate::error::{Error, Result};

/// How finely activations are rounded, for each token and 32 columns with a scale of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// To whole numbers up to 127: an error of up to 1/254 of the largest of the 32.
    #[default]
    Int8,
    /// To whole numbers up to 32512: an error of up to 1/65024 of the largest of the 32, as small in a sum as that of
    /// adding up in `f32`. Takes about twice as long.
    Int16,
}

/// Activations `[m, k]` rounded for [`product`](super::product()): made once, read by every matrix that takes the same
/// input (query, key and value; gate and up).
///
/// Where one of a token's 32 columns is not finite, all are NaN. Where all are so small (below 1e-34) that their scale
/// has no inverse, they are zero.
#[derive(Debug, Clone, Default)]
pub struct Rounded {
    m: usize,
    k: usize,
    precision: Precision,
    /// Groups of tokens, block by block; of the two, the one for the precision is in use.
    one: Vec<Tokens<1>>,
    two: Vec<Tokens<2>>,
}

impl Rounded {
    /// Rounds `x`, row-major `[m, k]`. Parallel within the current pool of threads.
    ///
    /// # Errors
    /// `x` is not `m * k` numbers, or `k` not a multiple of 32.
    pub fn new(x: &[f32], m: usize, k: usize, precision: Precision) -> Result<Self> {
        let mut rounded = Self::default();
        rounded.round(x, m, k, precision)?;
        Ok(rounded)
    }

    /// Rounds other activations in the same memory, which grows when it must.
    ///
    /// # Errors
    /// As [`new`](Self::new); what was there before stays.
    pub fn round(&mut self, x: &[f32], m: usize, k: usize, precision: Precision) -> Result<()> {
        if m.checked_mul(k) != Some(x.len()) {
            return Err(Error::argument("activations", format!("{m} x {k} numbers"), format!("{}", x.len())));
        }
        if !k.is_multiple_of(BLOCK) {
            return Err(Error::argument("features of activations", format!("a multiple of {BLOCK}"), format!("{k}")));
        }
        (self.m, self.k, self.precision) = (m, k, precision);
        match precision {
            Precision::Int8 => fill(&mut self.one, x, m, k),
            Precision::Int16 => fill(&mut self.two, x, m, k),
        }
        Ok(())
    }

    /// Tokens.
    pub fn m(&self) -> usize {
        self.m
    }

    /// Features of each.
    pub fn k(&self) -> usize {
        self.k
    }

    /// How finely they are rounded.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The groups of tokens, each `k / 32` blocks, as [`Precision::Int8`].
    pub(super) fn one(&self) -> &[Tokens<1>] {
        &self.one
    }

    /// The groups of tokens, each `k / 32` blocks, as [`Precision::Int16`].
    pub(super) fn two(&self) -> &[Tokens<2>] {
        &self.two
    }
}

/// Rounds all of `x` to groups.
fn fill<const P: usize>(groups: &mut Vec<Tokens<P>>, x: &[f32], m: usize, k: usize) {
    groups.resize(m.div_ceil(TOKENS) * (k / BLOCK), Tokens::ZERO);
    if x.is_empty() {
        return;
    }
    let isa = Isa::best();
    // A handful of tokens is done before another thread has woken up.
    if m * k < 1 << 16 {
        let groups = groups.chunks_mut(k / BLOCK).zip(x.chunks(TOKENS * k));
        groups.for_each(|(out, x)| isa.run(Round { x, k, out }));
    } else {
        let groups = groups.par_chunks_mut(k / BLOCK).zip(x.par_chunks(TOKENS * k));
        groups.with_min_len(4).for_each(|(out, x)| isa.run(Round { x, k, out }));
    }
}
