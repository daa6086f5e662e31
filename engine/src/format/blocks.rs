//! candle's quantized blocks over plain bytes, and back.

use candle_core::quantized::GgmlType;

/// Runs `f` on the blocks in `bytes`; bytes that stand where a block cannot are copied first. A rest shorter than a
/// block is left out.
pub(super) fn with_blocks<T: GgmlType, R>(bytes: &[u8], f: impl FnOnce(&[T]) -> R) -> R {
    let n = bytes.len() / size_of::<T>();
    let at = bytes.as_ptr().cast::<T>();
    if at.is_aligned() {
        // SAFETY: the pointer is aligned and n blocks lie within `bytes`; candle's block types are `repr(C)` numbers
        // and arrays of numbers, without padding, for which every bit pattern is a value.
        return f(unsafe { std::slice::from_raw_parts(at, n) });
    }
    let mut copy = vec![T::zeros(); n];
    // SAFETY: both sides hold n blocks, they do not overlap, and every bit pattern is a value (see above).
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), copy.as_mut_ptr().cast::<u8>(), n * size_of::<T>()) };
    f(&copy)
}

/// The bytes of blocks.
pub(super) fn as_bytes<T: GgmlType>(blocks: &[T]) -> &[u8] {
    // SAFETY: candle's block types have no padding, so each of their bytes is initialised.
    unsafe { std::slice::from_raw_parts(blocks.as_ptr().cast::<u8>(), size_of_val(blocks)) }
}

/// Calls `$f::<Block>($args)` for the block type of a quantized [`DType`](crate::format::DType) that candle computes;
/// `None` for every other type.
macro_rules! dispatch {
    ($dtype:expr, $f:ident($($arg:expr),*)) => {{
        use candle_core::quantized::k_quants as k;
        use $crate::format::DType;
        match $dtype {
            DType::Q4_0 => Some($f::<k::BlockQ4_0>($($arg),*)),
            DType::Q4_1 => Some($f::<k::BlockQ4_1>($($arg),*)),
            DType::Q5_0 => Some($f::<k::BlockQ5_0>($($arg),*)),
            DType::Q5_1 => Some($f::<k::BlockQ5_1>($($arg),*)),
            DType::Q8_0 => Some($f::<k::BlockQ8_0>($($arg),*)),
            DType::Q8_1 => Some($f::<k::BlockQ8_1>($($arg),*)),
            DType::Q2_K => Some($f::<k::BlockQ2K>($($arg),*)),
            DType::Q3_K => Some($f::<k::BlockQ3K>($($arg),*)),
            DType::Q4_K => Some($f::<k::BlockQ4K>($($arg),*)),
            DType::Q5_K => Some($f::<k::BlockQ5K>($($arg),*)),
            DType::Q6_K => Some($f::<k::BlockQ6K>($($arg),*)),
            DType::Q8_K => Some($f::<k::BlockQ8K>($($arg),*)),
            _ => None,
        }
    }};
}
pub(super) use dispatch;
