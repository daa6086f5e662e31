//! What a caller may choose about a load through candle, and the defaults.

use crate::backend::choose;
use crate::cpu::integer::{self, Precision};
use crate::error::{Error, Result};
use crate::format::DType;
use candle_core::Device;
use std::str::FromStr;

/// In which form activations meet quantized matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activations {
    /// 16-bit whole numbers where the processor multiplies them faster than f32 (AVX-512 VNNI), else f32.
    #[default]
    Auto,
    /// As they are.
    F32,
    /// Whole numbers up to 32,512 with a scale for each 32 values: differs from f32 about as much as another order of
    /// summation.
    Int16,
    /// Whole numbers up to 127 with a scale for each 32 values, as llama.cpp has them: the fastest, and an error that
    /// shows in the third digit of logits.
    Int8,
}

impl Activations {
    /// What activations are rounded to, if they are.
    pub(super) fn rounding(self) -> Option<Precision> {
        match self {
            Self::Auto => integer::available().then_some(Precision::Int16),
            Self::F32 => None,
            Self::Int16 => Some(Precision::Int16),
            Self::Int8 => Some(Precision::Int8),
        }
    }
}

impl FromStr for Activations {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        choose(
            "activations",
            s,
            &[("auto", Self::Auto), ("f32", Self::F32), ("int16", Self::Int16), ("int8", Self::Int8)],
        )
    }
}

/// How the candle backend loads and runs a model.
#[derive(Debug, Clone)]
pub struct CandleOptions {
    /// Tokens a sequence can hold; `None`: what the model was trained for, at most [`crate::backend::DEFAULT_CONTEXT`].
    pub context: Option<usize>,
    /// Threads; `None`: one per physical core.
    pub threads: Option<usize>,
    /// Where to compute.
    pub device: Device,
    /// How matrices are stored; `None`: as in the file, used in place. Any other choice allocates them.
    pub dtype: Option<DType>,
    /// A quantized type for the dense matrices of the blocks; the embedding and the output layer get one of more bits.
    pub quantize: Option<DType>,
    /// How activations meet quantized matrices.
    pub activations: Activations,
    /// Keys and values as F16 instead of F32.
    pub half_cache: bool,
}

impl CandleOptions {
    /// Bytes of a number in the KV cache.
    pub(super) fn cache_width(&self) -> usize {
        if self.half_cache { size_of::<half::f16>() } else { size_of::<f32>() }
    }
}

impl Default for CandleOptions {
    fn default() -> Self {
        Self {
            context: None,
            threads: None,
            device: Device::Cpu,
            dtype: None,
            quantize: None,
            activations: Activations::Auto,
            half_cache: false,
        }
    }
}
