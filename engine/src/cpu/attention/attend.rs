//! Attention as a whole: the work is cut into tiles, which run in parallel, and their results are joined.
//!
//! How it is cut depends on the shapes and the instruction set alone, so that the result is the same to the last bit for
//! any number of threads.

use super::narrow::Narrow;
use super::problem::{Attention, Elements, Keys};
use super::tile::{BLOCK, Partial, Tile, first_seen};
use super::wide::{VECTORS, Wide};
use crate::cpu::math::{Element, Isa};
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::ops::Range;

/// Up to this many rows the vectors run along a head's numbers, above along the rows.
const NARROW_ROWS: usize = 12;

/// Tiles that keep a large machine busy; a shorter list is made longer by dividing the keys.
const TILES: usize = 64;

/// Keys below which dividing them costs more than it gains.
const LEAST_KEYS: usize = 256;

/// Products of numbers below which one thread is done before another has woken up.
const ALONE: usize = 1 << 16;

/// Attention of `q`, [queries, heads, head_dim], over the cache into `out`, [queries, heads · value_dim].
///
/// The cache holds the keys and values of the queries themselves too, `start + queries` rows or more, and both are in
/// the same format. A query that sees no key gives 0. Runs on the thread pool of the caller; `stop` is asked before
/// each part of the work, and `Interrupted` returned when it says yes.
pub fn attend(
    attention: &Attention<'_>,
    q: &[f32],
    k: &Keys<'_>,
    v: &Keys<'_>,
    out: &mut [f32],
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<()> {
    attend_with(Isa::best(), attention, q, k, v, out, stop)
}

pub(super) fn attend_with(
    isa: Isa,
    attention: &Attention<'_>,
    q: &[f32],
    k: &Keys<'_>,
    v: &Keys<'_>,
    out: &mut [f32],
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<()> {
    let queries = attention.check(q, k, v, out)?;
    if queries == 0 {
        return Ok(());
    }
    match (k.elements, v.elements) {
        (Elements::F32(keys), Elements::F32(values)) => {
            Work { isa, attention, q, keys: (keys, k.capacity), values: (values, v.capacity), queries, stop }.run(out)
        }
        (Elements::F16(keys), Elements::F16(values)) => {
            Work { isa, attention, q, keys: (keys, k.capacity), values: (values, v.capacity), queries, stop }.run(out)
        }
        _ => Err(Error::argument("keys and values", "one format for both", "two formats")),
    }
}

struct Work<'a, E> {
    isa: Isa,
    attention: &'a Attention<'a>,
    q: &'a [f32],
    /// All heads, and rows there is room for in each.
    keys: (&'a [E], usize),
    values: (&'a [E], usize),
    queries: usize,
    stop: &'a (dyn Fn() -> bool + Sync),
}

/// What the tiles of a block of queries have in common.
struct Cut {
    /// Queries in a block.
    queries: usize,
    /// Rows in a tile.
    rows: usize,
    /// Parts that the keys of a block are divided into.
    parts: usize,
}

impl<E: Element> Work<'_, E> {
    fn run(&self, out: &mut [f32]) -> Result<()> {
        let Attention { heads, value_dim, .. } = *self.attention;
        let cut = self.cut();
        let chunks = out.par_chunks_mut(cut.queries * heads * value_dim).enumerate();
        chunks.with_max_len(1).try_for_each(|(block, out)| {
            let first = block * cut.queries;
            let queries = first..(first + cut.queries).min(self.queries);
            self.block(&cut, queries, out)
        })
    }

    fn cut(&self) -> Cut {
        let group = self.attention.group();
        let rows = if self.queries * group <= NARROW_ROWS { NARROW_ROWS } else { VECTORS * self.isa.width() };
        let queries = (rows / group).max(1);
        let tiles = self.queries.div_ceil(queries) * self.attention.kv_heads * (queries * group).div_ceil(rows);
        Cut { queries, rows, parts: TILES.div_ceil(tiles) }
    }

    /// Attention of some queries; `out` is theirs alone.
    fn block(&self, cut: &Cut, queries: Range<usize>, out: &mut [f32]) -> Result<()> {
        let Attention { heads, kv_heads, head_dim, value_dim, start, .. } = *self.attention;
        let group = self.attention.group();
        let rows = queries.start * group..queries.end * group;
        let seen = first_seen(self.attention, start + queries.start)..start + queries.end;
        // Parts are whole blocks, so that all but the last block are full.
        let part = seen.len().div_ceil(cut.parts).max(LEAST_KEYS).next_multiple_of(BLOCK);
        let parts = seen.len().div_ceil(part).max(1);
        let tiles = rows.len().div_ceil(cut.rows);

        let one = |index: usize| {
            if (self.stop)() {
                return Err(Error::Interrupted);
            }
            let (head, tile, key) = (index / parts / tiles, index / parts % tiles, index % parts);
            let row = rows.start + tile * cut.rows;
            let key = (seen.start + key * part).min(seen.end);
            self.tile(head, row..(row + cut.rows).min(rows.end), key..(key + part).min(seen.end))
        };
        let count = kv_heads * tiles * parts;
        let products = heads * queries.len() * seen.len() * (head_dim + value_dim);
        let partials: Vec<Partial> = if count == 1 || products < ALONE {
            (0..count).map(one).collect::<Result<_>>()?
        } else {
            (0..count).into_par_iter().with_max_len(1).map(one).collect::<Result<_>>()?
        };

        for (index, partials) in partials.chunks(parts).enumerate() {
            let (head, tile) = (index / tiles, index % tiles);
            let first = tile * cut.rows;
            for row in first..(first + cut.rows).min(rows.len()) {
                let at = (row / group * heads + head * group + row % group) * value_dim;
                if let Some(out) = out.get_mut(at..at + value_dim) {
                    Partial::join(partials, row - first, out);
                }
            }
        }
        Ok(())
    }

    fn tile(&self, head: usize, rows: Range<usize>, range: Range<usize>) -> Result<Partial> {
        let Attention { head_dim, value_dim, .. } = *self.attention;
        let of = |(all, capacity): (_, usize), dim: usize| -> Option<&[E]> {
            let all: &[E] = all;
            all.get(head * capacity * dim..)?.get(..range.end * dim)
        };
        let (Some(keys), Some(values)) = (of(self.keys, head_dim), of(self.values, value_dim)) else {
            return Err(Error::argument("cache", "as many rows as queries see", "fewer"));
        };
        let narrow = rows.len() <= NARROW_ROWS;
        let tile = Tile { attention: self.attention, q: self.q, keys, values, head, rows, range };
        Ok(if narrow { self.isa.run(Narrow(tile)) } else { self.isa.run(Wide(tile)) })
    }
}
