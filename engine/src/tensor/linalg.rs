//! Matrix products.

use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::DType;
use crate::tensor::elementwise::{promote, sum_type};
use crate::tensor::meter::Meter;
use crate::tensor::{Tensor, memory, shape};
use candle_core::Tensor as Candle;

/// Multiplications per block of rows, so that the interrupt is polled several times a second on a slow core.
const BLOCK: usize = 1 << 30;

impl Tensor {
    /// The matrix product, with NumPy's rules: the last two dimensions multiply, those before them broadcast, and a vector counts as a
    /// row on the left and as a column on the right. F32, or F64 when either is.
    pub fn matmul(&self, other: &Self, control: &Control) -> Result<Self> {
        let fits = || {
            let inner = self.shape().last()?;
            let rows = other.shape().get(other.rank().saturating_sub(2))?;
            (inner == rows).then_some(*inner)
        };
        let Some(inner) = fits() else {
            let expected = match self.shape().last() {
                None => "tensors with dimensions".to_owned(),
                Some(n) if other.rank() == 1 => format!("{:?} × [{n}]", self.shape()),
                Some(n) => format!("{:?} × [.., {n}, ..]", self.shape()),
            };
            let error = Error::argument("matmul", expected, format!("{:?} × {:?}", self.shape(), other.shape()));
            return Err(match (self.shape().last(), other.shape().last()) {
                (Some(a), Some(b)) if a == b && other.rank() > 1 => {
                    error.with_help("transpose the second: a.matmul(b.T)")
                }
                _ => error,
            });
        };
        let a = if self.rank() == 1 { self.unsqueeze(0)? } else { self.clone() };
        let b = if other.rank() == 1 { other.unsqueeze(-1)? } else { other.clone() };
        let (rows, columns) = (dim_from_end(&a, 2), dim_from_end(&b, 1));
        let batch = shape::broadcast("matmul", leading(&a), leading(&b))?;
        let full = |x: usize, y: usize| batch.iter().copied().chain([x, y]).collect::<Vec<_>>();
        let out = full(rows, columns);
        let n = memory::elements("matmul", &out)?;
        let dtype = sum_type(promote(self.dtype(), other.dtype()));
        memory::room_for("matmul", n, dtype.block_bytes())?;

        let result = if n == 0 || inner == 0 {
            Self::zeros(&out)?.cast(dtype)?
        } else {
            let (left, right) = (a.cast_with(dtype, control)?.host()?, b.cast_with(dtype, control)?.host()?);
            let (left, right) = if batch.is_empty() {
                (left, right)
            } else {
                (left.broadcast_as(full(rows, inner))?.contiguous()?, right.broadcast_as(full(inner, columns))?)
            };
            Self::from_candle(product(&left, &right.contiguous()?, inner, columns, control)?)?
        };
        let mut shape = result.shape().to_vec();
        if other.rank() == 1 {
            shape.pop();
        }
        if self.rank() == 1 {
            let at = shape.len() - usize::from(other.rank() != 1) - 1;
            shape.remove(at);
        }
        result.with_shape(&shape)
    }

    /// The products of every pair of values of two vectors: `[len(a), len(b)]`.
    pub fn outer(&self, other: &Self) -> Result<Self> {
        let (a, b) = (self.flatten()?.unsqueeze(-1)?, other.flatten()?.unsqueeze(0)?);
        a.binary(crate::tensor::Binary::Mul, &b, &Control::default())
    }

    /// The diagonal of a matrix, or the matrix with this vector on its diagonal.
    pub fn diag(&self) -> Result<Self> {
        match *self.shape() {
            [n] => {
                let eye = Self::eye(n)?.cast(crate::tensor::elementwise::arithmetic_type(self.dtype()))?;
                // A product would make NaN of infinity times zero.
                self.where_else(&eye, &Self::zeros(&[1])?.cast(eye.dtype())?, &Control::default())
            }
            [r, c] => {
                let flat = self.flatten()?;
                let ids = (0..r.min(c)).map(|i| (i * (c + 1)) as i64).collect();
                flat.indexed(&[crate::tensor::Index::List(ids)])
            }
            _ => Err(Error::argument("diag", "a vector or a matrix", format!("shape {:?}", self.shape()))),
        }
    }

    /// The values below the k-th diagonal (tril) or above it (triu) of the last two dimensions; the rest 0.
    pub fn triangle(&self, lower: bool, k: i64) -> Result<Self> {
        let [.., rows, columns] = *self.shape() else {
            return Err(Error::argument("tril/triu", "at least two dimensions", format!("shape {:?}", self.shape())));
        };
        let keep = |r: usize, c: usize| {
            let d = c as i64 - r as i64;
            u8::from(if lower { d <= k } else { d >= k })
        };
        let mask = (0..rows).flat_map(|r| (0..columns).map(move |c| keep(r, c))).collect();
        let mask = Self::from_bools(mask, &[rows, columns])?;
        let zero = Self::zeros(&[1])?.cast(if self.dtype() == DType::BOOL { DType::BOOL } else { DType::I64 })?;
        self.where_else(&mask, &zero, &Control::default())
    }
}

fn dim_from_end(t: &Tensor, back: usize) -> usize {
    t.shape().iter().rev().nth(back - 1).copied().unwrap_or(1)
}

fn leading(t: &Tensor) -> &[usize] {
    t.shape().get(..t.rank().saturating_sub(2)).unwrap_or_default()
}

/// candle's product, in blocks of rows when it is long. Batches multiply whole.
fn product(a: &Candle, b: &Candle, inner: usize, columns: usize, control: &Control) -> Result<Candle> {
    let work = a.elem_count().saturating_mul(columns);
    if a.rank() != 2 || work <= BLOCK {
        control.check()?;
        return Ok(a.matmul(b)?);
    }
    let rows = a.dim(0)?;
    let step = (BLOCK / inner.saturating_mul(columns).max(1)).max(16).min(rows);
    let meter = Meter::new(control, "matmul", rows, "rows");
    let mut parts = Vec::with_capacity(rows.div_ceil(step));
    for from in (0..rows).step_by(step) {
        let n = step.min(rows - from);
        parts.push(a.narrow(0, from, n)?.contiguous()?.matmul(b)?);
        meter.step(n)?;
    }
    meter.finish();
    Ok(Candle::cat(&parts, 0)?)
}
