//! What a caller may choose about a load through candle, and the defaults.

use crate::format::DType;
use candle_core::Device;

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
        Self { context: None, threads: None, device: Device::Cpu, dtype: None, quantize: None, half_cache: false }
    }
}
