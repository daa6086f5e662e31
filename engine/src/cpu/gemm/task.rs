//! One task of the product: expand some rows of weights, multiply, write.

use std::cell::Cell;
use std::ops::Range;

use super::isa::Isa;
use super::kernel::{DEPTH, Row, TILE, multiply};
use super::lanes::{LANES, Lanes, prefetch};
use super::pack::{Along, Packed, Panel};
use super::weights::Weights;
use super::write::{UNIT, Write};
use crate::error::{Error, Result};

/// Rows expanded together. Their stretches and the sums of their tokens stay in the second-level cache.
const GROUP: usize = 4 * UNIT;

/// Panels of tokens whose sums are kept together.
const SPAN: usize = 11;

thread_local! {
    /// The memory of this thread's tasks; taken while one runs.
    static SCRATCH: Cell<Scratch> = const { Cell::new(Scratch { rows: Vec::new(), sums: Vec::new() }) };
}

/// What a task computes in.
#[derive(Default)]
struct Scratch {
    /// Expanded weights, [`GROUP`] rows.
    rows: Vec<Row>,
    /// Sums, [`GROUP`] rows of vectors for each panel.
    sums: Vec<Lanes>,
}

/// What all tasks of one product share.
pub struct Task<'a> {
    /// The instructions to use.
    pub isa: Isa,
    /// The activations.
    pub x: &'a Packed,
    /// The matrix.
    pub weights: &'a dyn Weights,
    /// Whether to end early.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

impl Task<'_> {
    /// Computes a rectangle of the output: `out` has a slice for each token of `panels`, its first number that of row
    /// `first` of the weights.
    pub fn run(&self, first: usize, out: &mut [&mut [f32]], panels: &[Panel]) -> Result<()> {
        let mut scratch = SCRATCH.take();
        scratch.rows.resize(GROUP, Row::EMPTY);
        let result = self.groups(first, out, panels, &mut scratch);
        SCRATCH.set(scratch);
        result
    }

    /// [`run`](Self::run), group after group.
    fn groups(&self, first: usize, out: &mut [&mut [f32]], panels: &[Panel], scratch: &mut Scratch) -> Result<()> {
        let width = out.first().map_or(0, |row| row.len());
        // Few tokens use an expanded weight a few times only: it should not go far in between.
        let size = if panels.iter().any(|panel| panel.along == Along::Features) { UNIT } else { GROUP };
        for start in (0..width).step_by(size) {
            let mut rest = &mut *out;
            for panels in panels.chunks(SPAN) {
                let (own, others) = rest.split_at_mut(panels.iter().map(|panel| panel.tokens).sum());
                rest = others;
                self.group(first, start..width.min(start + size), own, panels, scratch)?;
            }
        }
        Ok(())
    }

    /// The product of rows `first + range` of the weights with the tokens of `panels`, into `range` of each of `out`.
    fn group(
        &self,
        first: usize,
        range: Range<usize>,
        out: &mut [&mut [f32]],
        panels: &[Panel],
        scratch: &mut Scratch,
    ) -> Result<()> {
        let Scratch { rows, sums } = scratch;
        sums.resize(panels.iter().map(|panel| panel.vectors * GROUP).sum(), Lanes::ZERO);
        let k = self.x.k();
        for start in (0..k).step_by(DEPTH) {
            if (self.stop)() {
                return Err(Error::Interrupted);
            }
            let length = DEPTH.min(k - start);
            for (row, index) in rows.iter_mut().zip(range.clone()) {
                prefetch(self.weights.stored(first + index + UNIT, start..start + length));
                self.weights.expand(first + index, start..start + length, &mut row.0[..length])?;
                row.0[length..length.next_multiple_of(LANES)].fill(0.0);
            }
            let padded = range.len().next_multiple_of(TILE);
            rows[range.len()..padded].fill(Row::EMPTY);
            let (mut sums, mut out) = (sums.as_mut_slice(), &mut *out);
            for &panel in panels {
                let x = self.x.columns(panel, start, length);
                let (own, others) = sums.split_at_mut(panel.vectors * GROUP);
                sums = others;
                let (tokens, others) = out.split_at_mut(panel.tokens);
                out = others;
                let units = rows[..padded].chunks(UNIT).zip(own.chunks_mut(panel.vectors * UNIT)).enumerate();
                for (unit, (rows, sums)) in units {
                    multiply(self.isa, panel.along, panel.vectors, x, rows, sums, start == 0);
                    // Written at once, while the next unit is multiplied: a store to memory that is not in the cache
                    // takes long, but nothing waits for it as long as there are few.
                    if start + length == k {
                        let from = range.start + unit * UNIT;
                        let range = from..range.end.min(from + UNIT);
                        self.isa.run(Write { sums, panel, range, tokens });
                    }
                }
            }
        }
        Ok(())
    }
}
