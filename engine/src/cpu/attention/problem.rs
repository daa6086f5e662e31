//! What attention is asked for, and whether the shapes fit.

use crate::error::{Error, Result};
use half::f16;

/// Positions are compared as `f32`, which counts to here without gaps.
const POSITIONS: usize = 1 << 24;

/// The form of attention, and where the queries stand.
///
/// Query i stands at position `start + i` and sees the keys at positions from `hidden` to its own, the last `window`
/// of them where there is a window. The score of a key is s = scale · q·k, then cap · tanh(s ÷ cap) where there is a
/// cap, then s + slope · (key's position − query's position) where there are slopes.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// Query heads; a multiple of `kv_heads`.
    pub heads: usize,
    /// Key and value heads; query head h uses key head h ÷ (heads ÷ kv_heads).
    pub kv_heads: usize,
    /// Numbers in a query and in a key.
    pub head_dim: usize,
    /// Numbers in a value.
    pub value_dim: usize,
    /// Factor on q·k, usually 1 ÷ √head_dim.
    pub scale: f32,
    /// Bounds scores smoothly by ± this.
    pub softcap: Option<f32>,
    /// Keys a query sees, its own included.
    pub window: Option<usize>,
    /// A slope for each query head: linear biases (Press et al., "Train Short, Test Long", 2021).
    pub slopes: Option<&'a [f32]>,
    /// Position of the first query.
    pub start: usize,
    /// Position of the first key that can be seen: those before are padding.
    pub hidden: usize,
}

/// Numbers of a cache, in either of two formats.
#[derive(Clone, Copy, Debug)]
pub enum Elements<'a> {
    /// Single precision.
    F32(&'a [f32]),
    /// Half precision.
    F16(&'a [f16]),
}

/// The keys, or the values, of a cache: [heads, capacity, dim], of which each head's first `len` rows are filled.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    /// The numbers.
    pub elements: Elements<'a>,
    /// Key and value heads.
    pub heads: usize,
    /// Rows there is room for in a head.
    pub capacity: usize,
    /// Numbers in a row.
    pub dim: usize,
    /// Rows that are filled.
    pub len: usize,
}

impl Keys<'_> {
    fn check(&self, what: &str, heads: usize, dim: usize, needed: usize) -> Result<()> {
        if (self.heads, self.dim) != (heads, dim) {
            let found = format!("{} of {}", self.heads, self.dim);
            return Err(Error::argument(what, format!("{heads} heads of {dim} numbers"), found));
        }
        if self.len < needed || self.len > self.capacity {
            let found = format!("{} in room for {}", self.len, self.capacity);
            return Err(Error::argument(what, format!("{needed} filled rows"), found));
        }
        let there = match self.elements {
            Elements::F32(numbers) => numbers.len(),
            Elements::F16(numbers) => numbers.len(),
        };
        match heads.checked_mul(self.capacity).and_then(|rows| rows.checked_mul(dim)) {
            Some(size) if size <= there => Ok(()),
            _ => {
                let expected = format!("{heads} × {} × {dim} numbers", self.capacity);
                Err(Error::argument(what, expected, there.to_string()))
            }
        }
    }
}

impl Attention<'_> {
    /// Query heads that share a key head.
    pub(super) fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// The number of queries, when everything fits together.
    pub(super) fn check(&self, q: &[f32], k: &Keys<'_>, v: &Keys<'_>, out: &[f32]) -> Result<usize> {
        let Self { heads, kv_heads, head_dim, value_dim, .. } = *self;
        if kv_heads == 0 || heads == 0 || !heads.is_multiple_of(kv_heads) {
            let found = format!("{heads} over {kv_heads}");
            return Err(Error::argument("attention heads", "query heads that divide evenly among key heads", found));
        }
        let row = heads.checked_mul(head_dim).filter(|row| *row > 0 && q.len().is_multiple_of(*row));
        let Some(row) = row else {
            let found = format!("{} numbers", q.len());
            return Err(Error::argument("queries", format!("rows of {heads} × {head_dim} numbers"), found));
        };
        let queries = q.len() / row;
        let size = queries.checked_mul(heads).and_then(|rows| rows.checked_mul(value_dim));
        if value_dim == 0 || size != Some(out.len()) {
            let expected = format!("{queries} × {heads} × {value_dim} numbers");
            return Err(Error::argument("result of attention", expected, out.len().to_string()));
        }
        let needed = self.start.saturating_add(queries);
        if needed > POSITIONS {
            return Err(Error::argument("position", format!("at most {POSITIONS}"), needed.to_string()));
        }
        k.check("keys", kv_heads, head_dim, needed)?;
        v.check("values", kv_heads, value_dim, needed)?;
        if self.window == Some(0) {
            return Err(Error::argument("attention window", "at least 1", "0"));
        }
        if let Some(cap) = self.softcap
            && (cap.is_nan() || cap <= 0.0)
        {
            return Err(Error::argument("soft cap", "a number greater than 0", cap.to_string()));
        }
        if let Some(slopes) = self.slopes
            && slopes.len() != heads
        {
            return Err(Error::argument("slopes", format!("{heads}, one for each head"), slopes.len().to_string()));
        }
        Ok(queries)
    }
}
