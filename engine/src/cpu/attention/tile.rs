//! A part of the work: some rows of one key head, and a range of keys.

use super::problem::Attention;
use std::ops::Range;

/// Keys in a block: a block of scores, keys and values stays in the nearest cache.
pub(super) const BLOCK: usize = 64;

/// Rows of one key head over a range of keys. Row r of a key head is query r ÷ group, member r mod group.
pub(super) struct Tile<'a, E> {
    pub attention: &'a Attention<'a>,
    /// All queries, [queries, heads, head_dim].
    pub q: &'a [f32],
    /// The key head's keys, [len, head_dim].
    pub keys: &'a [E],
    /// The key head's values, [len, value_dim].
    pub values: &'a [E],
    /// The key head.
    pub head: usize,
    /// The rows.
    pub rows: Range<usize>,
    /// Positions of the keys; what a row does not see is left out for it.
    pub range: Range<usize>,
}

/// What a tile gives: for each row, the greatest score, Σ e^(score − greatest) and the sum of values so weighted.
#[derive(Debug)]
pub(super) struct Partial {
    /// A row's greatest score; the least finite number when it saw no key.
    pub greatest: Vec<f32>,
    /// A row's Σ e^(score − greatest).
    pub total: Vec<f32>,
    /// [rows, value_dim]
    pub sums: Vec<f32>,
}

/// A row of a tile.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    /// The query, [head_dim].
    pub q: &'a [f32],
    /// The position of the query.
    pub position: usize,
    /// First key it sees.
    pub first: usize,
    /// Its linear bias per position.
    pub slope: f32,
}

impl<E> Tile<'_, E> {
    /// The rows in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let Attention { heads, head_dim, slopes, start, .. } = *self.attention;
        let group = self.attention.group();
        self.rows.clone().map(move |row| {
            let head = self.head * group + row % group;
            let position = start + row / group;
            let slope = slopes.and_then(|slopes| slopes.get(head)).copied().unwrap_or(0.0);
            let at = (row / group * heads + head) * head_dim;
            let q = self.q.get(at..at + head_dim).unwrap_or_default();
            Row { q, position, first: first_seen(self.attention, position), slope }
        })
    }
}

/// The first key that a query at `position` sees.
pub(super) fn first_seen(attention: &Attention<'_>, position: usize) -> usize {
    let first = attention.window.map_or(0, |window| (position + 1).saturating_sub(window));
    first.max(attention.hidden)
}

impl Partial {
    /// Nothing seen.
    pub fn new(rows: usize, value_dim: usize) -> Self {
        Self { greatest: vec![f32::MIN; rows], total: vec![0.0; rows], sums: vec![0.0; rows * value_dim] }
    }

    /// Joins `parts`, the results for the same rows over ranges of keys, for row `row` into `out`, [value_dim].
    pub fn join(parts: &[Self], row: usize, out: &mut [f32]) {
        let of = |numbers: &[f32], missing| numbers.get(row).copied().unwrap_or(missing);
        if let [part] = parts {
            let total = of(&part.total, 0.0);
            // A row that sees nothing, as padding does, gives 0.
            let factor = if total == 0.0 { 0.0 } else { 1.0 / total };
            let sums = part.sums.get(row * out.len()..).unwrap_or_default();
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = factor * sum;
            }
            return;
        }
        let greatest = parts.iter().map(|p| of(&p.greatest, f32::MIN)).fold(f32::MIN, |a, b| if a > b { a } else { b });
        let weight = |part: &Self| (of(&part.greatest, f32::MIN) - greatest).exp();
        let total: f32 = parts.iter().map(|part| weight(part) * of(&part.total, 0.0)).sum();
        out.fill(0.0);
        if total == 0.0 {
            return;
        }
        for part in parts {
            let factor = weight(part) / total;
            let sums = part.sums.get(row * out.len()..).unwrap_or_default();
            for (out, sum) in out.iter_mut().zip(sums) {
                *out += factor * sum;
            }
        }
    }
}
