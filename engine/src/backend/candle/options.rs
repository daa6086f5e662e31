//! What a caller may choose about a load through candle, and the defaults.

use crate::format::DType;
use candle_core::Device;

/// How the candle backend loads and runs a model.
#[derive(Debug, Clone)]
pub struct CandleOptions {
    /// Tokens a sequence can hold; `None`: what the model was trained for, at most [`CandleOptions::DEFAULT_CONTEXT`].
    pub context: Option<usize>,
    /// Threads; `None`: as many as the machine has processors for us.
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
    /// The context of a load that asks for none: enough for a notebook, and a KV cache that fits beside a model.
    pub const DEFAULT_CONTEXT: usize = 4096;

    /// Tokens a sequence of this load can hold, for a model trained on `trained`.
    pub fn context_for(&self, trained: usize) -> usize {
        self.context.unwrap_or_else(|| trained.min(Self::DEFAULT_CONTEXT)).max(1)
    }

    /// Bytes of a number in the KV cache.
    pub(super) fn cache_width(&self) -> usize {
        if self.half_cache { size_of::<half::f16>() } else { size_of::<f32>() }
    }

    /// Threads of this load.
    pub fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or_else(all).max(1)
    }
}

impl Default for CandleOptions {
    fn default() -> Self {
        Self { context: None, threads: None, device: Device::Cpu, dtype: None, quantize: None, half_cache: false }
    }
}
