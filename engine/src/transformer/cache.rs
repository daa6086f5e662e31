//! The key/value cache of one sequence.

use crate::error::{Error, Result};
use candle_core::{DType, Tensor};

/// Tokens a cache grows by at least, so that decoding does not copy at every token.
const GROW: usize = 256;

/// Keys and values of every block. A clone shares memory until one of both writes.
#[derive(Debug, Clone)]
pub struct Cache {
    blocks: Vec<Block>,
    len: usize,
    limit: usize,
    dtype: DType,
}

/// Keys and values of one block, `[kv_heads, capacity, head_dim]` each; `None` before the first token.
#[derive(Debug, Clone, Default)]
struct Block {
    keys: Option<Shared>,
    values: Option<Shared>,
}

/// A buffer and who owns it: written in place only by its sole owner.
#[derive(Debug, Clone)]
struct Shared {
    buffer: Tensor,
    owners: std::sync::Arc<()>,
}

impl Cache {
    /// An empty cache for `layers` blocks that holds at most `limit` tokens, as numbers of `dtype`: F32, or F16 for half
    /// the memory.
    pub fn new(layers: usize, limit: usize, dtype: DType) -> Self {
        Self { blocks: vec![Block::default(); layers], len: 0, limit, dtype }
    }

    /// Tokens that every block holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Tokens it can hold.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Forgets all but the first `len` tokens; more than there are changes nothing.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        if self.len == 0 {
            self.blocks.fill(Block::default());
        }
    }

    /// Bytes allocated, shared buffers counted in full.
    pub fn bytes(&self) -> usize {
        let size = |s: &Option<Shared>| s.as_ref().map_or(0, |s| s.buffer.elem_count() * self.dtype.size_in_bytes());
        self.blocks.iter().map(|b| size(&b.keys) + size(&b.values)).sum()
    }

    /// Writes a block's keys and values of the tokens after [`Cache::len`] (`[kv_heads, tokens, head_dim]`) and returns
    /// those of all tokens so far. The tokens count only once [`Cache::advance`] says so, after the last block: a pass
    /// that stops half-way leaves the cache as it was.
    pub fn append(&mut self, layer: usize, keys: &Tensor, values: &Tensor) -> Result<(Tensor, Tensor)> {
        let (len, limit) = (self.len, self.limit);
        let total = len + keys.dim(1)?;
        if total > limit {
            return Err(Error::ContextOverflow { tokens: total, context: limit });
        }
        let block = self
            .blocks
            .get_mut(layer)
            .ok_or_else(|| Error::argument("cache", "a block of the model", format!("block {layer}")))?;
        let (keys, values) = (keys.to_dtype(self.dtype)?, values.to_dtype(self.dtype)?);
        Ok((write(&mut block.keys, &keys, len, limit)?, write(&mut block.values, &values, len, limit)?))
    }

    /// Counts `tokens` more, now that every block has them.
    pub fn advance(&mut self, tokens: usize) {
        self.len = (self.len + tokens).min(self.limit);
    }
}

/// Writes `new` at `len` into the slot's buffer, made larger or its own where needed, and returns the filled part.
fn write(slot: &mut Option<Shared>, new: &Tensor, len: usize, limit: usize) -> Result<Tensor> {
    let (heads, tokens, width) = new.dims3()?;
    let total = len + tokens;
    let new = new.contiguous()?;
    let fits = slot.as_mut().is_some_and(|s| {
        std::sync::Arc::get_mut(&mut s.owners).is_some() && s.buffer.dim(1).is_ok_and(|capacity| capacity >= total)
    });
    if !fits {
        let capacity = total.max(len + len / 2).next_multiple_of(GROW).min(limit.max(total));
        let buffer = Tensor::zeros((heads, capacity, width), new.dtype(), new.device())?;
        if let Some(old) = slot.as_ref().filter(|_| len > 0) {
            buffer.slice_set(&old.buffer.narrow(1, 0, len)?.contiguous()?, 1, 0)?;
        }
        *slot = Some(Shared { buffer, owners: std::sync::Arc::new(()) });
    }
    let buffer = match slot {
        Some(shared) => &shared.buffer,
        None => return Err(Error::backend("candle", "the cache has no buffer")),
    };
    buffer.slice_set(&new, 1, len)?;
    Ok(buffer.narrow(1, 0, total)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use candle_core::Device;

    fn tokens(from: f32, n: usize) -> Tensor {
        let values: Vec<f32> = (0..2 * n * 3).map(|i| from + i as f32).collect();
        Tensor::from_vec(values, (2, n, 3), &Device::Cpu).unwrap()
    }

    fn push(cache: &mut Cache, from: f32, n: usize) -> Vec<f32> {
        let t = tokens(from, n);
        let (k, v) = cache.append(0, &t, &t).unwrap();
        cache.advance(n);
        let values = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let (k, v) = (values(k), values(v));
        assert_eq!(k, v);
        k
    }

    #[test]
    fn a_fork_is_independent_of_its_origin() {
        let mut a = Cache::new(1, 1000, DType::F32);
        let first = push(&mut a, 0.0, 2);
        let mut b = a.clone();
        let in_b = push(&mut b, 100.0, 1);
        let in_a = push(&mut a, 200.0, 1);
        assert_eq!(first, (0..12).map(|i| i as f32).collect::<Vec<_>>());
        assert_eq!(in_a, [0., 1., 2., 3., 4., 5., 200., 201., 202., 6., 7., 8., 9., 10., 11., 203., 204., 205.]);
        assert_eq!(in_b, [0., 1., 2., 3., 4., 5., 100., 101., 102., 6., 7., 8., 9., 10., 11., 103., 104., 105.]);
    }

    #[test]
    fn it_grows_and_keeps_what_it_had_and_stops_at_its_limit() {
        let mut cache = Cache::new(1, 600, DType::F32);
        for i in 0..600 {
            let all = push(&mut cache, i as f32, 1);
            assert_eq!(all[0], 0.0);
            assert_eq!(all[3 * i], i as f32);
        }
        let t = tokens(0.0, 1);
        let e = cache.append(0, &t, &t).unwrap_err();
        assert!(matches!(e, Error::ContextOverflow { tokens: 601, context: 600 }), "{e}");
        cache.truncate(1);
        assert_eq!(push(&mut cache, 7.0, 1)[3..6], [7.0, 8.0, 9.0]);
    }

    #[test]
    fn what_was_not_advanced_is_overwritten() {
        let mut cache = Cache::new(1, 10, DType::F32);
        push(&mut cache, 0.0, 1);
        let lost = tokens(50.0, 4);
        cache.append(0, &lost, &lost).unwrap();
        assert_eq!(cache.len(), 1);
        assert_eq!(push(&mut cache, 9.0, 1)[3..6], [9.0, 10.0, 11.0]);
    }
}
