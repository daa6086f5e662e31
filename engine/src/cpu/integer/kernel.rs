//! The innermost loops: one group of tokens times one panel of weights.

#[cfg(target_arch = "x86_64")]
use super::avx512;
use super::form::Form;
use super::isa::{Isa, Work};
#[cfg(target_arch = "x86_64")]
use super::layout::TOKENS;
use super::layout::{Sums, Tokens, Weights};
use super::portable;

/// Groups of tokens times a stretch of a panel.
pub struct Multiply<'a, const P: usize> {
    /// What the weights are.
    pub form: Form,
    /// The groups, block by block.
    pub x: &'a [Tokens<P>],
    /// Blocks of each group.
    pub blocks: usize,
    /// The first of them that meets a weight.
    pub start: usize,
    /// Tokens in all groups: all are full but the last.
    pub tokens: usize,
    /// The stretch, block by block.
    pub weights: &'a [Weights],
    /// Sums of each group, to be added to.
    pub sums: &'a mut [Sums],
}

impl<const P: usize> Multiply<'_, P> {
    /// Does it.
    pub fn run(self, isa: Isa) {
        match (self.form.minimums, self.form.halves) {
            (false, false) => isa.run(Typed::<P, false, false>(self)),
            (false, true) => isa.run(Typed::<P, false, true>(self)),
            (true, false) => isa.run(Typed::<P, true, false>(self)),
            (true, true) => isa.run(Typed::<P, true, true>(self)),
        }
    }
}

/// [`Multiply`] for one form of weights: with minimums or not, with scales for each half of a block or not.
struct Typed<'a, const P: usize, const MINIMUMS: bool, const HALVES: bool>(Multiply<'a, P>);

impl<const P: usize, const MINIMUMS: bool, const HALVES: bool> Work for Typed<'_, P, MINIMUMS, HALVES> {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
    unsafe fn avx512(self) {
        let Multiply { form, x, blocks, start, tokens, weights, sums } = self.0;
        for (i, (x, sums)) in x.chunks_exact(blocks).zip(sums).enumerate() {
            let x = &x[start..];
            match tokens - i * TOKENS {
                1 => avx512::tile::<1, P, MINIMUMS, HALVES>(form.offset, x, weights, sums),
                2 => avx512::tile::<2, P, MINIMUMS, HALVES>(form.offset, x, weights, sums),
                _ => avx512::tile::<TOKENS, P, MINIMUMS, HALVES>(form.offset, x, weights, sums),
            }
        }
    }

    fn portable(self) {
        let Multiply { form, x, blocks, start, weights, sums, .. } = self.0;
        for (x, sums) in x.chunks_exact(blocks).zip(sums) {
            portable::tile::<P, MINIMUMS, HALVES>(form.offset, &x[start..], weights, sums);
        }
    }
}
