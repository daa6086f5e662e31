//! A few vectors as whole numbers.

use crate::cpu::integer::Precision;
use crate::cpu::integer::isa::{Isa, Work};
use crate::cpu::integer::layout::BLOCK;
#[cfg(target_arch = "x86_64")]
use crate::cpu::integer::round::round_avx512;
use crate::cpu::integer::round::{Rounded, round};
use crate::error::{Error, Result};

/// The most vectors that [`dot_rows`](super::dot_rows) takes at a time.
pub const MOST: usize = 4;

/// Blocks in a [`Chunk`].
pub const BLOCKS: usize = 4;

/// Columns in a [`Chunk`].
pub const COLUMNS: usize = BLOCKS * BLOCK;

/// Four blocks of a vector in `P` planes of bytes, of which the first counts 256 times the second.
///
/// The first halves of all blocks come first, then the second ones: so lie the nibbles of a stored block, and of four
/// blocks side by side each fills a quarter of a register.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct Chunk<const P: usize> {
    /// Bytes with a sign.
    pub numbers: [[[i8; 64]; 2]; P],
    /// The sum of each four of the whole numbers, and of four in the first half with four in the second.
    pub sums: [[i32; 16]; 3],
    /// The last of them times what a unit stands for.
    pub products: [f32; 16],
    /// What a unit stands for, four times for each block.
    pub scales: [f32; 16],
}

impl<const P: usize> Chunk<P> {
    /// Nothing.
    const ZERO: Self = Self { numbers: [[[0; 64]; 2]; P], sums: [[0; 16]; 3], products: [0.0; 16], scales: [0.0; 16] };
}

/// Up to [`MOST`] vectors rounded for [`dot_rows`](super::dot_rows), for each 32 columns with a scale of their own. What
/// is said of [`Rounded`](crate::cpu::integer::Rounded) holds here as well.
#[derive(Debug, Clone, Default)]
pub struct Few {
    m: usize,
    cols: usize,
    precision: Precision,
    /// Chunk after chunk of one vector, then of the next; of the two, the one for the precision is in use.
    one: Vec<Chunk<1>>,
    two: Vec<Chunk<2>>,
}

impl Few {
    /// Rounds `x`, `[m, cols]`, on the calling thread.
    ///
    /// # Errors
    /// `x` is not `m * cols` numbers, `m` not from 1 to [`MOST`], or `cols` not a multiple of 32.
    pub fn new(x: &[f32], m: usize, cols: usize, precision: Precision) -> Result<Self> {
        let mut few = Self::default();
        few.round(x, m, cols, precision)?;
        Ok(few)
    }

    /// Rounds other vectors in the same memory, which grows when it must.
    ///
    /// # Errors
    /// As [`new`](Self::new); what was there before stays.
    pub fn round(&mut self, x: &[f32], m: usize, cols: usize, precision: Precision) -> Result<()> {
        if !(1..=MOST).contains(&m) || m.checked_mul(cols) != Some(x.len()) || cols == 0 || !cols.is_multiple_of(BLOCK)
        {
            let expected = format!("1 to {MOST} of {cols} values, a multiple of {BLOCK}");
            return Err(Error::argument("vectors of a product", expected, format!("{} values for {m}", x.len())));
        }
        (self.m, self.cols, self.precision) = (m, cols, precision);
        match precision {
            Precision::Int8 => Isa::best().run(Fill { x, cols, chunks: &mut self.one }),
            Precision::Int16 => Isa::best().run(Fill { x, cols, chunks: &mut self.two }),
        }
        Ok(())
    }

    /// Vectors.
    pub fn m(&self) -> usize {
        self.m
    }

    /// Values of each.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// How finely they are rounded.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The chunks as [`Precision::Int8`].
    pub(super) fn one(&self) -> &[Chunk<1>] {
        &self.one
    }

    /// The chunks as [`Precision::Int16`].
    pub(super) fn two(&self) -> &[Chunk<2>] {
        &self.two
    }
}

/// Vectors to be rounded.
struct Fill<'a, const P: usize> {
    x: &'a [f32],
    cols: usize,
    chunks: &'a mut Vec<Chunk<P>>,
}

impl<const P: usize> Work for Fill<'_, P> {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
    unsafe fn avx512(self) {
        self.with(|x, steps| round_avx512(x, steps), |numbers| fours_avx512(numbers));
    }

    fn portable(self) {
        self.with(round, fours);
    }
}

impl<const P: usize> Fill<'_, P> {
    #[inline(always)]
    fn with(self, round: impl Fn(&[f32; BLOCK], f32) -> Rounded, fours: impl Fn(&[i8; 64]) -> [i32; 16]) {
        let Self { x, cols, chunks } = self;
        let steps = Rounded::steps(P);
        chunks.clear();
        for vector in x.chunks_exact(cols) {
            for columns in vector.chunks(COLUMNS) {
                let mut chunk = Chunk::ZERO;
                for (b, x) in columns.as_chunks().0.iter().enumerate() {
                    let Rounded { scale, high, low, .. } = round(x, steps);
                    chunk.scales[4 * b..][..4].fill(scale);
                    let planes = if P == 1 { [&low, &low] } else { [&high, &low] };
                    for (to, plane) in chunk.numbers.iter_mut().zip(planes) {
                        for (to, half) in to.iter_mut().zip(plane.as_chunks::<16>().0) {
                            to[16 * b..][..16].copy_from_slice(half);
                        }
                    }
                }
                for plane in &chunk.numbers {
                    for (sums, half) in chunk.sums.iter_mut().zip(plane) {
                        let fours = fours(half);
                        for i in 0..16 {
                            sums[i] = 256 * sums[i] + fours[i];
                        }
                    }
                }
                for i in 0..16 {
                    chunk.sums[2][i] = chunk.sums[0][i] + chunk.sums[1][i];
                    chunk.products[i] = chunk.sums[2][i] as f32 * chunk.scales[i];
                }
                chunks.push(chunk);
            }
        }
    }
}

/// The sum of each four numbers.
#[inline(always)]
fn fours(numbers: &[i8; 64]) -> [i32; 16] {
    let mut sums = [0; 16];
    for (sum, four) in sums.iter_mut().zip(numbers.as_chunks::<4>().0) {
        *sum = four.iter().map(|number| i32::from(*number)).sum();
    }
    sums
}

/// [`fours`] with AVX-512, as a product with ones.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
fn fours_avx512(numbers: &[i8; 64]) -> [i32; 16] {
    use std::arch::x86_64::*;
    let mut sums = [0; 16];
    // SAFETY: reads the 64 bytes of `numbers`, and the instruction asks for no alignment.
    let numbers = unsafe { _mm512_loadu_si512(numbers.as_ptr().cast()) };
    let fours = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), numbers);
    // SAFETY: writes the 64 bytes of `sums`, and the instruction asks for no alignment.
    unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), fours) };
    sums
}
