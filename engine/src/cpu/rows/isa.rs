//! Which vector instructions this processor has, and the calls into the kernels that use them.

use super::driver::Product;
use super::portable;
#[cfg(target_arch = "x86_64")]
use crate::cpu::features;
use crate::format::DType;

#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// A set of vector instructions that there are kernels for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isa {
    /// AVX-512 F, BW, VL and DQ.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2, FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What the compiler makes of loops over arrays.
    Portable,
}

impl Isa {
    /// Every set, the best first.
    const ALL: &[Self] = &[
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        Self::Portable,
    ];

    /// The sets that this processor has, the best first.
    pub(super) fn available() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|isa| isa.is_here())
    }

    /// The best set that this processor has.
    pub(super) fn best() -> Self {
        Self::available().next().unwrap_or(Self::Portable)
    }

    /// Whether this processor has it; looked up once by the standard library.
    fn is_here(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => features::avx512(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => features::avx2(),
            Self::Portable => true,
        }
    }

    /// Products of the covered part of rows, to `[rows, m]` of `out`.
    pub(super) fn dot(self, dtype: DType, job: &Product<'_>, out: &mut [f32]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `is_here` has just found them.
            Self::Avx512 if self.is_here() => unsafe { avx512::dot(dtype, job, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `is_here` has just found them.
            Self::Avx2 if self.is_here() => unsafe { avx2::dot(dtype, job, out) },
            _ => portable::dot(dtype, job, out),
        }
    }

    /// Expands as many values to `out` as are in whole blocks.
    pub(super) fn expand(self, dtype: DType, bytes: &[u8], out: &mut [f32]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `is_here` has just found them.
            Self::Avx512 if self.is_here() => unsafe { avx512::expand(dtype, bytes, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `is_here` has just found them.
            Self::Avx2 if self.is_here() => unsafe { avx2::expand(dtype, bytes, out) },
            _ => portable::expand(dtype, bytes, out),
        }
    }
}
