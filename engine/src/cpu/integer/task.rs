//! One task of the product: pack some rows of weights, multiply, write.

use std::cell::Cell;
use std::ops::Range;

use super::form::Form;
use super::isa::Isa;
use super::kernel::Multiply;
use super::layout::{self, BLOCK, LANES, Lanes, ROWS, Sums, TOKENS, VECTORS};
use super::pack::Pack;
use super::rounded::{Precision, Rounded};
use super::weights::Weights;
use crate::error::{Error, Result};

/// Columns packed at a time, at most: what they take stays in the first-level cache.
const DEPTH: usize = 384;

/// Groups of tokens whose sums are kept together, in the second-level cache with their activations.
const SPAN: usize = 192;

/// A stretch of a row that is not there: of any type, its scales are zero.
const NOTHING: [u8; 512] = [0; 512];

thread_local! {
    /// The memory of this thread's tasks; taken while one runs.
    static SCRATCH: Cell<Scratch> = const { Cell::new(Scratch { panel: Vec::new(), sums: Vec::new() }) };
}

/// What a task computes in.
#[derive(Default)]
struct Scratch {
    /// A stretch of packed weights, block by block.
    panel: Vec<layout::Weights>,
    /// Sums of each group of tokens.
    sums: Vec<Sums>,
}

/// What all tasks of one product share.
pub struct Task<'a> {
    /// The instructions to use.
    pub isa: Isa,
    /// What the weights are.
    pub form: Form,
    /// The activations.
    pub x: &'a Rounded,
    /// The matrix.
    pub weights: &'a dyn Weights,
    /// Whether to end early.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

impl Task<'_> {
    /// Computes a rectangle of the output: `out` has a slice for each token of `groups`, its first number that of row
    /// `first` of the weights.
    pub fn run(&self, first: usize, out: &mut [&mut [f32]], groups: Range<usize>) -> Result<()> {
        let mut scratch = SCRATCH.take();
        scratch.panel.resize(DEPTH / BLOCK, layout::Weights::ZERO);
        let result = self.panels(first, out, groups, &mut scratch);
        SCRATCH.set(scratch);
        result
    }

    /// [`run`](Self::run), panel after panel.
    fn panels(&self, first: usize, out: &mut [&mut [f32]], groups: Range<usize>, scratch: &mut Scratch) -> Result<()> {
        let width = out.first().map_or(0, |row| row.len());
        let spans = groups.len().div_ceil(SPAN);
        let span = groups.len().div_ceil(spans.max(1));
        for start in (0..width).step_by(ROWS) {
            let rows = start..width.min(start + ROWS);
            let starts = groups.clone().step_by(span.max(1));
            for (groups, out) in starts.map(|i| i..groups.end.min(i + span)).zip(out.chunks_mut(span * TOKENS)) {
                self.panel(first, rows.clone(), out, groups, scratch)?;
            }
        }
        Ok(())
    }

    /// The product of rows `first + rows` of the weights with the tokens of `groups`, into `rows` of each of `out`.
    fn panel(
        &self,
        first: usize,
        rows: Range<usize>,
        out: &mut [&mut [f32]],
        groups: Range<usize>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let Scratch { panel, sums } = scratch;
        sums.clear();
        sums.resize(groups.len(), [[Lanes::ZERO; VECTORS]; TOKENS]);
        let (k, tokens) = (self.x.k(), out.len());
        let unit = self.form.block.max(BLOCK);
        let depth = k.div_ceil(k.div_ceil(DEPTH)).next_multiple_of(unit).min(DEPTH / unit * unit);
        self.poll()?;
        let stored = self.stored(first + rows.start..first + rows.end)?;
        for start in (0..k).step_by(depth) {
            self.poll()?;
            let columns = start..k.min(start + depth);
            let panel = &mut panel[..columns.len() / BLOCK];
            self.pack(&stored, columns, panel);
            let (form, blocks, start) = (self.form, k / BLOCK, start / BLOCK);
            let range = groups.start * blocks..groups.end * blocks;
            match self.x.precision() {
                Precision::Int8 => {
                    let x = &self.x.one()[range];
                    Multiply { form, x, blocks, start, tokens, weights: panel, sums }.run(self.isa);
                }
                Precision::Int16 => {
                    let x = &self.x.two()[range];
                    Multiply { form, x, blocks, start, tokens, weights: panel, sums }.run(self.isa);
                }
            }
        }
        for (out, sums) in out.iter_mut().zip(sums.as_flattened()) {
            put(&mut out[rows.clone()], sums);
        }
        Ok(())
    }

    /// An error if it is time to end.
    fn poll(&self) -> Result<()> {
        if (self.stop)() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// The stored bytes of `rows`, and nothing for those that are not there.
    fn stored(&self, rows: Range<usize>) -> Result<[&[u8]; ROWS]> {
        let (k, dtype) = (self.weights.k(), self.weights.dtype());
        let bytes = k / dtype.block() * dtype.block_bytes();
        let mut all = [&[][..]; ROWS];
        for (stored, row) in all.iter_mut().zip(rows) {
            *stored = self.weights.stored(row, 0..k);
            if stored.len() != bytes {
                let (expected, found) = (format!("{bytes} bytes"), stored.len().to_string());
                return Err(Error::argument(format!("stored weights of row {row}"), expected, found));
            }
        }
        Ok(all)
    }

    /// Packs `columns` of rows. What will be packed next is called into the cache: a stretch of a row is too short for the
    /// processor to see where the next one will be, and with few tokens the product would wait for memory. After the last
    /// stretch come the next rows, which lie behind these in every matrix that is stored as a whole.
    fn pack(&self, rows: &[&[u8]; ROWS], columns: Range<usize>, panel: &mut [layout::Weights]) {
        let dtype = self.weights.dtype();
        let at = |column: usize| column / dtype.block() * dtype.block_bytes();
        let (start, end) = (at(columns.start), at(columns.end));
        for (vector, rows) in rows.as_chunks::<LANES>().0.iter().enumerate() {
            let mut stretch = [&NOTHING[..end - start]; LANES];
            for (stretch, row) in stretch.iter_mut().zip(rows).filter(|(_, row)| !row.is_empty()) {
                *stretch = &row[start..end];
                prefetch(row, if end < row.len() { end } else { ROWS * row.len() }, end - start);
            }
            self.isa.run(Pack { dtype, rows: &stretch, out: panel, vector });
        }
    }
}

/// Calls `length` bytes into the second-level cache, where the processor can be asked to: those that lie `ahead` of the
/// start of `row`, which may be past its end.
fn prefetch(row: &[u8], ahead: usize, length: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..length).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        let address = row.as_ptr().wrapping_add(ahead + line);
        // SAFETY: a hint that reads nothing and for which no address is wrong; the instruction is in every such processor.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (row, ahead, length);
}

/// Writes the first of `sums`, as many as there is room for.
fn put(out: &mut [f32], sums: &[Lanes; VECTORS]) {
    let (whole, rest) = out.as_chunks_mut();
    for (out, sums) in whole.iter_mut().zip(sums) {
        *out = sums.0;
    }
    if let Some(sums) = sums.get(whole.len()) {
        rest.copy_from_slice(&sums.0[..rest.len()]);
    }
}
