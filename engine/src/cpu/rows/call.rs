//! What callers call: arguments are checked, and what the kernels leave over is done the slow way.

use super::driver::{Product, covered};
use super::isa::Isa;
use super::portable;
use crate::error::{Error, Result};
use crate::format::{DType, dequantize};

/// The most vectors that [`dot_rows`] takes at a time.
pub const MOST: usize = 4;

/// Inner products of stored rows with a few vectors, on the calling thread.
///
/// `rows` are whole rows of `cols` values, one after the other; `x` is `[m, cols]` with `m` from 1 to [`MOST`]; `out`
/// is `[rows, m]`. `room` is a buffer for a row of a type without a kernel; keep it from call to call.
///
/// # Errors
/// Sizes that do not fit together, or a type that cannot be computed.
pub fn dot_rows(
    dtype: DType,
    rows: &[u8],
    cols: usize,
    x: &[f32],
    m: usize,
    out: &mut [f32],
    room: &mut Vec<f32>,
) -> Result<()> {
    let row_bytes = bytes_of(dtype, cols)?;
    if !(1..=MOST).contains(&m) || Some(x.len()) != cols.checked_mul(m) {
        let expected = format!("1 to {MOST} vectors of {cols} values");
        return Err(Error::argument("vectors of a product", expected, format!("{} values for {m}", x.len())));
    }
    if row_bytes == 0
        || !rows.len().is_multiple_of(row_bytes)
        || Some(out.len()) != (rows.len() / row_bytes).checked_mul(m)
    {
        let expected = format!("{m} products for each {row_bytes} bytes of a row");
        let found = format!("{} for {} bytes", out.len(), rows.len());
        return Err(Error::argument("rows of a product", expected, found));
    }
    dot_rows_on(Isa::best(), dtype, &Product { rows, row_bytes, x, cols, m }, out, room)
}

/// Expands whole blocks; `bytes` holds `out.len()` values of `dtype`.
///
/// # Errors
/// Sizes that do not fit together, or a type that cannot be computed.
pub fn expand(dtype: DType, bytes: &[u8], out: &mut [f32]) -> Result<()> {
    expand_on(Isa::best(), dtype, bytes, out)
}

/// As [`dot_rows`], on a given set of instructions.
pub(super) fn dot_rows_on(
    isa: Isa,
    dtype: DType,
    job: &Product<'_>,
    out: &mut [f32],
    room: &mut Vec<f32>,
) -> Result<()> {
    let done = covered(dtype, job.cols);
    if done == 0 {
        out.fill(0.0);
    } else {
        isa.dot(dtype, job, out);
    }
    if done == job.cols {
        return Ok(());
    }
    room.resize(job.cols - done, 0.0);
    let skip = done / dtype.block() * dtype.block_bytes();
    for (row, out) in job.rows.chunks_exact(job.row_bytes).zip(out.chunks_mut(job.m)) {
        dequantize(dtype, row.get(skip..).unwrap_or_default(), room)?;
        for (out, x) in out.iter_mut().zip(job.x.chunks_exact(job.cols)) {
            *out += portable::dot_f32(room, x.get(done..).unwrap_or_default());
        }
    }
    Ok(())
}

/// As [`expand`], on a given set of instructions.
pub(super) fn expand_on(isa: Isa, dtype: DType, bytes: &[u8], out: &mut [f32]) -> Result<()> {
    let expected = bytes_of(dtype, out.len())?;
    if bytes.len() != expected {
        return Err(Error::argument("bytes to expand", format!("{expected}"), format!("{}", bytes.len())));
    }
    let done = covered(dtype, out.len());
    isa.expand(dtype, bytes, out);
    let skip = done / dtype.block() * dtype.block_bytes();
    match (bytes.get(skip..), out.get_mut(done..)) {
        (Some(bytes), Some(out)) if !out.is_empty() => dequantize(dtype, bytes, out),
        _ => Ok(()),
    }
}

/// Bytes of `count` values.
fn bytes_of(dtype: DType, count: usize) -> Result<usize> {
    let bytes = dtype.bytes_for(count).and_then(|bytes| usize::try_from(bytes).ok());
    bytes.ok_or_else(|| {
        let expected = format!("whole blocks of {} values", dtype.block());
        Error::argument(format!("{dtype} values"), expected, format!("{count} values"))
    })
}
