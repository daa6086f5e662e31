//! Indexing with NumPy's syntax and semantics: `"0:3, :, -1"`, `"..., ::2"`, `"None, 5"`, `"[0, 2, 7], :"`.

use crate::error::{Error, Result};
use crate::tensor::{Tensor, memory};
use candle_core::{Device, Tensor as Candle};

/// One comma-separated part of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Index {
    /// One entry; the dimension goes away. Out of range is an error.
    At(i64),
    /// `start:stop:step`; out of range is cut, as NumPy does.
    Range {
        /// First entry; from the end when negative.
        start: Option<i64>,
        /// One past the last entry.
        stop: Option<i64>,
        /// Distance between entries; negative walks backwards; never 0.
        step: i64,
    },
    /// `[0, 2, 7]`: these entries in this order.
    List(Vec<i64>),
    /// `...`: as many whole dimensions as are needed.
    Ellipsis,
    /// `None` or `newaxis`: a new dimension of length 1.
    NewAxis,
}

/// Reads an index such as `"0:3, :, -1"`.
pub fn parse_indices(text: &str) -> Result<Vec<Index>> {
    let wrong = |part: &str| {
        Error::argument(
            format!("index {text:?}"),
            "integers, start:stop:step, [lists], ... and None, separated by commas",
            format!("{part:?}"),
        )
    };
    let mut parts = split(text).ok_or_else(|| wrong("unbalanced brackets"))?;
    // One trailing comma is NumPy's way of writing a tuple.
    if parts.len() > 1 && parts.last().is_some_and(|p| p.is_empty()) {
        parts.pop();
    }
    parts
        .into_iter()
        .map(|part| {
            let integer = |s: &str| s.trim().parse::<i64>().map_err(|_| wrong(part));
            let optional = |s: &str| if s.trim().is_empty() { Ok(None) } else { integer(s).map(Some) };
            match part {
                "..." => Ok(Index::Ellipsis),
                "None" | "newaxis" | "np.newaxis" => Ok(Index::NewAxis),
                _ if part.starts_with('[') => {
                    let inner = part.strip_prefix('[').and_then(|p| p.strip_suffix(']')).ok_or_else(|| wrong(part))?;
                    let inner = inner.trim().trim_end_matches(',');
                    if inner.is_empty() {
                        return Ok(Index::List(Vec::new()));
                    }
                    Ok(Index::List(inner.split(',').map(integer).collect::<Result<_>>()?))
                }
                _ if part.contains(':') => {
                    let fields: Vec<&str> = part.split(':').collect();
                    let (start, stop, step) = match fields.as_slice() {
                        [a, b] => (*a, *b, ""),
                        [a, b, c] => (*a, *b, *c),
                        _ => return Err(wrong(part)),
                    };
                    let step = optional(step)?.unwrap_or(1);
                    if step == 0 {
                        return Err(Error::argument(format!("index {text:?}"), "a step other than 0", "0"));
                    }
                    Ok(Index::Range { start: optional(start)?, stop: optional(stop)?, step })
                }
                _ => integer(part).map(Index::At),
            }
        })
        .collect()
}

/// Splits at the commas that are outside brackets.
fn split(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0i32, 0);
    for (i, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text.get(from..i)?.trim());
                from = i + 1;
            }
            _ => {}
        }
        if !(0..=1).contains(&depth) {
            return None;
        }
    }
    parts.push(text.get(from..)?.trim());
    (depth == 0).then_some(parts)
}

/// Which entries of a dimension of `length` a range selects: the first, how many, and the step (CPython's `PySlice_AdjustIndices`).
fn resolve(start: Option<i64>, stop: Option<i64>, step: i64, length: usize) -> (i64, usize) {
    let n = length as i64;
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let fix = |v: i64| (if v < 0 { v.saturating_add(n) } else { v }).clamp(low, high);
    let start = start.map_or(if step > 0 { 0 } else { n - 1 }, fix);
    let stop = stop.map_or(if step > 0 { n } else { -1 }, fix);
    let distance = if step > 0 { stop - start } else { start - stop };
    let count = if distance > 0 { (distance - 1) / step.saturating_abs() + 1 } else { 0 };
    (start, count as usize)
}

/// An entry's position from a number that may count from the end.
fn entry(i: i64, dim: usize, shape: &[usize], length: usize) -> Result<usize> {
    let n = length as i64;
    let at = if i < 0 { i.saturating_add(n) } else { i };
    if at < 0 || at >= n {
        let expected = if n == 0 {
            "a dimension that is not empty".to_owned()
        } else {
            format!("an index from {} to {}", -n, n - 1)
        };
        return Err(Error::argument(format!("dimension {dim} of shape {shape:?}"), expected, i.to_string()));
    }
    Ok(at as usize)
}

impl Tensor {
    /// A part of the tensor by NumPy's index syntax; see [`Index`]. Leading entries of a file's tensor are not read.
    pub fn slice(&self, text: &str) -> Result<Self> {
        self.indexed(&parse_indices(text)?)
    }

    /// One entry of the outermost dimension; negative counts from the end.
    pub fn index(&self, i: i64) -> Result<Self> {
        self.indexed(&[Index::At(i)])
    }

    /// A part of the tensor.
    pub fn indexed(&self, indices: &[Index]) -> Result<Self> {
        let consumed = indices.iter().filter(|i| !matches!(i, Index::Ellipsis | Index::NewAxis)).count();
        if consumed > self.rank() {
            let found = format!("{consumed} indices");
            return Err(Error::argument(format!("index of shape {:?}", self.shape()), at_most(self.rank()), found));
        }
        if indices.iter().filter(|i| **i == Index::Ellipsis).count() > 1 {
            return Err(Error::argument("index", "one ... at most", "more than one"));
        }
        let whole = || std::iter::repeat_n(Index::Range { start: None, stop: None, step: 1 }, self.rank() - consumed);
        let mut full: Vec<Index> = Vec::with_capacity(self.rank());
        for i in indices {
            match i {
                Index::Ellipsis => full.extend(whole()),
                other => full.push(other.clone()),
            }
        }
        if !indices.contains(&Index::Ellipsis) {
            full.extend(whole());
        }

        let mut current = self.clone();
        let mut shape: Vec<usize> = Vec::with_capacity(full.len());
        // `dim` walks over the source's dimensions, all of which `current` still has.
        let mut dim = 0;
        for index in &full {
            let length = self.shape().get(dim).copied().unwrap_or(1);
            match index {
                Index::NewAxis => {
                    shape.push(1);
                    continue;
                }
                Index::Ellipsis => continue,
                Index::At(i) => {
                    let at = entry(*i, dim, self.shape(), length)?;
                    current = current.narrowed(dim, at, 1)?;
                }
                Index::Range { start, stop, step } => {
                    let (first, count) = resolve(*start, *stop, *step, length);
                    shape.push(count);
                    if count == 0 {
                        current = current.emptied(dim)?;
                    } else if *step == 1 {
                        current = current.narrowed(dim, first as usize, count)?;
                    } else {
                        let ids: Vec<u32> = (0..count as i64).map(|k| (first + k * step) as u32).collect();
                        current = current.selected(dim, &ids)?;
                    }
                }
                Index::List(list) => {
                    let ids = list
                        .iter()
                        .map(|i| entry(*i, dim, self.shape(), length).map(|i| i as u32))
                        .collect::<Result<Vec<_>>>()?;
                    shape.push(ids.len());
                    current = if ids.is_empty() { current.emptied(dim)? } else { current.selected(dim, &ids)? };
                }
            }
            dim += 1;
        }
        current.with_shape(&shape)
    }

    fn narrowed(self, dim: usize, first: usize, count: usize) -> Result<Self> {
        if self.shape().get(dim) == Some(&count) {
            return Ok(self);
        }
        // Dimensions before this one of length 1 leave the selection contiguous: it can stay in the file.
        if !self.is_loaded() && self.shape().iter().take(dim).all(|d| *d == 1) && self.elements() > 0 {
            let mut shape = self.shape().to_vec();
            let inner = self.with_shape(shape.get(dim..).unwrap_or_default())?.window(first, count)?;
            if let Some(d) = shape.get_mut(dim) {
                *d = count;
            }
            return inner.with_shape(&shape);
        }
        if self.elements() == 0 {
            return self.resized_empty(dim, count);
        }
        self.with_candle(self.host()?.narrow(dim, first, count)?)
    }

    fn selected(self, dim: usize, ids: &[u32]) -> Result<Self> {
        if self.elements() == 0 {
            return self.resized_empty(dim, ids.len());
        }
        let length = self.shape().get(dim).copied().unwrap_or(1).max(1);
        memory::room_for("index", (self.elements() / length).saturating_mul(ids.len()), size_of::<f32>())?;
        // Of a file only the rows asked for are read.
        if !self.is_loaded() && dim == 0 {
            let rows = ids.iter().map(|i| i64::from(*i)).collect();
            return self.take(&Self::from_integers(rows, &[ids.len()])?);
        }
        let ids = Candle::from_slice(ids, ids.len(), &Device::Cpu)?;
        self.with_candle(self.host()?.contiguous()?.index_select(&ids, dim)?)
    }

    fn emptied(self, dim: usize) -> Result<Self> {
        self.resized_empty(dim, 0)
    }

    /// An empty tensor of this type whose dimension `dim` has length `count`.
    fn resized_empty(&self, dim: usize, count: usize) -> Result<Self> {
        let mut shape = self.shape().to_vec();
        if let Some(d) = shape.get_mut(dim) {
            *d = count;
        }
        Self::from_vec(Vec::new(), &shape)?.cast(crate::tensor::handle::memory_type(self.dtype()))
    }
}

fn at_most(rank: usize) -> String {
    match rank {
        0 => "no index: it is a scalar".to_owned(),
        1 => "one index".to_owned(),
        n => format!("at most {n} indices"),
    }
}
