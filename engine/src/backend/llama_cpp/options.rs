//! What a caller may choose about a load through llama.cpp, and the defaults.

use super::runtime::{self, DeviceInfo};
use crate::error::{Error, Result, nearest};
use llama_cpp_sys_2 as sys;

/// How llama.cpp loads and runs a model. `LlamaOptions::default()` runs as `llama-bench` does by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LlamaOptions {
    /// Tokens a sequence can hold; `None`: what the model was trained for, at most [`LlamaOptions::DEFAULT_CONTEXT`].
    pub context: Option<usize>,
    /// Threads; `None`: [`default_threads`].
    pub threads: Option<usize>,
    /// Where the weights go.
    pub device: Device,
    /// Blocks to put on a GPU; `None`: all of them. Ignored without a GPU.
    pub gpu_layers: Option<u32>,
    /// The fused attention kernel.
    pub flash_attention: FlashAttention,
    /// How keys and values are stored.
    pub cache_type: CacheType,
    /// Read the file into memory instead of mapping it.
    pub no_mmap: bool,
}

/// Which devices take the weights.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Device {
    /// Every GPU that this build and this machine have, else the processor.
    #[default]
    Auto,
    /// The processor alone.
    Cpu,
    /// One device by its name, such as `cuda:0`; `gpu` means the first of any kind, `cuda` the first of that kind.
    Named(String),
}

impl Device {
    /// Reads `auto`, `cpu` or a device's name.
    pub fn parse(name: &str) -> Self {
        match name {
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            other => Self::Named(other.to_lowercase()),
        }
    }

    /// The GPUs this choice means, with their handles; empty for the processor. A device that is not there is an error
    /// that lists those that are.
    pub(super) fn resolve(&self) -> Result<Vec<(DeviceInfo, sys::ggml_backend_dev_t)>> {
        runtime::init();
        let mut gpus: Vec<_> =
            runtime::handles().into_iter().map(|h| (runtime::describe(h), h)).filter(|(d, _)| d.gpu).collect();
        match self {
            Self::Auto => {}
            Self::Cpu => gpus.clear(),
            Self::Named(name) => {
                let wanted = |d: &DeviceInfo| {
                    d.name == *name || name == "gpu" || d.name.split_once(':').is_some_and(|(kind, _)| kind == name)
                };
                gpus.retain(|(d, _)| wanted(d));
                gpus.truncate(1);
                if gpus.is_empty() {
                    let all = runtime::devices();
                    let names: Vec<_> = all.iter().map(|d| d.name.as_str()).collect();
                    return Err(Error::NotFound {
                        kind: "device",
                        name: name.clone(),
                        nearest: nearest(name, names.iter().copied()),
                        help: format!(
                            "llama.cpp sees here: {}. A GPU needs a build with its feature (cuda, metal, vulkan).",
                            names.join(", ")
                        ),
                    });
                }
            }
        }
        Ok(gpus)
    }
}

/// Whether attention runs as one fused kernel.
///
/// Fused is faster at a prompt; at decoding it depends on the processor. SmolLM2 Q4_1 with an f16 cache, tokens per second
/// fused and not: on an Intel with AMX 77 and 145 at depth 512; on a Zen 5, one thread, 67 and 65 at depth 512, 39 and 44 at
/// depth 2048. The default stays llama.cpp's own. With a cache of f32 the fused kernel rounds to f16 first: turn it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FlashAttention {
    /// Where the device supports it: llama.cpp's own default.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never. Attention weights exist as a tensor only so.
    Off,
}

impl FlashAttention {
    pub(super) fn to_sys(self) -> sys::llama_flash_attn_type {
        match self {
            Self::Auto => sys::LLAMA_FLASH_ATTN_TYPE_AUTO,
            Self::On => sys::LLAMA_FLASH_ATTN_TYPE_ENABLED,
            Self::Off => sys::LLAMA_FLASH_ATTN_TYPE_DISABLED,
        }
    }
}

/// How the KV cache stores keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheType {
    /// 32-bit floats.
    F32,
    /// 16-bit floats: llama.cpp's own default.
    #[default]
    F16,
    /// bfloat16: the range of f32, eight bits of precision.
    BF16,
    /// Blocks of 8-bit integers; needs flash attention.
    Q8_0,
}

impl CacheType {
    /// The type of this name, whatever its case.
    pub fn parse(name: &str) -> Result<Self> {
        const NAMES: [(&str, CacheType); 4] =
            [("f32", CacheType::F32), ("f16", CacheType::F16), ("bf16", CacheType::BF16), ("q8_0", CacheType::Q8_0)];
        let lower = name.to_lowercase();
        NAMES.iter().find(|(n, _)| *n == lower).map(|(_, t)| *t).ok_or_else(|| {
            Error::not_found("cache type", name, NAMES.map(|(n, _)| n)).with_help("f32, f16, bf16 or q8_0")
        })
    }

    pub(super) fn to_sys(self) -> sys::ggml_type {
        match self {
            Self::F32 => sys::GGML_TYPE_F32,
            Self::F16 => sys::GGML_TYPE_F16,
            Self::BF16 => sys::GGML_TYPE_BF16,
            Self::Q8_0 => sys::GGML_TYPE_Q8_0,
        }
    }

    /// Bytes of `values` values, rounded up to whole blocks.
    pub(super) fn bytes_for(self, values: u64) -> u64 {
        match self {
            Self::F32 => values.saturating_mul(4),
            Self::F16 | Self::BF16 => values.saturating_mul(2),
            Self::Q8_0 => values.div_ceil(32).saturating_mul(34),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_refused_with_those_that_are() {
        let e = Device::parse("cuda:9").resolve().unwrap_err().to_string();
        assert!(e.contains("cuda:9") && e.contains("cpu"), "{e}");
        assert!(Device::Cpu.resolve().unwrap().is_empty());
    }

    #[test]
    fn cache_types_parse_and_suggest() {
        assert_eq!(CacheType::parse("BF16").unwrap(), CacheType::BF16);
        assert!(CacheType::parse("f15").unwrap_err().to_string().contains("f16"));
        assert_eq!(CacheType::Q8_0.bytes_for(64), 68);
    }
}
