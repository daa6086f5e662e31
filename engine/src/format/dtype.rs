//! Every storage type of the files we read, by name and size.

use crate::error::{Error, Result};
use candle_core::quantized::GgmlDType;

macro_rules! dtypes {
    ($($variant:ident $name:literal ggml=$ggml:expr, block=$block:literal, bytes=$bytes:literal;)*) => {
        /// How the values of a tensor are stored: plain numbers or blocks of quantized ones.
        ///
        /// Names are those of ggml for quantized types and of NumPy's kind, in capitals, for plain ones.
        #[allow(missing_docs)] // the names are the documentation
        #[allow(non_camel_case_types)] // ggml's own spelling
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum DType { $($variant,)* }

        impl DType {
            /// Every type, in the order of ggml's ids where it has one.
            pub const ALL: &[DType] = &[$(DType::$variant,)*];

            /// Its name: `F16`, `Q4_1`, `IQ2_XXS`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// ggml's numeric id; `None` for types that only safetensors has.
            pub fn ggml_id(self) -> Option<u32> {
                match self { $(Self::$variant => $ggml,)* }
            }

            /// Values per block; 1 for plain numbers.
            pub fn block(self) -> usize {
                match self { $(Self::$variant => $block,)* }
            }

            /// Bytes per block.
            pub fn block_bytes(self) -> usize {
                match self { $(Self::$variant => $bytes,)* }
            }
        }
    };
}

// Sizes: ggml-common.h, where a static_assert states each of them.
dtypes! {
    F32 "F32" ggml=Some(0), block=1, bytes=4;
    F16 "F16" ggml=Some(1), block=1, bytes=2;
    Q4_0 "Q4_0" ggml=Some(2), block=32, bytes=18;
    Q4_1 "Q4_1" ggml=Some(3), block=32, bytes=20;
    Q5_0 "Q5_0" ggml=Some(6), block=32, bytes=22;
    Q5_1 "Q5_1" ggml=Some(7), block=32, bytes=24;
    Q8_0 "Q8_0" ggml=Some(8), block=32, bytes=34;
    Q8_1 "Q8_1" ggml=Some(9), block=32, bytes=36;
    Q2_K "Q2_K" ggml=Some(10), block=256, bytes=84;
    Q3_K "Q3_K" ggml=Some(11), block=256, bytes=110;
    Q4_K "Q4_K" ggml=Some(12), block=256, bytes=144;
    Q5_K "Q5_K" ggml=Some(13), block=256, bytes=176;
    Q6_K "Q6_K" ggml=Some(14), block=256, bytes=210;
    Q8_K "Q8_K" ggml=Some(15), block=256, bytes=292;
    IQ2_XXS "IQ2_XXS" ggml=Some(16), block=256, bytes=66;
    IQ2_XS "IQ2_XS" ggml=Some(17), block=256, bytes=74;
    IQ3_XXS "IQ3_XXS" ggml=Some(18), block=256, bytes=98;
    IQ1_S "IQ1_S" ggml=Some(19), block=256, bytes=50;
    IQ4_NL "IQ4_NL" ggml=Some(20), block=32, bytes=18;
    IQ3_S "IQ3_S" ggml=Some(21), block=256, bytes=110;
    IQ2_S "IQ2_S" ggml=Some(22), block=256, bytes=82;
    IQ4_XS "IQ4_XS" ggml=Some(23), block=256, bytes=136;
    I8 "I8" ggml=Some(24), block=1, bytes=1;
    I16 "I16" ggml=Some(25), block=1, bytes=2;
    I32 "I32" ggml=Some(26), block=1, bytes=4;
    I64 "I64" ggml=Some(27), block=1, bytes=8;
    F64 "F64" ggml=Some(28), block=1, bytes=8;
    IQ1_M "IQ1_M" ggml=Some(29), block=256, bytes=56;
    BF16 "BF16" ggml=Some(30), block=1, bytes=2;
    TQ1_0 "TQ1_0" ggml=Some(34), block=256, bytes=54;
    TQ2_0 "TQ2_0" ggml=Some(35), block=256, bytes=66;
    MXFP4 "MXFP4" ggml=Some(39), block=32, bytes=17;
    NVFP4 "NVFP4" ggml=Some(40), block=64, bytes=36;
    Q1_0 "Q1_0" ggml=Some(41), block=128, bytes=18;
    Q2_0 "Q2_0" ggml=Some(42), block=64, bytes=18;
    BOOL "BOOL" ggml=None, block=1, bytes=1;
    U8 "U8" ggml=None, block=1, bytes=1;
    U16 "U16" ggml=None, block=1, bytes=2;
    U32 "U32" ggml=None, block=1, bytes=4;
    U64 "U64" ggml=None, block=1, bytes=8;
    F8_E4M3 "F8_E4M3" ggml=None, block=1, bytes=1;
    F8_E5M2 "F8_E5M2" ggml=None, block=1, bytes=1;
    F8_E8M0 "F8_E8M0" ggml=None, block=1, bytes=1;
    F8_E4M3FNUZ "F8_E4M3FNUZ" ggml=None, block=1, bytes=1;
    F8_E5M2FNUZ "F8_E5M2FNUZ" ggml=None, block=1, bytes=1;
    F4 "F4" ggml=None, block=2, bytes=1;
    F6_E2M3 "F6_E2M3" ggml=None, block=4, bytes=3;
    F6_E3M2 "F6_E3M2" ggml=None, block=4, bytes=3;
    C64 "C64" ggml=None, block=1, bytes=8;
}

impl DType {
    /// The type with this ggml id.
    pub fn from_ggml_id(id: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|d| d.ggml_id() == Some(id))
    }

    /// The type of this name, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|d| d.name().eq_ignore_ascii_case(name))
    }

    /// Whether values come in blocks (which share scales, or only bytes) and must be unpacked before use.
    pub fn is_quantized(self) -> bool {
        self.block() > 1
    }

    /// Whether values are whole numbers or truth values: nothing that weights of a model are.
    pub fn is_whole(self) -> bool {
        matches!(
            self,
            Self::BOOL | Self::U8 | Self::U16 | Self::U32 | Self::U64 | Self::I8 | Self::I16 | Self::I32 | Self::I64
        )
    }

    /// Bytes of `elements` values; `None` when they do not fill whole blocks or the number overflows.
    pub fn bytes_for(self, elements: usize) -> Option<u64> {
        if !elements.is_multiple_of(self.block()) {
            return None;
        }
        u64::try_from(elements / self.block()).ok()?.checked_mul(self.block_bytes() as u64)
    }

    /// The type that a safetensors header names so.
    pub fn from_safetensors(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|d| d.in_safetensors() && d.name() == name)
    }

    /// Whether safetensors has this type.
    pub fn in_safetensors(self) -> bool {
        self.ggml_id().is_none() || !self.is_quantized()
    }

    /// Whether values of this type can be computed with: `Ok`, or an error that names the type and says what to do.
    /// Files with other types can still be listed, and their raw bytes read.
    pub fn computable(self) -> Result<()> {
        let help = match self {
            Self::IQ2_XXS | Self::IQ2_XS | Self::IQ2_S | Self::IQ3_XXS | Self::IQ3_S | Self::IQ1_S | Self::IQ1_M => {
                "run the model with backend \"llama_cpp\", or take a version quantized as IQ4, Q4_K, Q5_K, Q6_K or Q8_0"
            }
            Self::F4 | Self::F6_E2M3 | Self::F6_E3M2 | Self::F8_E4M3FNUZ | Self::F8_E5M2FNUZ => {
                "take a version of the model in BF16, F16, F32 or F8_E4M3"
            }
            Self::C64 => "save the real and the imaginary part as two F32 tensors",
            _ => return Ok(()),
        };
        Err(Error::unsupported(format!("computing with {self} values"), help))
    }

    /// candle's quantized type, where candle can compute it.
    pub fn to_candle_quantized(self) -> Option<GgmlDType> {
        Some(match self {
            Self::F32 => GgmlDType::F32,
            Self::F16 => GgmlDType::F16,
            Self::BF16 => GgmlDType::BF16,
            Self::Q4_0 => GgmlDType::Q4_0,
            Self::Q4_1 => GgmlDType::Q4_1,
            Self::Q5_0 => GgmlDType::Q5_0,
            Self::Q5_1 => GgmlDType::Q5_1,
            Self::Q8_0 => GgmlDType::Q8_0,
            Self::Q8_1 => GgmlDType::Q8_1,
            Self::Q2_K => GgmlDType::Q2K,
            Self::Q3_K => GgmlDType::Q3K,
            Self::Q4_K => GgmlDType::Q4K,
            Self::Q5_K => GgmlDType::Q5K,
            Self::Q6_K => GgmlDType::Q6K,
            Self::Q8_K => GgmlDType::Q8K,
            _ => return None,
        })
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
