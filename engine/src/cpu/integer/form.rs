//! What the numbers of a stored type are.

use crate::format::DType;

/// How the values of a type follow from its whole numbers: `scale * (number - offset)`, or `scale * number + minimum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Values per stored block: 32 or 256.
    pub block: usize,
    /// What is taken off each number, which is stored without a sign; none where there are minimums.
    pub offset: i32,
    /// Whether each scale comes with a minimum.
    pub minimums: bool,
    /// Whether each sixteen values have their scale; else each 32.
    pub halves: bool,
}

/// Whether a type can be multiplied in whole numbers.
pub fn takes(dtype: DType) -> bool {
    Form::of(dtype).is_some()
}

impl Form {
    /// The form of a type, if it is one of those known here.
    pub fn of(dtype: DType) -> Option<Self> {
        let (offset, minimums, halves) = match dtype {
            DType::Q4_0 => (8, false, false),
            DType::Q5_0 => (16, false, false),
            DType::Q8_0 | DType::IQ4_NL => (128, false, false),
            DType::Q4_1 | DType::Q5_1 | DType::Q4_K | DType::Q5_K => (0, true, false),
            DType::Q2_K => (0, true, true),
            DType::Q3_K => (4, false, true),
            DType::Q6_K => (32, false, true),
            _ => return None,
        };
        Some(Self { block: dtype.block(), offset, minimums, halves })
    }
}
