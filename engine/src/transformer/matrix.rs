//! A weight matrix as it is stored: plain numbers or blocks of quantized ones, read where they lie.

use super::slices;
use super::weights::Part;
use crate::control::Control;
use crate::cpu::gemm::{self, Packed};
use crate::cpu::integer::dots::{self, Few};
use crate::cpu::integer::{self, Precision, Rounded};
use crate::cpu::rows;
use crate::error::{Error, Result};
use crate::format::{DType, TensorFile};
use candle_core::{Device, Tensor};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Values per task when rows are expanded.
const TASK: usize = 32 << 10;

/// Bytes of weights per task of a product with a few vectors: long enough that handing out costs nothing, short enough
/// that all threads end together.
const TASK_BYTES: usize = 24 << 10;

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
    rounding: Option<Precision>,
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
    pub fn mapped(file: Arc<dyn TensorFile>, index: usize, part: Part, control: &Control) -> Result<Self> {
        let info = file
            .tensors()
            .get(index)
            .cloned()
            .ok_or_else(|| Error::argument("tensor", "an index into the file", index.to_string()))?;
        if part.transposed {
            return Self::transposed(&*file, index, part, control);
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
    fn transposed(file: &dyn TensorFile, index: usize, part: Part, control: &Control) -> Result<Self> {
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
            control.check()?;
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
        let matrix = Self { bytes, dtype, start: 0, rows, cols, row_bytes, rounding: None };
        // A type that cannot be computed is told at load, not in the middle of a prompt.
        dtype.computable()?;
        if dtype.is_whole() {
            return Err(Error::argument(name, "weights of a floating or quantized type", dtype.name()).with_help(
                "packed integers (GPTQ, AWQ, bitsandbytes) are not read; take the original weights or a GGUF",
            ));
        }
        Ok(matrix)
    }

    /// The same matrix, whose products round the vectors first to whole numbers of that precision, where that is faster.
    /// A type that there is no such product for keeps the exact one.
    #[must_use]
    pub fn rounding(self, precision: Option<Precision>) -> Self {
        Self { rounding: precision.filter(|_| integer::takes(self.dtype)), ..self }
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

    fn all(&self) -> Result<&[u8]> {
        match &self.bytes {
            Bytes::Mapped(file, index) => file.data(*index),
            Bytes::Owned(bytes) => Ok(bytes),
        }
    }

    fn stored(&self, rows: Range<usize>) -> Result<&[u8]> {
        let all = self.all()?;
        let (from, to) = ((self.start + rows.start) * self.row_bytes, (self.start + rows.end) * self.row_bytes);
        all.get(from..to).filter(|_| rows.end <= self.rows).ok_or_else(|| {
            Error::argument("matrix row", format!("below {}", self.rows), format!("{}..{}", rows.start, rows.end))
        })
    }

    /// What `count` vectors, a few, are rounded to before they meet this matrix. Eight bits a weight keep memory busy
    /// enough for the exact product to wait for it all the same, and twice the work for 16 bits pays for two vectors.
    fn rounding_of(&self, count: usize) -> Option<Precision> {
        let pays = |p: &Precision| *p == Precision::Int8 || count <= 2;
        self.rounding.filter(pays).filter(|_| self.dtype != DType::Q8_0 && dots::takes(self.dtype))
    }

    /// The bytes of some columns of a row, which start and end with a block; none past the end.
    fn blocks(&self, row: usize, columns: Range<usize>) -> &[u8] {
        let at = |column: usize| self.dtype.bytes_for(column).and_then(|n| usize::try_from(n).ok());
        let (Some(from), Some(to)) = (at(columns.start), at(columns.end)) else { return &[] };
        if row >= self.rows {
            return &[];
        }
        let start = (self.start + row) * self.row_bytes;
        self.all().ok().and_then(|all| all.get(start + from..start + to)).unwrap_or_default()
    }

    /// Expands rows to f32, `[rows, cols]` row-major.
    pub fn expand(&self, rows: Range<usize>) -> Result<Vec<f32>> {
        let bytes = self.stored(rows.clone())?;
        let mut out = vec![0.0; rows.len() * self.cols];
        let group = (TASK / self.cols).max(1);
        out.par_chunks_mut(group * self.cols)
            .zip(bytes.par_chunks(group * self.row_bytes))
            .try_for_each(|(out, bytes)| rows::expand(self.dtype, bytes, out))?;
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
            rows::expand(self.dtype, self.stored(row..row + 1)?, out)?;
        }
        Ok(Tensor::from_vec(out, shape, &Device::Cpu)?)
    }

    /// `x · Wᵀ` for `x` of shape `[…, cols]` f32. Weights are taken exactly as stored. Activations stay f32, so that the
    /// only error is that of summation, unless [`Matrix::rounding`] says otherwise.
    pub fn project(&self, x: &Tensor, control: &Control) -> Result<Tensor> {
        let mut all = Self::project_all(&[self], x, control)?;
        all.pop().ok_or_else(|| Error::backend("candle", "a product has no result"))
    }

    /// The products of several matrices with the same `x`.
    pub fn project_all(all: &[&Self], x: &Tensor, control: &Control) -> Result<Vec<Tensor>> {
        let mut shape = x.dims().to_vec();
        let cols = shape.pop().unwrap_or(0);
        if let Some(other) = all.iter().find(|m| m.cols != cols) {
            let expected = format!("a last dimension of {}", other.cols);
            return Err(Error::argument("input of a projection", expected, format!("{:?}", x.dims())));
        }
        let count: usize = shape.iter().product();
        let outputs = slices::with(x, |x| {
            let mut outputs: Vec<Vec<f32>> = all.iter().map(|m| vec![0.0; count * m.rows]).collect();
            if count <= rows::MOST {
                few(all, x, count, &mut outputs, control)?;
            } else {
                many(all, x, count, &mut outputs, control)?;
            }
            Ok(outputs)
        })?;
        let tensor = |(matrix, values): (&&Self, Vec<f32>)| {
            let mut shape = shape.clone();
            shape.push(matrix.rows);
            Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
        };
        all.iter().zip(outputs).map(tensor).collect()
    }
}

/// A stretch of rows, what they are multiplied with, and where their products go.
struct Task<'a> {
    dtype: DType,
    cols: usize,
    /// The vectors as whole numbers, where these shall be used.
    whole: Option<&'a Few>,
    rows: &'a [u8],
    out: &'a mut [f32],
}

/// Products with up to [`rows::MOST`] vectors: bound by reading the weights, which is done once.
fn few(all: &[&Matrix], x: &[f32], count: usize, outputs: &mut [Vec<f32>], control: &Control) -> Result<()> {
    let interrupt = &control.interrupt;
    let precision = all.iter().find_map(|m| m.rounding_of(count));
    let whole = precision.map(|p| Few::new(x, count, x.len() / count.max(1), p)).transpose()?;
    let mut tasks = Vec::new();
    for (matrix, out) in all.iter().zip(outputs.iter_mut()) {
        // Whole groups of rows: the kernel takes four at a time.
        let group = (TASK_BYTES / matrix.row_bytes).max(1).next_multiple_of(4);
        let rows = matrix.stored(0..matrix.rows)?.chunks(group * matrix.row_bytes);
        let parts = out.chunks_mut(group * count).zip(rows);
        let whole = whole.as_ref().filter(|_| precision.is_some() && matrix.rounding_of(count) == precision);
        tasks.extend(parts.map(|(out, rows)| Task { dtype: matrix.dtype, cols: matrix.cols, whole, rows, out }));
    }
    tasks.into_par_iter().try_for_each_init(Vec::new, |room, task| {
        // Weights that still lie on a disk can take their time.
        interrupt.check()?;
        match task.whole {
            Some(whole) => dots::dot_rows(task.dtype, task.rows, whole, task.out),
            None => rows::dot_rows(task.dtype, task.rows, task.cols, x, count, task.out, room),
        }
    })?;
    if count > 1 {
        for out in outputs {
            // The kernel writes [rows, count].
            *out = (0..count).flat_map(|c| out.iter().skip(c).step_by(count).copied()).collect();
        }
    }
    Ok(())
}

/// Products with many vectors, which are packed once for all matrices that want them in the same form.
fn many(all: &[&Matrix], x: &[f32], count: usize, outputs: &mut [Vec<f32>], control: &Control) -> Result<()> {
    let stop = || control.interrupt.is_raised();
    let (mut whole, mut exact) = (None::<Rounded>, None::<Packed>);
    for (matrix, out) in all.iter().zip(outputs) {
        match matrix.rounding {
            Some(precision) => {
                let x = match whole.take().filter(|x| x.precision() == precision) {
                    Some(x) => x,
                    None => Rounded::new(x, count, matrix.cols, precision)?,
                };
                integer::product(whole.insert(x), *matrix, out, matrix.rows, &stop)?;
            }
            None => {
                let x = match exact.take() {
                    Some(x) => x,
                    None => Packed::new(x, count, matrix.cols)?,
                };
                gemm::product(exact.insert(x), *matrix, out, matrix.rows, &stop)?;
            }
        }
    }
    Ok(())
}

impl gemm::Weights for Matrix {
    fn n(&self) -> usize {
        self.rows
    }

    fn k(&self) -> usize {
        self.cols
    }

    fn expand(&self, row: usize, columns: Range<usize>, out: &mut [f32]) -> Result<()> {
        rows::expand(self.dtype, gemm::Weights::stored(self, row, columns), out)
    }

    fn stored(&self, row: usize, columns: Range<usize>) -> &[u8] {
        self.blocks(row, columns)
    }
}

impl integer::Weights for Matrix {
    fn n(&self) -> usize {
        self.rows
    }

    fn k(&self) -> usize {
        self.cols
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn stored(&self, row: usize, columns: Range<usize>) -> &[u8] {
        self.blocks(row, columns)
    }
}
