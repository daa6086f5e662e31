//! Selecting by name, by position lists and by truth values.

use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::{DType, TensorFile};
use crate::tensor::elementwise::{arithmetic_type, build};
use crate::tensor::{Tensor, memory};
use globset::GlobBuilder;
use std::sync::Arc;

impl Tensor {
    /// The tensors of a file whose names match a glob (`*.q_proj.*`, `blk.[0-3].*`, `{a,b}`; `*` spans dots), in file order. None of their
    /// values are read. A pattern that matches nothing is an error that suggests the nearest name.
    pub fn matching(file: &Arc<dyn TensorFile>, pattern: &str) -> Result<Vec<Self>> {
        let glob = GlobBuilder::new(pattern)
            .build()
            .map_err(|e| {
                Error::argument("pattern", "a glob such as *.q_proj.*", format!("{pattern:?} ({})", e.kind()))
            })?
            .compile_matcher();
        let hits = file.tensors().iter().enumerate().filter(|(_, t)| glob.is_match(&t.name));
        let found = hits.map(|(i, _)| Self::from_file(file.clone(), i)).collect::<Result<Vec<_>>>()?;
        if found.is_empty() {
            return Err(Error::no_tensor(pattern, file.tensors().iter().map(|t| t.name.as_str())));
        }
        Ok(found)
    }

    /// The entries of the outermost dimension at these positions (an integer tensor of any shape; negative counts from the end): an
    /// embedding lookup. Of a file only those entries are read. The result has the shape of `ids` followed by that of an entry.
    pub fn take(&self, ids: &Self) -> Result<Self> {
        let Some((length, inner)) = self.shape().split_first() else {
            return Err(Error::argument("index", "a tensor with dimensions", "a scalar"));
        };
        if arithmetic_type(ids.dtype()) != DType::I64 {
            return Err(Error::argument("index", "an integer or BOOL tensor", ids.dtype().name()));
        }
        let n = *length as i64;
        let rows = ids.to_vec_i64()?;
        let rows = rows
            .into_iter()
            .map(|i| if i < 0 { i.saturating_add(n) } else { i })
            .map(|i| usize::try_from(i).ok().filter(|i| i < length).ok_or(i))
            .collect::<Result<Vec<usize>, i64>>()
            .map_err(|i| {
                let what = format!("dimension 0 of shape {:?}", self.shape());
                Error::argument(what, format!("indices from {} to {}", -n, n - 1), i.to_string())
            })?;
        let shape: Vec<usize> = ids.shape().iter().chain(inner).copied().collect();
        let total = memory::elements("index", &shape)?;
        let width: usize = inner.iter().product();
        let dtype = if self.dtype() == DType::BOOL { DType::BOOL } else { arithmetic_type(self.dtype()) };
        memory::room_for("index", total, dtype.block_bytes())?;
        let values = self.values()?;
        let row_at = |i: usize| rows.get(i).copied().unwrap_or(0);
        let copy = |out: &mut [f64], start: usize| {
            let mut done = 0;
            while done < out.len() {
                let (row, column) = ((start + done) / width, (start + done) % width);
                let n = (width - column).min(out.len() - done);
                values.read(row_at(row) * width + column, out.get_mut(done..done + n).unwrap_or_default())?;
                done += n;
            }
            Ok(())
        };
        if dtype != DType::I64 {
            return build::<f64>(dtype, &shape, total, &Control::default(), copy);
        }
        build::<i64>(dtype, &shape, total, &Control::default(), |out, start| {
            for (k, v) in out.iter_mut().enumerate() {
                let (row, column) = ((start + k) / width, (start + k) % width);
                values.read(row_at(row) * width + column, std::slice::from_mut(v))?;
            }
            Ok(())
        })
    }

    /// The values where `mask` (BOOL) is true, as one dimension; or, where the mask has one dimension, the entries of the outermost
    /// dimension where it is.
    pub fn masked(&self, mask: &Self) -> Result<Self> {
        let whole = mask.shape() == self.shape();
        if mask.dtype() != DType::BOOL || !(whole || (mask.rank() == 1 && mask.shape().first() == self.shape().first()))
        {
            return Err(Error::argument(
                "mask",
                format!("a BOOL tensor of shape {:?} or of its first dimension", self.shape()),
                format!("{} {:?}", mask.dtype(), mask.shape()),
            ));
        }
        let at: Vec<i64> = mask.to_vec_i64()?.into_iter().zip(0..).filter(|(m, _)| *m != 0).map(|(_, i)| i).collect();
        let count = at.len();
        let ids = Self::from_integers(at, &[count])?;
        if whole { self.flatten()?.take(&ids) } else { self.take(&ids) }
    }

    /// The positions where a tensor is not zero, one row of coordinates each: `[count, rank]`.
    pub fn nonzero(&self) -> Result<Self> {
        let shape = self.shape();
        let mut found = Vec::new();
        let hits = self.to_vec_f64()?.into_iter().enumerate().filter(|(_, v)| *v != 0.0);
        let mut count = 0;
        for (mut flat, _) in hits {
            let from = found.len();
            for d in shape.iter().rev() {
                found.push((flat % d) as i64);
                flat /= d;
            }
            found.get_mut(from..).unwrap_or_default().reverse();
            count += 1;
        }
        Self::from_integers(found, &[count, shape.len()])
    }
}
