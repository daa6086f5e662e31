//! A tensor's bytes in another type, a piece at a time.

use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::{DType, TensorInfo, dequantize, quantize};
use std::borrow::Cow;

/// Values converted between two looks at the interrupt: whole blocks of every type, a few milliseconds of work.
const PIECE: usize = 1 << 18;

/// The same values stored as `to`; bytes that need no change are handed on.
pub(super) fn store<'a>(info: &TensorInfo, data: &'a [u8], to: DType, control: &Control) -> Result<Cow<'a, [u8]>> {
    if info.dtype == to {
        return Ok(data.into());
    }
    let named = |e: Error| match e {
        Error::Numeric(text) => Error::Numeric(format!("tensor {:?}: {text}", info.name)),
        other => other,
    };
    let bytes = to.bytes_for(info.elements()).and_then(|n| usize::try_from(n).ok());
    let mut out = Vec::with_capacity(bytes.unwrap_or(0));
    let mut values = vec![0.0; PIECE.min(info.elements())];
    let piece_bytes = PIECE / info.dtype.block() * info.dtype.block_bytes();
    for piece in data.chunks(piece_bytes) {
        control.check()?;
        values.truncate(piece.len() / info.dtype.block_bytes() * info.dtype.block()); // the last piece may be shorter
        dequantize(info.dtype, piece, &mut values)?;
        out.extend_from_slice(&quantize(&values, to).map_err(named)?);
    }
    Ok(out.into())
}
