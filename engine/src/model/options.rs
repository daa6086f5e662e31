//! What a caller may ask of a load. Everything has an automatic choice, and every choice can be forced.

pub use crate::backend::BackendChoice;
pub use crate::backend::candle::Activations;
use crate::backend::choose;
use crate::error::{Error, Result};
use crate::format::DType;
use crate::hub::HubOptions;
use std::str::FromStr;

/// Where a model shall run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first accelerator this build and this machine have, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A CUDA device by number.
    Cuda(usize),
    /// The Metal device.
    Metal,
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        if let Some(n) = s.strip_prefix("cuda:") {
            return n
                .parse()
                .map(Self::Cuda)
                .map_err(|_| Error::argument("device", "\"cuda:N\" with a number", format!("{s:?}")));
        }
        choose(
            "device",
            s,
            &[("auto", Self::Auto), ("cpu", Self::Cpu), ("cuda", Self::Cuda(0)), ("metal", Self::Metal)],
        )
    }
}

/// In which type the candle backend shall hold matrices, quantized ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeightDType {
    /// The file's own, except where the device computes it slowly.
    #[default]
    Auto,
    /// 32-bit floats: exact for every dense file, twice the memory of a 16-bit one.
    F32,
    /// 16-bit floats.
    F16,
    /// Brain floats.
    BF16,
}

impl FromStr for WeightDType {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        choose("dtype", s, &[("auto", Self::Auto), ("f32", Self::F32), ("f16", Self::F16), ("bf16", Self::BF16)])
    }
}

/// How to load a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadOptions {
    /// Which backend.
    pub backend: BackendChoice,
    /// Which device.
    pub device: DeviceChoice,
    /// Which type for dense weights.
    pub dtype: WeightDType,
    /// Tokens a sequence can hold; `None` is 4096, or what the model was trained for if that is less.
    pub context: Option<usize>,
    /// Threads; `None` is one per core.
    pub threads: Option<usize>,
    /// Layers llama.cpp puts on the GPU; `None` follows `device`.
    pub gpu_layers: Option<u32>,
    /// llama.cpp's flash attention; `None` lets it choose.
    pub flash_attention: Option<bool>,
    /// A quantized type (`"Q4_0"`, `"Q8_0"`, …) for dense matrices, made at load; candle's.
    pub quantize: Option<DType>,
    /// How activations meet quantized matrices; candle's.
    pub activations: Activations,
    /// How keys and values are stored: `"f16"` (llama.cpp's default), `"f32"` (candle's); llama.cpp also has `"bf16"` and
    /// `"q8_0"`.
    pub cache_type: Option<String>,
    /// Refuse a load that needs more memory than is free.
    pub memory_check: bool,
    /// Which revision of a model on the hub, and whether it may be fetched.
    pub hub: HubOptions,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            backend: BackendChoice::Auto,
            device: DeviceChoice::Auto,
            dtype: WeightDType::Auto,
            context: None,
            threads: None,
            gpu_layers: None,
            flash_attention: None,
            quantize: None,
            activations: Activations::Auto,
            cache_type: None,
            memory_check: true,
            hub: HubOptions::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_choice_can_be_spelled() {
        assert_eq!("auto".parse::<BackendChoice>().unwrap(), BackendChoice::Auto);
        assert_eq!("cuda:3".parse::<DeviceChoice>().unwrap(), DeviceChoice::Cuda(3));
        let e = "llamacpp".parse::<BackendChoice>().unwrap_err().to_string();
        assert!(e.contains("did you mean \"llama_cpp\"?"), "{e}");
        assert!("cuda:x".parse::<DeviceChoice>().is_err());
    }
}
