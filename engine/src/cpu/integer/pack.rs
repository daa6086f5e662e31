//! Stored blocks to the layout that the kernels multiply.

use super::isa::Work;
use super::layout::{LANES, Weights};
#[cfg(target_arch = "x86_64")]
use super::pack_avx512;
use super::pack_portable;
use crate::format::DType;

/// Sixteen rows to be packed.
pub struct Pack<'a> {
    /// How they are stored.
    pub dtype: DType,
    /// The same stretch of each, in whole blocks.
    pub rows: &'a [&'a [u8]; LANES],
    /// Where they go: a block of this for each 32 columns.
    pub out: &'a mut [Weights],
    /// Which vector of it they are.
    pub vector: usize,
}

impl Work for Pack<'_> {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
    unsafe fn avx512(self) {
        pack_avx512::pack(self);
    }

    fn portable(self) {
        pack_portable::pack(self);
    }
}

/// `N` of a block's bytes from `at` on, which the types make sure are there.
#[inline(always)]
pub fn part<const N: usize>(block: &[u8], at: usize) -> &[u8; N] {
    block.get(at..).and_then(|b| b.first_chunk()).unwrap_or(&[0; N])
}

/// The values of `IQ4_NL`'s codes, 128 more than they stand for.
pub const NON_LINEAR: [u8; 16] = [1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241];
