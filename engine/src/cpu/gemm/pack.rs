//! Activations with tokens in vector lanes.

use rayon::prelude::*;

use super::isa::{Isa, Work};
use super::lanes::{LANES, Lanes};
#[cfg(target_arch = "x86_64")]
use super::transpose::transpose_avx512;
use super::transpose::{Square, transpose};
use crate::error::{Error, Result};

/// Vectors of tokens in the widest panel: the kernel for it leaves the fewest execution slots empty.
pub const WIDEST: usize = 3;

/// Tokens for which lanes along the features pay, measured: fewer lanes are empty, but all must be added up in the end,
/// and a weight in a register meets fewer tokens.
const FEW: usize = 24;

/// Tokens in the widest panel with lanes along the features.
const WIDEST_FEW: usize = 6;

/// Columns one packing task takes.
const STRETCH: usize = 512;

/// Activations `[m, k]` packed for [`product`](super::product()): made once, read by every matrix that takes the same
/// input (query, key and value; gate and up).
///
/// Tokens are cut into panels of 48, 32 or 16. A panel is `k` rows of as many numbers as it has tokens; the last one is
/// filled up with zeros. A couple of dozen tokens or less would leave lanes empty: they keep their features side by side, in panels
/// of up to six tokens, filled up with zeros to a multiple of sixteen features.
#[derive(Clone, Default)]
pub struct Packed {
    m: usize,
    k: usize,
    panels: Vec<Panel>,
    data: Vec<Lanes>,
}

/// What the lanes of a vector run along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Along {
    /// One feature of sixteen tokens.
    Tokens,
    /// Sixteen features of one token.
    Features,
}

impl Along {
    /// Columns in a run of vectors.
    fn columns(self) -> usize {
        match self {
            Self::Tokens => 1,
            Self::Features => LANES,
        }
    }
}

/// Some tokens that are multiplied together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panel {
    /// The first token.
    pub first: usize,
    /// Tokens, without those filled up.
    pub tokens: usize,
    /// What the lanes run along.
    pub along: Along,
    /// Vectors in a run, which holds all tokens: of one column (1, 2 or 3) or of sixteen (as many as tokens).
    pub vectors: usize,
    /// Where the panel's data start.
    offset: usize,
}

impl Panel {
    /// Vectors for `columns` columns.
    fn size(&self, columns: usize) -> usize {
        columns.div_ceil(self.along.columns()) * self.vectors
    }
}

impl Packed {
    /// Packs `x`, row-major `[m, k]`. Parallel within the current pool of threads.
    pub fn new(x: &[f32], m: usize, k: usize) -> Result<Self> {
        let mut packed = Self::default();
        packed.pack(x, m, k)?;
        Ok(packed)
    }

    /// Packs other activations in the same memory, which grows when it must.
    pub fn pack(&mut self, x: &[f32], m: usize, k: usize) -> Result<()> {
        if m.checked_mul(k) != Some(x.len()) {
            return Err(Error::argument("activations", format!("{m} x {k} numbers"), format!("{}", x.len())));
        }
        (self.m, self.k) = (m, k);
        self.panels = panels(m, k);
        self.data.resize(self.panels.iter().map(|panel| panel.size(k)).sum(), Lanes::ZERO);
        if k == 0 {
            return Ok(());
        }
        let isa = Isa::best();
        let mut tasks = Vec::new();
        let mut rest = self.data.as_mut_slice();
        for &panel in &self.panels {
            let (own, others) = rest.split_at_mut(panel.size(k));
            rest = others;
            let rows = &x[panel.first * k..][..panel.tokens * k];
            let stretches = own.chunks_mut(panel.size(STRETCH)).enumerate();
            tasks.extend(stretches.map(|(i, out)| Stretch { rows, k, start: i * STRETCH, panel, out }));
        }
        // A handful of stretches is done before another thread has woken up.
        if m * k < 1 << 16 {
            tasks.into_iter().for_each(|task| isa.run(task));
        } else {
            tasks.into_par_iter().for_each(|task| isa.run(task));
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

    /// The panels, in the order of their tokens.
    pub(super) fn panels(&self) -> &[Panel] {
        &self.panels
    }

    /// Columns `start..start + length` of `panel`, run by run; `start` is a multiple of sixteen.
    pub(super) fn columns(&self, panel: Panel, start: usize, length: usize) -> &[Lanes] {
        &self.data[panel.offset + panel.size(start)..][..panel.size(length)]
    }
}

/// How `m` tokens are cut: panels as wide as possible, but two of 32 rather than one of 48 and one of 16, which the
/// kernel would leave half idle. Few tokens are shared out evenly.
fn panels(m: usize, k: usize) -> Vec<Panel> {
    let mut panels: Vec<Panel> = Vec::with_capacity(m.div_ceil(LANES * WIDEST) + 1);
    let (mut first, mut offset) = (0, 0);
    while first < m {
        let left = m - first;
        let (along, vectors) = if m <= FEW {
            (Along::Features, left.div_ceil(left.div_ceil(WIDEST_FEW)))
        } else {
            let left = left.div_ceil(LANES);
            (Along::Tokens, if left == WIDEST + 1 { 2 } else { left.min(WIDEST) })
        };
        let tokens = left.min(if m <= FEW { vectors } else { vectors * LANES });
        let panel = Panel { first, tokens, along, vectors, offset };
        first += tokens;
        offset += panel.size(k);
        panels.push(panel);
    }
    panels
}

/// A stretch of one panel's columns.
struct Stretch<'a> {
    /// The panel's tokens, `k` numbers each.
    rows: &'a [f32],
    k: usize,
    /// The stretch's first column.
    start: usize,
    panel: Panel,
    out: &'a mut [Lanes],
}

impl Work for Stretch<'_> {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    unsafe fn avx512(self) {
        self.with(|square| transpose_avx512(square));
    }

    #[inline(always)]
    fn portable(self) {
        self.with(transpose);
    }
}

impl Stretch<'_> {
    #[inline(always)]
    fn with(self, transpose: impl Fn(Square) -> Square) {
        let Self { rows, k, start, panel: Panel { along, vectors, .. }, out } = self;
        if along == Along::Features {
            for (block, run) in out.chunks_mut(vectors).enumerate() {
                for (to, token) in run.iter_mut().zip(rows.chunks_exact(k)) {
                    *to = sixteen(token, start + block * LANES);
                }
            }
            return;
        }
        for (vector, tokens) in (0..vectors).map(|v| (v, rows.get(v * LANES * k..).unwrap_or_default())) {
            for (block, columns) in out.chunks_mut(LANES * vectors).enumerate() {
                let mut square = [Lanes::ZERO; LANES];
                for (row, token) in square.iter_mut().zip(tokens.chunks_exact(k)) {
                    *row = sixteen(token, start + block * LANES);
                }
                let turned = transpose(square);
                for (column, row) in columns.chunks_exact_mut(vectors).zip(&turned) {
                    column[vector] = *row;
                }
            }
        }
    }
}

/// Sixteen features of a token from `first` on, zeros where there are no more.
#[inline(always)]
fn sixteen(token: &[f32], first: usize) -> Lanes {
    let rest = &token[first..];
    match rest.first_chunk() {
        Some(all) => Lanes(*all),
        None => {
            let mut lanes = Lanes::ZERO;
            lanes.0.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            lanes
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn every_number_has_its_place() {
        for (m, k) in [(1, 1), (5, 33), (16, 16), (17, 600), (64, 31), (100, 1030), (145, 48)] {
            let x: Vec<f32> = (0..m * k).map(|i| i as f32 + 1.0).collect();
            let packed = Packed::new(&x, m, k).unwrap();
            let mut token = 0;
            for &panel in packed.panels() {
                assert_eq!(panel.first, token);
                let data = packed.columns(panel, 0, k);
                for column in 0..k {
                    for i in 0..if m <= FEW { panel.tokens } else { panel.vectors * LANES } {
                        let found = match panel.along {
                            Along::Tokens => data[column * panel.vectors + i / LANES].0[i % LANES],
                            Along::Features => data[column / LANES * panel.vectors + i].0[column % LANES],
                        };
                        let expected = if i < panel.tokens { x[(token + i) * k + column] } else { 0.0 };
                        assert_eq!(found, expected, "{m}x{k} panel at {token}, column {column}, token {i}");
                    }
                }
                token += panel.tokens;
            }
            assert_eq!(token, m);
        }
    }

    #[test]
    fn memory_is_used_again() {
        let mut packed = Packed::new(&[1.0; 64 * 32], 64, 32).unwrap();
        packed.pack(&[2.0; 25 * 5], 25, 5).unwrap();
        let last = packed.columns(packed.panels()[0], 0, 5)[9].0;
        assert_eq!(last[8..10], [2.0, 0.0]);
        packed.pack(&[3.0; 3 * 5], 3, 5).unwrap();
        let first = packed.columns(packed.panels()[0], 0, 5)[0].0;
        assert_eq!(first[4..6], [3.0, 0.0]);
        assert!(packed.pack(&[0.0; 7], 2, 4).is_err());
    }
}
