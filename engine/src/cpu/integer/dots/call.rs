//! What callers call: arguments are checked, types told apart.

use super::few::Few;
use crate::cpu::integer::Precision;
use crate::error::{Error, Result};
use crate::format::DType;

#[cfg(target_arch = "x86_64")]
use super::avx512;

/// Stored rows, one after the other, to be multiplied with vectors.
pub struct Job<'a> {
    /// How they are stored.
    pub dtype: DType,
    /// Whole rows.
    pub rows: &'a [u8],
    /// Bytes of each.
    pub row_bytes: usize,
    /// Vectors.
    pub m: usize,
}

/// Whether [`dot_rows`] has a kernel for a type on this processor: it needs AVX-512 with VNNI and VBMI.
pub fn takes(dtype: DType) -> bool {
    let known = matches!(
        dtype,
        DType::Q4_0
            | DType::Q4_1
            | DType::Q5_0
            | DType::Q5_1
            | DType::Q8_0
            | DType::IQ4_NL
            | DType::Q4_K
            | DType::Q5_K
            | DType::Q6_K
    );
    known && available()
}

/// Whether this processor has what the kernels need.
fn available() -> bool {
    #[cfg(target_arch = "x86_64")]
    return crate::cpu::features::avx512_vbmi();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Inner products of stored rows with a few rounded vectors, on the calling thread.
///
/// `rows` are whole rows of as many values as `x` has, one after the other; `out` is `[rows, m]`.
///
/// # Errors
/// Sizes that do not fit together, or a type that [`takes`] refuses.
pub fn dot_rows(dtype: DType, rows: &[u8], x: &Few, out: &mut [f32]) -> Result<()> {
    if !takes(dtype) {
        let expected = "a type with a kernel on this processor";
        return Err(Error::argument("rows of a product in whole numbers", expected, dtype.name()));
    }
    let row_bytes = dtype.bytes_for(x.cols()).and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
    if row_bytes == 0
        || !rows.len().is_multiple_of(row_bytes)
        || Some(out.len()) != (rows.len() / row_bytes).checked_mul(x.m())
    {
        let expected = format!("{} products for each row of {} {dtype} values", x.m(), x.cols());
        let found = format!("{} for {} bytes", out.len(), rows.len());
        return Err(Error::argument("rows of a product", expected, found));
    }
    let job = Job { dtype, rows, row_bytes, m: x.m() };
    #[cfg(target_arch = "x86_64")]
    match x.precision() {
        // SAFETY: `takes` has just found avx512f, avx512bw, avx512vl, avx512dq, avx512vnni and avx512vbmi.
        Precision::Int8 => unsafe { avx512::dot(&job, x.one(), out) },
        // SAFETY: as above.
        Precision::Int16 => unsafe { avx512::dot(&job, x.two(), out) },
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (job, Precision::Int8);
    Ok(())
}
