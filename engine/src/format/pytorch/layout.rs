//! Where a tensor's values lie in its storage, and how to bring them into row-major order when they are in another.

use super::pickle::{Pickle, RawTensor, Value};
use super::problem::{Problem, Result};
use crate::format::TensorInfo;
use std::ops::Range;

/// NumPy's and PyTorch's limit.
const MAX_DIMS: usize = 64;

/// One tensor of a checkpoint, checked against its storage's length.
#[derive(Debug)]
pub(super) struct Layout {
    /// Its bytes in the storage: from its first value to the end of its last.
    pub(super) span: Range<usize>,
    /// Bytes from one value to the next, by dimension; `None` when the span holds the values in row-major order already.
    pub(super) strides: Option<Vec<usize>>,
}

/// Checks a tensor's description. `storage` is the storage's length in bytes.
pub(super) fn check(pickle: &Pickle, name: String, raw: &RawTensor, storage: usize) -> Result<(TensorInfo, Layout)> {
    let broken = |what: &str| Problem::damaged(format!("tensor {name:?}: {what}"));
    let (shape, strides) = (pickle.tuple(raw.shape), pickle.tuple(raw.strides));
    if shape.len() > MAX_DIMS || shape.len() != strides.len() {
        return Err(broken(&format!(
            "expected a stride for each of at most {MAX_DIMS} dimensions, found {} for {}",
            strides.len(),
            shape.len()
        )));
    }
    let number = |v: &Value| match v {
        Value::Int(n) => usize::try_from(*n).ok(),
        _ => None,
    };
    let shape: Option<Vec<usize>> = shape.iter().map(number).collect();
    let strides: Option<Vec<usize>> = strides.iter().map(number).collect();
    let (Some(shape), Some(strides), Ok(offset)) = (shape, strides, usize::try_from(raw.offset)) else {
        return Err(broken("expected a shape, strides and an offset that are not negative"));
    };
    let width = raw.dtype.block_bytes();
    let elements = shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d)).filter(|n| i64::try_from(*n).is_ok());
    let (Some(elements), Some(bytes)) = (elements, elements.and_then(|n| raw.dtype.bytes_for(n))) else {
        return Err(broken(&format!("shape {shape:?} has no size in bytes")));
    };
    // The position after the last value, in values: the largest index in each dimension, times its stride.
    let reach = |(n, stride): (&usize, &usize)| n.checked_sub(1)?.checked_mul(*stride);
    let end = match elements {
        0 => Some(offset),
        _ => shape
            .iter()
            .zip(&strides)
            .try_fold(offset, |at, d| at.checked_add(reach(d)?))
            .and_then(|n| n.checked_add(1)),
    };
    let span = offset.checked_mul(width).zip(end.and_then(|n| n.checked_mul(width)));
    let Some((start, end)) = span.filter(|(_, end)| elements == 0 || *end <= storage) else {
        return Err(broken(&format!(
            "{} {shape:?} with strides {strides:?} from value {offset} on does not fit its storage {:?} of {storage} bytes",
            raw.dtype, raw.storage.key
        )));
    };
    let span = if elements == 0 { 0..0 } else { start..end };
    // A stride over more than one value fits the storage, so its bytes do not overflow; any other is never taken.
    let stride = |(n, stride): (&usize, &usize)| if *n > 1 { stride * width } else { 0 };
    let strides = (!is_row_major(&shape, &strides)).then(|| shape.iter().zip(&strides).map(stride).collect());
    Ok((TensorInfo { name, dtype: raw.dtype, shape, bytes }, Layout { span, strides }))
}

/// Whether values follow each other in row-major order. Strides of dimensions of one value say nothing.
fn is_row_major(shape: &[usize], strides: &[usize]) -> bool {
    let mut next = 1_usize;
    shape.contains(&0)
        || shape.iter().zip(strides).rev().filter(|(n, _)| **n != 1).all(|(n, stride)| {
            let fits = *stride == next;
            next = next.saturating_mul(*n);
            fits
        })
}

/// The values of a tensor in row-major order. `span` are the bytes of its span.
pub(super) fn gather(span: &[u8], info: &TensorInfo, strides: &[usize]) -> Option<Vec<u8>> {
    let width = info.dtype.block_bytes();
    let length = usize::try_from(info.bytes).ok()?;
    let mut out = Vec::new();
    out.try_reserve_exact(length).ok()?;
    let (inner, outer) = match (info.shape.split_last(), strides.split_last()) {
        (Some((n, shape)), Some((stride, strides))) => ((*n, *stride), (shape, strides)),
        _ => ((1, width), (&[][..], &[][..])),
    };
    let mut index = vec![0_usize; outer.0.len()];
    let mut at = 0_usize;
    loop {
        for i in 0..inner.0 {
            let from = at + i * inner.1;
            out.extend_from_slice(span.get(from..from + width)?);
        }
        // The next row: an index counts up, and carries into the one before it.
        let mut dimensions = index.iter_mut().zip(outer.0).zip(outer.1).rev();
        loop {
            let Some(((i, n), stride)) = dimensions.next() else { return (out.len() == length).then_some(out) };
            *i += 1;
            at += stride;
            if *i < *n {
                break;
            }
            at -= *i * stride;
            *i = 0;
        }
    }
}
