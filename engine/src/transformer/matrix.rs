//! A weight matrix as it is stored: plain numbers or blocks of quantized ones, read where they lie.

use super::kernels;
use super::weights::Part;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::{DType, TensorFile};
use candle_core::{D, Device, Tensor};
use rayon::prelude::*;
use std::sync::Arc;

/// Up to this many rows of `x`, each row of weights is expanded into a small buffer that stays in the nearest cache and
/// multiplied at once; above, parts of the matrix are expanded and handed to a blocked matrix product.
const FEW: usize = 4;

/// Weights expanded to f32 at a time, 8 MB: small beside the model, large enough for a matrix product to run at full
/// speed, and at 256 rows of `x` a few tens of milliseconds of work between two looks at the interrupt.
const EXPANDED: usize = 2 << 20;

/// Weights per task of a parallel loop.
const TASK: usize = 32 << 10;

/// A matrix `[rows, cols]` in the bytes of a file or in memory. Cheap to clone.
#[derive(Clone)]
pub struct Matrix {
    bytes: Bytes,
    dtype: DType,
    /// The first of the rows among those of `bytes`.
    start: usize,
    rows: usize,
    cols: usize,
    row_bytes: usize,
}

#[derive(Clone)]
enum Bytes {
    Mapped(Arc<dyn TensorFile>, usize),
    Owned(Arc<Vec<u8>>),
}

impl std::fmt::Debug for Matrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = if self.is_mapped() { "mapped" } else { "in memory" };
        write!(f, "{}[{}, {}] {place}", self.dtype, self.rows, self.cols)
    }
}

impl Matrix {
    /// A part of the tensor at `index` of `file`, used in place; a transposed one is turned into memory of its own.
    pub fn mapped(file: Arc<dyn TensorFile>, index: usize, part: Part) -> Result<Self> {
        let info = file
            .tensors()
            .get(index)
            .cloned()
            .ok_or_else(|| Error::argument("tensor", "an index into the file", index.to_string()))?;
        if part.transposed {
            return Self::transposed(&*file, index, part);
        }
        let length = file.data(index)?.len();
        let mut matrix = Self::new(
            Bytes::Mapped(file, index),
            length,
            info.dtype,
            info.elements() / part.cols.max(1),
            part.cols,
            &info.name,
        )?;
        if part.start + part.rows > matrix.rows {
            let expected = format!("rows {}..{}", part.start, part.start + part.rows);
            return Err(Error::argument(info.name, expected, format!("{} rows", matrix.rows)));
        }
        (matrix.start, matrix.rows) = (part.start, part.rows);
        Ok(matrix)
    }

    /// Rows that the file keeps as columns, copied: the products read whole rows.
    fn transposed(file: &dyn TensorFile, index: usize, part: Part) -> Result<Self> {
        let wrong = || Error::argument("tensor", "a transposed matrix of plain numbers", "another");
        let info = file.tensors().get(index).ok_or_else(wrong)?;
        let &[cols, all] = info.shape.as_slice() else { return Err(wrong()) };
        let width = info.dtype.bytes_for(1).and_then(|n| usize::try_from(n).ok()).ok_or_else(wrong)?;
        if cols != part.cols || part.start + part.rows > all {
            return Err(wrong());
        }
        let bytes = file.data(index)?;
        let mut out = Vec::with_capacity(part.rows * cols * width);
        for row in part.start..part.start + part.rows {
            for col in 0..cols {
                let at = (col * all + row) * width;
                out.extend_from_slice(bytes.get(at..at + width).ok_or_else(wrong)?);
            }
        }
        Self::owned(out, info.dtype, part.rows, cols)
    }

    /// A matrix in memory; `bytes` are rows of `dtype` one after the other.
    pub fn owned(bytes: Vec<u8>, dtype: DType, rows: usize, cols: usize) -> Result<Self> {
        let length = bytes.len();
        Self::new(Bytes::Owned(Arc::new(bytes)), length, dtype, rows, cols, "matrix")
    }

    fn new(bytes: Bytes, length: usize, dtype: DType, rows: usize, cols: usize, name: &str) -> Result<Self> {
        let row_bytes = dtype.bytes_for(cols).and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
        let Some(row_bytes) = row_bytes else {
            let expected = format!("rows that fill whole blocks of {} values", dtype.block());
            return Err(Error::argument(name, expected, format!("rows of {cols}")));
        };
        if rows == 0 || rows.checked_mul(row_bytes) != Some(length) {
            let expected = format!("{rows} rows of {row_bytes} bytes");
            return Err(Error::argument(name, expected, format!("{length} bytes")));
        }
        let matrix = Self { bytes, dtype, start: 0, rows, cols, row_bytes };
        // A type that cannot be computed is told at load, not in the middle of a prompt.
        dtype.computable()?;
        Ok(matrix)
    }

    /// `[rows, cols]`.
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.cols]
    }

    /// How values are stored.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Bytes of all rows.
    pub fn bytes(&self) -> u64 {
        (self.rows * self.row_bytes) as u64
    }

    /// Whether the rows lie in a file's mapping.
    pub fn is_mapped(&self) -> bool {
        matches!(self.bytes, Bytes::Mapped(..))
    }

    fn stored(&self, rows: std::ops::Range<usize>) -> Result<&[u8]> {
        let all = match &self.bytes {
            Bytes::Mapped(file, index) => file.data(*index)?,
            Bytes::Owned(bytes) => bytes,
        };
        let (from, to) = ((self.start + rows.start) * self.row_bytes, (self.start + rows.end) * self.row_bytes);
        all.get(from..to).filter(|_| rows.end <= self.rows).ok_or_else(|| {
            Error::argument("matrix row", format!("below {}", self.rows), format!("{}..{}", rows.start, rows.end))
        })
    }

    /// Expands rows to f32, `[rows, cols]` row-major.
    pub fn expand(&self, rows: std::ops::Range<usize>) -> Result<Vec<f32>> {
        let bytes = self.stored(rows.clone())?;
        let mut out = vec![0.0; rows.len() * self.cols];
        let group = (TASK / self.cols).max(1);
        out.par_chunks_mut(group * self.cols)
            .zip(bytes.par_chunks(group * self.row_bytes))
            .try_for_each(|(out, bytes)| kernels::expand(self.dtype, bytes, out))?;
        Ok(out)
    }

    /// The rows of `ids`, a u32 tensor of any shape: `[…, cols]` f32.
    pub fn rows(&self, ids: &Tensor) -> Result<Tensor> {
        let mut shape = ids.dims().to_vec();
        shape.push(self.cols);
        let ids = ids.flatten_all()?.to_vec1::<u32>()?;
        let mut out = vec![0.0; ids.len() * self.cols];
        for (id, out) in ids.iter().zip(out.chunks_mut(self.cols)) {
            let row = *id as usize;
            kernels::expand(self.dtype, self.stored(row..row + 1)?, out)?;
        }
        Ok(Tensor::from_vec(out, shape, &Device::Cpu)?)
    }

    /// `x · Wᵀ` for `x` of shape `[…, cols]` f32. Activations stay f32 and weights are expanded exactly, so the only
    /// error is that of summation.
    pub fn project(&self, x: &Tensor, control: &Control) -> Result<Tensor> {
        let mut shape = x.dims().to_vec();
        if shape.pop() != Some(self.cols) {
            let expected = format!("a last dimension of {}", self.cols);
            return Err(Error::argument("input of a projection", expected, format!("{:?}", x.dims())));
        }
        let count: usize = shape.iter().product();
        shape.push(self.rows);
        if count <= FEW {
            let x = x.flatten_all()?.to_vec1::<f32>()?;
            return Ok(Tensor::from_vec(self.project_few(&x, count)?, shape, &Device::Cpu)?);
        }
        let x = x.reshape((count, self.cols))?;
        let step = (EXPANDED / self.cols).max(1);
        let mut parts = Vec::with_capacity(self.rows.div_ceil(step));
        for start in (0..self.rows).step_by(step) {
            control.check()?;
            let end = (start + step).min(self.rows);
            let w = Tensor::from_vec(self.expand(start..end)?, (end - start, self.cols), &Device::Cpu)?;
            parts.push(x.matmul(&w.t()?)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(&parts, D::Minus1)? }.reshape(shape)?)
    }

    /// The product for a few rows of `x`: bound by reading the weights, which is done once.
    fn project_few(&self, x: &[f32], count: usize) -> Result<Vec<f32>> {
        let bytes = self.stored(0..self.rows)?;
        let group = (TASK / self.cols).max(1);
        // Filled as [rows, count], so that each task writes its own part.
        let mut out = vec![0.0; self.rows * count];
        out.par_chunks_mut(group * count.max(1)).zip(bytes.par_chunks(group * self.row_bytes)).try_for_each_init(
            || vec![0.0; self.cols],
            |row, (out, bytes)| -> Result<()> {
                for (out, bytes) in out.chunks_mut(count).zip(bytes.chunks(self.row_bytes)) {
                    if let ([out], 1) = (&mut *out, count) {
                        *out = kernels::dot(self.dtype, bytes, x, row)?;
                        continue;
                    }
                    kernels::expand(self.dtype, bytes, row)?;
                    for (out, x) in out.iter_mut().zip(x.chunks(self.cols)) {
                        *out = kernels::dot_f32(row, x);
                    }
                }
                Ok(())
            },
        )?;
        if count == 1 {
            return Ok(out);
        }
        Ok((0..count).flat_map(|c| out.iter().skip(c).step_by(count).copied()).collect())
    }
}
