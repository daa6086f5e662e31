//! What is computed row by row along one dimension: softmax, top-k, sorting, running sums.

use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::DType;
use crate::tensor::elementwise::{arithmetic_type, sum_type};
use crate::tensor::meter::Meter;
use crate::tensor::values::CHUNK;
use crate::tensor::{Tensor, memory, shape};
use rayon::prelude::*;
use std::cmp::Ordering;

/// Larger before smaller, NaN before everything (as PyTorch's `topk`), equals in the order they came.
fn descending(a: &(f64, usize), b: &(f64, usize)) -> Ordering {
    match (a.0.is_nan(), b.0.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal),
    }
    .then(a.1.cmp(&b.1))
}

/// NumPy's order: smaller first, NaN last, equals in the order they came.
fn ascending(a: &(f64, usize), b: &(f64, usize)) -> Ordering {
    match (a.0.is_nan(), b.0.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal),
    }
    .then(a.1.cmp(&b.1))
}

fn softmax_row(row: &mut [f64], log: bool) {
    // The largest value is taken off first: exp never overflows. NaN anywhere makes the row NaN, as does a row of -inf.
    let top = row.iter().copied().fold(f64::NEG_INFINITY, |a, v| if a.is_nan() || a > v { a } else { v });
    let sum: f64 = row.iter().map(|v| (v - top).exp()).sum();
    if log {
        // In this order the difference of large values keeps its digits.
        let log_sum = sum.ln();
        row.iter_mut().for_each(|v| *v = (*v - top) - log_sum);
    } else {
        row.iter_mut().for_each(|v| *v = (*v - top).exp() / sum);
    }
}

impl Tensor {
    /// exp(x) / Σ exp(x) along a dimension, computed in double precision without overflow.
    pub fn softmax(&self, dim: i64, control: &Control) -> Result<Self> {
        self.per_row("softmax", dim, sum_type(self.dtype()), control, |row| softmax_row(row, false))
    }

    /// log(softmax(x)) along a dimension, without the loss of taking the logarithm afterwards.
    pub fn log_softmax(&self, dim: i64, control: &Control) -> Result<Self> {
        self.per_row("log_softmax", dim, sum_type(self.dtype()), control, |row| softmax_row(row, true))
    }

    /// Running sums along a dimension.
    pub fn cumsum(&self, dim: i64, control: &Control) -> Result<Self> {
        let own = arithmetic_type(self.dtype());
        let dtype = if own == DType::I64 { own } else { sum_type(own) };
        self.per_row("cumsum", dim, dtype, control, |row| {
            let mut sum = 0.0;
            row.iter_mut().for_each(|v| {
                sum += *v;
                *v = sum;
            });
        })
    }

    /// Each row divided by its Euclidean norm; rows of zeros stay.
    pub fn normalize(&self, dim: i64, control: &Control) -> Result<Self> {
        self.per_row("normalize", dim, sum_type(self.dtype()), control, |row| {
            let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            if norm != 0.0 {
                row.iter_mut().for_each(|v| *v /= norm);
            }
        })
    }

    /// The `k` largest values along a dimension, largest first, and their positions (I64). Of equal values the one at the lower
    /// position comes first; NaN counts as largest.
    pub fn topk(&self, k: usize, dim: i64, control: &Control) -> Result<(Self, Self)> {
        let length = self.row_length("topk", dim)?;
        if k > length {
            return Err(Error::argument(
                "topk",
                format!("a k of at most {length}, the length of dimension {dim}"),
                k.to_string(),
            ));
        }
        self.picked("topk", dim, k, control, |pairs| {
            if k > 0 && k < pairs.len() {
                pairs.select_nth_unstable_by(k - 1, descending);
            }
            pairs.truncate(k);
            pairs.sort_unstable_by(descending);
        })
    }

    /// The values along a dimension in ascending order (or descending), and their positions (I64). Equal values keep their order;
    /// NaN comes last (descending: first).
    pub fn sort(&self, dim: i64, largest_first: bool, control: &Control) -> Result<(Self, Self)> {
        let length = self.row_length("sort", dim)?;
        let order = if largest_first { descending } else { ascending };
        self.picked("sort", dim, length, control, |pairs| pairs.sort_unstable_by(order))
    }

    fn row_length(&self, what: &str, dim: i64) -> Result<usize> {
        Ok(self.shape().get(shape::axis(what, dim, self.rank())?).copied().unwrap_or(1))
    }

    /// The tensor with `dim` exchanged with the last dimension, whether that moved anything, and the row length.
    fn rows_last(&self, what: &str, dim: i64) -> Result<(Self, bool, usize)> {
        let at = shape::axis(what, dim, self.rank())?;
        let moved = at + 1 != self.rank();
        let turned = if moved { self.transpose(at as i64, -1)? } else { self.clone() };
        let length = turned.shape().last().copied().unwrap_or(1);
        Ok((turned, moved, length))
    }

    fn per_row(
        &self,
        what: &str,
        dim: i64,
        dtype: DType,
        control: &Control,
        f: impl Fn(&mut [f64]) + Sync,
    ) -> Result<Self> {
        let (turned, moved, length) = self.rows_last(what, dim)?;
        memory::room_for(what, self.elements(), size_of::<f64>() + dtype.block_bytes())?;
        let values = turned.values()?;
        let mut out = vec![0f64; turned.elements()];
        let chunk = length.max(1) * (CHUNK / length.max(1)).max(1);
        crate::tensor::values::fill(control, &self.describe(what), &mut out, chunk, |part, start| {
            values.read(start, part)?;
            part.chunks_mut(length.max(1)).for_each(&f);
            Ok(())
        })?;
        let done = Self::from_values(out, turned.shape())?.cast(dtype)?;
        if moved { done.transpose(dim, -1) } else { Ok(done) }
    }

    /// Rows reordered: `pick` arranges (value, position) pairs and keeps `keep` of them.
    fn picked(
        &self,
        what: &str,
        dim: i64,
        keep: usize,
        control: &Control,
        pick: impl Fn(&mut Vec<(f64, usize)>) + Sync,
    ) -> Result<(Self, Self)> {
        let (turned, moved, length) = self.rows_last(what, dim)?;
        let rows = turned.elements().checked_div(length).unwrap_or(0);
        memory::room_for(what, rows.saturating_mul(keep), 32)?;
        let values = turned.values()?;
        let meter = Meter::new(control, self.describe(what), turned.elements(), "values");
        let found = (0..rows)
            .into_par_iter()
            .with_min_len((CHUNK / length.max(1)).max(1))
            .map_init(
                || (Vec::new(), Vec::new()),
                |(buffer, pairs): &mut (Vec<f64>, Vec<(f64, usize)>), row| {
                    meter.step(length)?;
                    buffer.resize(length, 0.0);
                    values.read(row * length, buffer)?;
                    pairs.clear();
                    pairs.extend(buffer.iter().copied().zip(0..));
                    pick(pairs);
                    Ok(pairs.clone())
                },
            )
            .collect::<Result<Vec<_>>>()?;
        meter.finish();
        let mut shape = turned.shape().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = keep;
        }
        let (mut best, mut at) = (Vec::with_capacity(rows * keep), Vec::with_capacity(rows * keep));
        for (v, i) in found.into_iter().flatten() {
            best.push(v);
            at.push(i as i64);
        }
        let best = Self::from_values(best, &shape)?.cast(arithmetic_type(self.dtype()))?;
        let at = Self::from_values(at, &shape)?;
        if moved { Ok((best.transpose(dim, -1)?, at.transpose(dim, -1)?)) } else { Ok((best, at)) }
    }
}
