//! What the processor can do, asked once and carried as a value.

#[cfg(target_arch = "x86_64")]
use crate::cpu::features;
use std::sync::OnceLock;

/// A set of instructions this processor has. A value of this type is proof that the processor was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isa(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

/// A computation with one variant per set of instructions.
pub trait Work: Sized {
    /// With AVX-512; by default the portable variant, which the compiler vectorizes anew.
    ///
    /// # Safety
    ///
    /// The processor has AVX-512F.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    unsafe fn avx512(self) {
        self.portable();
    }

    /// With AVX2 and fused multiply-add; by default the portable variant, which the compiler vectorizes anew.
    ///
    /// # Safety
    ///
    /// The processor has AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2(self) {
        self.portable();
    }

    /// Without any assumption. `#[inline(always)]` where the other variants are the default.
    fn portable(self);
}

impl Isa {
    /// The best this processor has.
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::available().first().copied().unwrap_or(Self(Kind::Portable)))
    }

    /// Everything this processor has, best first.
    pub fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if features::avx512() {
                all.push(Self(Kind::Avx512));
            }
            if features::avx2() {
                all.push(Self(Kind::Avx2));
            }
        }
        all.push(Self(Kind::Portable));
        all
    }

    /// Runs the variant of `work` for these instructions.
    #[inline]
    pub(super) fn run(self, work: impl Work) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of this kind is made in `available` alone, after `features::avx512()`.
            Kind::Avx512 => unsafe { work.avx512() },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of this kind is made in `available` alone, after `features::avx2()`.
            Kind::Avx2 => unsafe { work.avx2() },
            Kind::Portable => work.portable(),
        }
    }
}
