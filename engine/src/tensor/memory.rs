//! Says that something does not fit before it is allocated: a failed allocation would end the process.

use crate::error::{Error, Result};

/// The number of elements of a shape; an overflow is an error.
pub(crate) fn elements(what: &str, shape: &[usize]) -> Result<usize> {
    let mut product = 1usize;
    // A zero anywhere makes the product zero, whatever the other dimensions are.
    if shape.contains(&0) {
        return Ok(0);
    }
    for &d in shape {
        product = product
            .checked_mul(d)
            .ok_or_else(|| Error::argument(what, "a shape whose elements can be counted", format!("{shape:?}")))?;
    }
    Ok(product)
}

/// Fails when `elements` values of `size` bytes are more than the memory that is free now.
pub(crate) fn room_for(what: &str, elements: usize, size: usize) -> Result<()> {
    let needs = (elements as u64).saturating_mul(size as u64);
    // Small requests are not worth reading a file for.
    if needs < 1 << 26 {
        return Ok(());
    }
    crate::memory::check(what, needs, "take a slice of the tensor first")?;
    // Where the system does not say what there is, no machine has this.
    if needs > 1 << 46 {
        return Err(Error::argument(what, "a tensor that fits in memory", crate::error::bytes(needs)));
    }
    Ok(())
}
