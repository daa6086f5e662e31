//! A tile of many rows, each in a lane of its own: queries and sums lie transposed, a key's or a value's number is
//! spread over the lanes, and maximum and sum of a row need nothing from its neighbours.

use super::problem::Attention;
use super::tile::{BLOCK, Partial, Row, Tile};
use crate::cpu::math::{Element, Kernel, Lanes, exp_lanes, tanh_lanes};

/// Most vectors of rows in a tile.
pub(super) const VECTORS: usize = 3;

/// The kernel.
pub(super) struct Wide<'a, E>(pub Tile<'a, E>);

impl<E: Element> Kernel for Wide<'_, E> {
    type Output = Partial;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Partial {
        match self.0.rows.len().div_ceil(L::WIDTH) {
            1 => run::<L, E, 1>(lanes, &self.0),
            2 => run::<L, E, 2>(lanes, &self.0),
            _ => run::<L, E, VECTORS>(lanes, &self.0),
        }
    }
}

/// The tile's rows as lanes.
struct Rows {
    /// q · scale, transposed: [head_dim, lanes].
    q: Vec<f32>,
    /// First key that a row sees, and the one after the last.
    first: Vec<f32>,
    end: Vec<f32>,
    position: Vec<f32>,
    slope: Vec<f32>,
    /// Keys that all rows see.
    common: std::ops::Range<usize>,
}

impl Rows {
    fn new<E>(tile: &Tile<'_, E>, span: usize) -> Self {
        let rows: Vec<Row<'_>> = tile.rows().collect();
        let lane = |f: fn(&Row<'_>) -> f32| {
            let mut lanes: Vec<f32> = rows.iter().map(f).collect();
            lanes.resize(span, 0.0);
            lanes
        };
        let dim = tile.attention.head_dim;
        let mut together = Vec::with_capacity(rows.len() * dim);
        for row in &rows {
            together.extend_from_slice(row.q);
        }
        let mut q = vec![0.0; dim * span];
        transpose(&together, dim, &mut q, span, tile.attention.scale);
        let begin = rows.iter().map(|row| row.first).max().unwrap_or(0);
        let end = rows.iter().map(|row| row.position + 1).min().unwrap_or(0);
        Self {
            q,
            first: lane(|row| row.first as f32),
            end: lane(|row| (row.position + 1) as f32),
            position: lane(|row| row.position as f32),
            slope: lane(|row| row.slope),
            common: begin..end,
        }
    }
}

#[inline(always)]
fn run<L: Lanes, E: Element, const N: usize>(lanes: L, tile: &Tile<'_, E>) -> Partial {
    let Attention { head_dim, value_dim, softcap, slopes, .. } = *tile.attention;
    let span = N * L::WIDTH;
    let rows = Rows::new(tile, span);
    let mut weights = vec![0.0; BLOCK * span];
    let mut sums = vec![0.0; value_dim * span];
    let mut room = vec![0.0; if size_of::<E>() == 4 { 0 } else { BLOCK * head_dim.max(value_dim) }];
    let mut greatest = [lanes.splat(f32::MIN); N];
    let mut total = [lanes.splat(0.0); N];

    let mut first = tile.range.start;
    while first < tile.range.end {
        let count = BLOCK.min(tile.range.end - first);
        let weights = &mut weights[..count * span];
        let keys = E::widen(lanes, &tile.keys[first * head_dim..][..count * head_dim], &mut room);
        scores::<L, N>(lanes, &rows.q, keys, head_dim, weights);

        let all_seen = rows.common.start <= first && first + count <= rows.common.end;
        if !all_seen || softcap.is_some() || slopes.is_some() {
            adjust::<L, N>(lanes, tile.attention, &rows, first, weights);
        }
        let factors = weigh::<L, N>(lanes, weights, &mut greatest, &mut total);

        let values = E::widen(lanes, &tile.values[first * value_dim..][..count * value_dim], &mut room);
        add_values::<L, N>(lanes, weights, factors, values, value_dim, &mut sums);
        first += count;
    }

    let mut partial = Partial::new(tile.rows.len(), value_dim);
    for n in 0..N {
        let at = n * L::WIDTH;
        lanes.store(greatest[n], partial.greatest.get_mut(at..).unwrap_or_default());
        lanes.store(total[n], partial.total.get_mut(at..).unwrap_or_default());
    }
    transpose(&sums, span, &mut partial.sums, value_dim, 1.0);
    partial
}

/// to[j][i] = factor · from[i][j], for rows of `from` and `to` as long as said, as far as both reach.
///
/// Four rows at a time, so that a line of the cache that is written to is written to four times at once.
fn transpose(from: &[f32], from_row: usize, to: &mut [f32], to_row: usize, factor: f32) {
    for (i, four) in from.chunks(4 * from_row).enumerate().take(to_row.div_ceil(4)) {
        let column = 4 * i;
        if four.len() == 4 * from_row && column + 4 <= to_row {
            let (a, rest) = four.split_at(from_row);
            let (b, rest) = rest.split_at(from_row);
            let (c, d) = rest.split_at(from_row);
            let numbers = a.iter().zip(b).zip(c.iter().zip(d));
            for (((a, b), (c, d)), to) in numbers.zip(to.chunks_exact_mut(to_row)) {
                to[column..column + 4].copy_from_slice(&[factor * a, factor * b, factor * c, factor * d]);
            }
        } else {
            for (row, from) in four.chunks_exact(from_row).enumerate().take(to_row - column) {
                for (number, to) in from.iter().zip(to.chunks_exact_mut(to_row)) {
                    to[column + row] = factor * number;
                }
            }
        }
    }
}

/// q·k of all lanes and keys; `out` is [keys, lanes].
#[inline(always)]
fn scores<L: Lanes, const N: usize>(lanes: L, q: &[f32], keys: &[f32], dim: usize, out: &mut [f32]) {
    let span = N * L::WIDTH;
    let (mut keys, mut out) = (keys, out);
    macro_rules! go {
        ($keys:literal) => {
            while keys.len() >= $keys * dim {
                let (these, rest) = std::mem::take(&mut out).split_at_mut($keys * span);
                dots::<L, N, $keys>(lanes, q, &keys[..$keys * dim], dim, these);
                (keys, out) = (&keys[$keys * dim..], rest);
            }
        };
    }
    if L::REGISTERS >= 32 {
        go!(8);
    }
    if L::REGISTERS >= 16 {
        go!(4);
    }
    go!(2);
    go!(1);
}

/// The same for `KEYS` keys, whose sums stay in registers.
#[inline(always)]
fn dots<L: Lanes, const N: usize, const KEYS: usize>(lanes: L, q: &[f32], keys: &[f32], dim: usize, out: &mut [f32]) {
    let mut rows = [keys; KEYS];
    for (i, row) in rows.iter_mut().enumerate() {
        *row = &keys[i * dim..][..dim];
    }
    let mut sums = [[lanes.splat(0.0); N]; KEYS];
    for (x, q) in (0..dim).zip(q.chunks_exact(N * L::WIDTH)) {
        let mut qs = [lanes.splat(0.0); N];
        for n in 0..N {
            qs[n] = lanes.load(&q[n * L::WIDTH..][..L::WIDTH]);
        }
        for key in 0..KEYS {
            let k = lanes.splat(rows[key][x]);
            for n in 0..N {
                sums[key][n] = lanes.fma(k, qs[n], sums[key][n]);
            }
        }
    }
    for (sums, out) in sums.iter().zip(out.chunks_exact_mut(N * L::WIDTH)) {
        for n in 0..N {
            lanes.store(sums[n], &mut out[n * L::WIDTH..][..L::WIDTH]);
        }
    }
}

/// Makes scores of q·k: soft cap, linear bias, and −∞ for keys that a row does not see.
#[inline(always)]
fn adjust<L: Lanes, const N: usize>(
    lanes: L,
    attention: &Attention<'_>,
    rows: &Rows,
    first: usize,
    scores: &mut [f32],
) {
    let nothing = lanes.splat(f32::NEG_INFINITY);
    for (key, scores) in scores.chunks_exact_mut(N * L::WIDTH).enumerate() {
        let key = lanes.splat((first + key) as f32);
        for n in 0..N {
            let at = n * L::WIDTH;
            let mut score = lanes.load(&scores[at..]);
            if let Some(cap) = attention.softcap {
                let cap = lanes.splat(cap);
                score = lanes.mul(cap, tanh_lanes(lanes, lanes.div(score, cap)));
            }
            if attention.slopes.is_some() {
                let distance = lanes.sub(key, lanes.load(&rows.position[at..]));
                score = lanes.fma(lanes.load(&rows.slope[at..]), distance, score);
            }
            score = lanes.if_less(key, lanes.load(&rows.first[at..]), nothing, score);
            score = lanes.if_less(key, lanes.load(&rows.end[at..]), score, nothing);
            lanes.store(score, &mut scores[at..]);
        }
    }
}

/// Turns scores into weights e^(score − greatest) and brings the running maxima and sums up to date; gives the factors
/// by which what was summed before has to shrink.
#[inline(always)]
fn weigh<L: Lanes, const N: usize>(
    lanes: L,
    scores: &mut [f32],
    greatest: &mut [L::Vector; N],
    total: &mut [L::Vector; N],
) -> [L::Vector; N] {
    let before = *greatest;
    let mut best = before;
    for scores in scores.chunks_exact(N * L::WIDTH) {
        for n in 0..N {
            best[n] = lanes.max(best[n], lanes.load(&scores[n * L::WIDTH..][..L::WIDTH]));
        }
    }
    let mut sums = [lanes.splat(0.0); N];
    for scores in scores.chunks_exact_mut(N * L::WIDTH) {
        for n in 0..N {
            let score = &mut scores[n * L::WIDTH..][..L::WIDTH];
            let weight = exp_lanes(lanes, lanes.sub(lanes.load(score), best[n]));
            sums[n] = lanes.add(sums[n], weight);
            lanes.store(weight, score);
        }
    }
    let mut factors = [lanes.splat(0.0); N];
    for n in 0..N {
        factors[n] = exp_lanes(lanes, lanes.sub(before[n], best[n]));
        total[n] = lanes.fma(total[n], factors[n], sums[n]);
    }
    *greatest = best;
    factors
}

/// sums ← factors · sums + Σ weight · value; `weights` is [keys, lanes], `sums` [dim, lanes].
#[inline(always)]
fn add_values<L: Lanes, const N: usize>(
    lanes: L,
    weights: &[f32],
    factors: [L::Vector; N],
    values: &[f32],
    dim: usize,
    sums: &mut [f32],
) {
    let span = N * L::WIDTH;
    let (mut sums, mut at) = (sums, 0);
    macro_rules! go {
        ($columns:literal) => {
            while dim - at >= $columns {
                let (these, rest) = std::mem::take(&mut sums).split_at_mut($columns * span);
                add_columns::<L, N, $columns>(lanes, weights, factors, &values[at..], dim, these);
                (sums, at) = (rest, at + $columns);
            }
        };
    }
    if L::REGISTERS >= 32 {
        go!(8);
    }
    if L::REGISTERS >= 16 {
        go!(4);
    }
    go!(2);
    go!(1);
}

/// The same for `COLUMNS` numbers of the values, from the first of `values` on, whose sums stay in registers.
#[inline(always)]
fn add_columns<L: Lanes, const N: usize, const COLUMNS: usize>(
    lanes: L,
    weights: &[f32],
    factors: [L::Vector; N],
    values: &[f32],
    dim: usize,
    sums: &mut [f32],
) {
    let span = N * L::WIDTH;
    let mut totals = [[lanes.splat(0.0); N]; COLUMNS];
    for (totals, sums) in totals.iter_mut().zip(sums.chunks_exact(span)) {
        for n in 0..N {
            totals[n] = lanes.mul(factors[n], lanes.load(&sums[n * L::WIDTH..][..L::WIDTH]));
        }
    }
    // The last row may end where its part does: rows are found by their beginnings.
    for (weights, value) in weights.chunks_exact(span).zip(values.chunks(dim)) {
        let Some(value) = value.first_chunk::<COLUMNS>() else { break };
        let mut ws = [lanes.splat(0.0); N];
        for n in 0..N {
            ws[n] = lanes.load(&weights[n * L::WIDTH..][..L::WIDTH]);
        }
        for column in 0..COLUMNS {
            let value = lanes.splat(value[column]);
            for n in 0..N {
                totals[column][n] = lanes.fma(value, ws[n], totals[column][n]);
            }
        }
    }
    for (totals, sums) in totals.iter().zip(sums.chunks_exact_mut(span)) {
        for n in 0..N {
            lanes.store(totals[n], &mut sums[n * L::WIDTH..][..L::WIDTH]);
        }
    }
}
