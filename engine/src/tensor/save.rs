//! Writing tensors to files.

use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::safetensors::Writer;
use crate::format::{DType, Metadata};
use crate::tensor::Tensor;
use crate::tensor::handle::memory_type;
use std::path::Path;

impl Tensor {
    /// Writes the tensor alone into a safetensors file, under its name or as `"tensor"`. Quantized values are written as F32.
    pub fn save(&self, path: impl AsRef<Path>, control: &Control) -> Result<()> {
        save_all(path, &[(self.name().unwrap_or("tensor"), self)], control)
    }

    /// The values as little-endian bytes in the type they have in memory, and that type.
    pub(crate) fn to_bytes(&self, control: &Control) -> Result<(DType, Vec<u8>)> {
        let dtype = memory_type(self.dtype());
        let loaded = self.cast_with(dtype, control)?;
        let values = loaded.values()?;
        let n = self.elements();
        macro_rules! of {
            ($read:ty, $t:ty, $convert:expr) => {{
                let all: Vec<$read> = values.collect(control, &self.describe("save"))?;
                let mut bytes = Vec::with_capacity(n * size_of::<$t>());
                for v in all {
                    let stored: $t = $convert(v);
                    bytes.extend_from_slice(&stored.to_le_bytes());
                }
                bytes
            }};
        }
        let bytes = match dtype {
            DType::F64 => of!(f64, f64, |v| v),
            DType::F16 => of!(f32, half::f16, half::f16::from_f32),
            DType::BF16 => of!(f32, half::bf16, half::bf16::from_f32),
            DType::I64 => of!(i64, i64, |v| v),
            DType::I32 => of!(i64, i32, |v| v as i32),
            DType::I16 => of!(i64, i16, |v| v as i16),
            DType::U32 => of!(i64, u32, |v| v as u32),
            DType::U8 | DType::BOOL => of!(i64, u8, |v| v as u8),
            _ => of!(f32, f32, |v| v),
        };
        Ok((dtype, bytes))
    }
}

/// Writes named tensors into one safetensors file, which appears whole or not at all. Names must differ; quantized values are
/// written as F32. One tensor at a time is in memory.
pub fn save_all(path: impl AsRef<Path>, tensors: &[(&str, &Tensor)], control: &Control) -> Result<()> {
    let path = path.as_ref();
    if path.extension().is_none_or(|e| !e.eq_ignore_ascii_case("safetensors")) {
        let found = path.display().to_string();
        return Err(Error::argument("save", "a path that ends in .safetensors", found));
    }
    let mut writer = Writer::new(&Metadata::new());
    for (name, tensor) in tensors {
        let bytes = move || Ok(tensor.to_bytes(control)?.1.into());
        writer.tensor_with(name, memory_type(tensor.dtype()), tensor.shape(), bytes)?;
    }
    writer.write(path, control)
}
