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
    Portable,
}

/// A computation with one variant per set of instructions.
pub trait Work: Sized {
    /// With AVX-512; by default the portable variant, which the compiler vectorizes anew.
    ///
    /// # Safety
    ///
    /// The processor has AVX-512 F, BW, VL, DQ and VNNI.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
    unsafe fn avx512(self) {
        self.portable();
    }

    /// Without any assumption. `#[inline(always)]` where the other variant is the default.
    fn portable(self);
}

/// Whether this processor has the instructions that make whole numbers faster than `f32`. Without them,
/// [`product`](super::product()) computes the same, slowly.
pub fn available() -> bool {
    Isa::best() != Isa(Kind::Portable)
}

impl Isa {
    /// The best this processor has.
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::all().first().copied().unwrap_or(Self(Kind::Portable)))
    }

    /// Everything this processor has, best first.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        if features::avx512_vnni() {
            all.push(Self(Kind::Avx512));
        }
        all.push(Self(Kind::Portable));
        all
    }

    /// Runs the variant of `work` for these instructions.
    #[inline]
    pub(super) fn run(self, work: impl Work) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of this kind is made in `all` alone, after `features::avx512_vnni()`.
            Kind::Avx512 => unsafe { work.avx512() },
            Kind::Portable => work.portable(),
        }
    }
}
