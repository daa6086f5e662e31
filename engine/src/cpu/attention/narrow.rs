//! A tile of few rows: bound by reading the cache, so every key and value is read once, for all rows together.

use super::problem::Attention;
use super::tile::{BLOCK, Partial, Row, Tile};
use crate::cpu::math::{Element, Kernel, Lanes, exp_lanes, tanh_lanes};

/// Rows that share the registers.
const TOGETHER: usize = 4;

/// Keys that share the registers.
const KEYS: usize = 4;

/// The kernel.
pub(super) struct Narrow<'a, E>(pub Tile<'a, E>);

impl<E: Element> Kernel for Narrow<'_, E> {
    type Output = Partial;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Partial {
        let tile = self.0;
        let Attention { head_dim, value_dim, scale, .. } = *tile.attention;
        let rows: Vec<Row<'_>> = tile.rows().collect();
        let q = packed(&rows, scale, head_dim, L::WIDTH);
        let mut counting = [0.0; BLOCK];
        for (i, number) in counting.iter_mut().enumerate() {
            *number = i as f32;
        }
        let mut weights = vec![0.0; rows.len() * BLOCK];
        let mut factors = vec![0.0; rows.len()];
        let mut partial = Partial::new(rows.len(), value_dim);

        let mut first = tile.range.start;
        while first < tile.range.end {
            let count = BLOCK.min(tile.range.end - first);
            let keys = &tile.keys[first * head_dim..][..count * head_dim];
            for (q, weights) in q.chunks(TOGETHER * (q.len() / rows.len())).zip(weights.chunks_mut(TOGETHER * BLOCK)) {
                match weights.len() / BLOCK {
                    1 => scores::<L, E, 1>(lanes, q, keys, head_dim, weights),
                    2 => scores::<L, E, 2>(lanes, q, keys, head_dim, weights),
                    3 => scores::<L, E, 3>(lanes, q, keys, head_dim, weights),
                    _ => scores::<L, E, 4>(lanes, q, keys, head_dim, weights),
                }
            }
            for (i, (row, weights)) in rows.iter().zip(weights.chunks_exact_mut(BLOCK)).enumerate() {
                let state = (&mut partial.greatest[i], &mut partial.total[i]);
                factors[i] = weigh(lanes, tile.attention, row, &counting, first, &mut weights[..count], state);
            }
            let values = &tile.values[first * value_dim..][..count * value_dim];
            let sums = partial.sums.chunks_mut(TOGETHER * value_dim);
            let parts = weights.chunks(TOGETHER * BLOCK).zip(factors.chunks(TOGETHER)).zip(sums);
            for ((weights, factors), sums) in parts {
                match factors.len() {
                    1 => add_values::<L, E, 1>(lanes, weights, factors, values, value_dim, sums),
                    2 => add_values::<L, E, 2>(lanes, weights, factors, values, value_dim, sums),
                    3 => add_values::<L, E, 3>(lanes, weights, factors, values, value_dim, sums),
                    _ => add_values::<L, E, 4>(lanes, weights, factors, values, value_dim, sums),
                }
            }
            first += count;
        }
        partial
    }
}

/// The queries times `scale`, as `dots` reads them: for every [`TOGETHER`] rows, a vector of each, the next vector of
/// each and so on. The last vectors are filled up with zeros, as loads do with the ends of keys.
fn packed(rows: &[Row<'_>], scale: f32, dim: usize, width: usize) -> Vec<f32> {
    let padded = dim.next_multiple_of(width);
    let mut out = vec![0.0; rows.len() * padded];
    for (rows, out) in rows.chunks(TOGETHER).zip(out.chunks_mut(TOGETHER * padded)) {
        for (i, row) in rows.iter().enumerate() {
            let vectors = out.chunks_exact_mut(width).skip(i).step_by(rows.len());
            for (from, to) in row.q.chunks(width).zip(vectors) {
                for (to, from) in to.iter_mut().zip(from) {
                    *to = scale * from;
                }
            }
        }
    }
    out
}

/// q·k for `ROWS` rows and all `keys`; `out` is [ROWS, BLOCK].
#[inline(always)]
fn scores<L: Lanes, E: Element, const ROWS: usize>(lanes: L, q: &[f32], keys: &[E], dim: usize, out: &mut [f32]) {
    let count = keys.len() / dim;
    let mut at = 0;
    while at < count {
        // The last group may lack keys: it takes the last one again.
        let mut group = [keys; KEYS];
        for (i, key) in group.iter_mut().enumerate() {
            *key = &keys[(at + i).min(count - 1) * dim..][..dim];
        }
        let sums = dots::<L, E, ROWS>(lanes, q, group);
        for row in 0..ROWS {
            // Columns beyond the last key are within the block, and nobody reads them.
            out[row * BLOCK + at..][..KEYS].copy_from_slice(&sums[row]);
        }
        at += KEYS;
    }
}

/// q·k for `ROWS` rows and a group of keys.
#[inline(always)]
fn dots<L: Lanes, E: Element, const ROWS: usize>(lanes: L, q: &[f32], keys: [&[E]; KEYS]) -> [[f32; KEYS]; ROWS] {
    let mut sums = [[lanes.splat(0.0); KEYS]; ROWS];
    macro_rules! add {
        ($q:expr, $keys:expr) => {
            let mut ks = [lanes.splat(0.0); KEYS];
            for (k, key) in ks.iter_mut().zip($keys) {
                *k = E::load(lanes, key);
            }
            for row in 0..ROWS {
                let q = lanes.load(&$q[row * L::WIDTH..][..L::WIDTH]);
                for key in 0..KEYS {
                    sums[row][key] = lanes.fma(q, ks[key], sums[row][key]);
                }
            }
        };
    }
    let mut qs = q.chunks_exact(ROWS * L::WIDTH);
    let parts = keys.map(|key| key.chunks_exact(L::WIDTH));
    let rests = [parts[0].remainder(), parts[1].remainder(), parts[2].remainder(), parts[3].remainder()];
    let [a, b, c, d] = parts;
    for ((a, b), ((c, d), q)) in a.zip(b).zip(c.zip(d).zip(&mut qs)) {
        add!(q, [a, b, c, d]);
    }
    if let Some(q) = qs.next() {
        add!(q, rests);
    }
    let mut out = [[0.0; KEYS]; ROWS];
    for row in 0..ROWS {
        out[row] = lanes.sum4(sums[row]);
    }
    out
}

/// Turns a row's q·k into weights e^(score − greatest) and brings its running maximum and sum up to date; gives the
/// factor by which what was summed before has to shrink.
#[inline(always)]
fn weigh<L: Lanes>(
    lanes: L,
    attention: &Attention<'_>,
    row: &Row<'_>,
    counting: &[f32; BLOCK],
    first: usize,
    weights: &mut [f32],
    (greatest, total): (&mut f32, &mut f32),
) -> f32 {
    let nothing = lanes.splat(f32::NEG_INFINITY);
    // Counted from the block's first key.
    let begin = lanes.splat(row.first as f32 - first as f32);
    let end = lanes.splat((row.position as f32 + 1.0 - first as f32).min(weights.len() as f32));
    let shift = lanes.splat(first as f32 - row.position as f32);
    let slope = lanes.splat(row.slope);
    let mut best = lanes.splat(*greatest);
    for (weights, counting) in weights.chunks_mut(L::WIDTH).zip(counting.chunks_exact(L::WIDTH)) {
        let mut score = lanes.load(weights);
        let count = lanes.load(counting);
        if let Some(cap) = attention.softcap {
            let cap = lanes.splat(cap);
            score = lanes.mul(cap, tanh_lanes(lanes, lanes.div(score, cap)));
        }
        if attention.slopes.is_some() {
            score = lanes.fma(slope, lanes.add(count, shift), score);
        }
        score = lanes.if_less(count, begin, nothing, score);
        score = lanes.if_less(count, end, score, nothing);
        best = lanes.max(best, score);
        lanes.store(score, weights);
    }
    let before = *greatest;
    *greatest = lanes.greatest(best);
    let best = lanes.splat(*greatest);
    let mut sum = lanes.splat(0.0);
    for (weights, counting) in weights.chunks_mut(L::WIDTH).zip(counting.chunks_exact(L::WIDTH)) {
        let weight = exp_lanes(lanes, lanes.sub(lanes.load(weights), best));
        // Lanes beyond the end of the block read as 0 there, not as −∞.
        let weight = lanes.if_less(lanes.load(counting), end, weight, lanes.splat(0.0));
        sum = lanes.add(sum, weight);
        lanes.store(weight, weights);
    }
    let factor = (before - *greatest).exp();
    *total = *total * factor + lanes.sum(sum);
    factor
}

/// sums ← factor · sums + Σ weight · value for `ROWS` rows; `weights` is [ROWS, BLOCK], `sums` [ROWS, dim].
#[inline(always)]
fn add_values<L: Lanes, E: Element, const ROWS: usize>(
    lanes: L,
    weights: &[f32],
    factors: &[f32],
    values: &[E],
    dim: usize,
    sums: &mut [f32],
) {
    let width = L::WIDTH;
    let mut at = 0;
    if L::REGISTERS >= 32 {
        while at + 4 * width <= dim {
            add_columns::<L, E, ROWS, 4>(lanes, weights, factors, values, dim, sums, at, 4 * width);
            at += 4 * width;
        }
    }
    if L::REGISTERS >= 16 {
        while at + 2 * width <= dim {
            add_columns::<L, E, ROWS, 2>(lanes, weights, factors, values, dim, sums, at, 2 * width);
            at += 2 * width;
        }
    }
    while at + width <= dim {
        add_columns::<L, E, ROWS, 1>(lanes, weights, factors, values, dim, sums, at, width);
        at += width;
    }
    if at < dim {
        add_columns::<L, E, ROWS, 1>(lanes, weights, factors, values, dim, sums, at, dim - at);
    }
}

/// The same for `width` columns from `at` on: `COUNT` vectors, the last of which may be a part of one.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a part of the function above, split off for its constants")]
fn add_columns<L: Lanes, E: Element, const ROWS: usize, const COUNT: usize>(
    lanes: L,
    weights: &[f32],
    factors: &[f32],
    values: &[E],
    dim: usize,
    sums: &mut [f32],
    at: usize,
    width: usize,
) {
    let mut totals = [[lanes.splat(0.0); COUNT]; ROWS];
    for row in 0..ROWS {
        let sums = &sums[row * dim + at..][..width];
        for column in 0..COUNT {
            totals[row][column] = lanes.mul(lanes.splat(factors[row]), lanes.load(&sums[column * L::WIDTH..]));
        }
    }
    let weights = &weights[..ROWS * BLOCK];
    for (key, value) in values[at..].chunks(dim).enumerate().take(BLOCK) {
        let Some(value) = value.get(..width) else { break };
        let mut columns = [lanes.splat(0.0); COUNT];
        for column in 0..COUNT {
            columns[column] = E::load(lanes, &value[column * L::WIDTH..]);
        }
        for row in 0..ROWS {
            let weight = lanes.splat(weights[row * BLOCK + key]);
            for column in 0..COUNT {
                totals[row][column] = lanes.fma(weight, columns[column], totals[row][column]);
            }
        }
    }
    for row in 0..ROWS {
        let sums = &mut sums[row * dim + at..][..width];
        for column in 0..COUNT {
            lanes.store(totals[row][column], &mut sums[column * L::WIDTH..]);
        }
    }
}
