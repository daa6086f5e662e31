//! The vectors that the kernels are written in, and the choice of an instruction set at run time.
//!
//! A kernel is written once, as [`Kernel::run`] over any [`Lanes`], and compiled for each instruction set by
//! [`Isa::run`]. The values that implement `Lanes` are proofs: the ones that use special instructions are made only
//! after the processor was asked. All the `unsafe` there is stands in `x86.rs`.
//!
//! Everything between `Isa::run` and the instructions must be `#[inline(always)]`, or it is compiled without them.

use half::f16;

/// A set of vector instructions, by its widest register of `f32`.
pub trait Lanes: Copy + Send + Sync {
    /// Numbers in a vector.
    const WIDTH: usize;
    /// Vectors that the registers hold.
    const REGISTERS: usize;
    /// `WIDTH` numbers.
    type Vector: Copy;

    /// `value` in all lanes.
    fn splat(self, value: f32) -> Self::Vector;
    /// The first `WIDTH` numbers; what a shorter slice lacks is 0.
    fn load(self, from: &[f32]) -> Self::Vector;
    /// The first `WIDTH` numbers, widened; what a shorter slice lacks is 0.
    fn load_half(self, from: &[f16]) -> Self::Vector;
    /// Stores the lanes, or as many as `to` holds.
    fn store(self, vector: Self::Vector, to: &mut [f32]);

    /// a + b
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// a − b
    fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// a · b
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// a ÷ b
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// a · b + c, rounded once where the processor can.
    fn fma(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// The greater; `b` when either is not a number.
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The lesser; `b` when either is not a number.
    fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The nearest integer, ties to even, of numbers within ±2²².
    fn round(self, a: Self::Vector) -> Self::Vector;
    /// x · 2ⁿ for integers n within ±252.
    fn scale2(self, x: Self::Vector, n: Self::Vector) -> Self::Vector;
    /// What rounding took from `product` = a · a: the exact square less `product`.
    fn square_rest(self, a: Self::Vector, product: Self::Vector) -> Self::Vector;
    /// |a|
    fn abs(self, a: Self::Vector) -> Self::Vector;
    /// The magnitude of `a` with the sign of `sign`.
    fn copy_sign(self, a: Self::Vector, sign: Self::Vector) -> Self::Vector;
    /// `yes` where a < b, else `no`.
    fn if_less(self, a: Self::Vector, b: Self::Vector, yes: Self::Vector, no: Self::Vector) -> Self::Vector;
    /// The sum of the lanes.
    fn sum(self, a: Self::Vector) -> f32;
    /// The sums of the lanes of four vectors, together cheaper than one by one.
    fn sum4(self, a: [Self::Vector; 4]) -> [f32; 4];
    /// The greatest lane.
    fn greatest(self, a: Self::Vector) -> f32;
}

/// A computation that any instruction set can do. Implementations mark `run` `#[inline(always)]`.
pub trait Kernel {
    /// What it gives.
    type Output;
    /// Does it with the instructions of `lanes`.
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// A number that a vector can be loaded from.
pub trait Element: Copy + Send + Sync {
    /// The first `WIDTH` elements as `f32`; what a shorter slice lacks is 0.
    fn load<L: Lanes>(lanes: L, from: &[Self]) -> L::Vector;

    /// `from` as `f32`: itself where it is, else widened into `room`, which holds as many.
    fn widen<'a, L: Lanes>(lanes: L, from: &'a [Self], room: &'a mut [f32]) -> &'a [f32];
}

impl Element for f32 {
    #[inline(always)]
    fn load<L: Lanes>(lanes: L, from: &[Self]) -> L::Vector {
        lanes.load(from)
    }

    #[inline(always)]
    fn widen<'a, L: Lanes>(_: L, from: &'a [Self], _: &'a mut [f32]) -> &'a [f32] {
        from
    }
}

impl Element for f16 {
    #[inline(always)]
    fn load<L: Lanes>(lanes: L, from: &[Self]) -> L::Vector {
        lanes.load_half(from)
    }

    #[inline(always)]
    fn widen<'a, L: Lanes>(lanes: L, from: &'a [Self], room: &'a mut [f32]) -> &'a [f32] {
        for (from, to) in from.chunks(L::WIDTH).zip(room.chunks_mut(L::WIDTH)) {
            lanes.store(lanes.load_half(from), to);
        }
        room.get(..from.len()).unwrap_or_default()
    }
}

/// An instruction set that this processor has.
#[derive(Clone, Copy, Debug)]
pub enum Isa {
    /// AVX-512 F, BW, VL and DQ: 16 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx512(super::x86::Avx512),
    /// AVX2 with FMA and F16C: 8 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx2(super::x86::Avx2),
    /// Loops over 8 lanes that the compiler turns into whatever every processor of the target has.
    Portable(super::portable::Portable),
}

impl Isa {
    /// The widest there is.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(lanes) = super::x86::Avx512::detect() {
                return Self::Avx512(lanes);
            }
            if let Some(lanes) = super::x86::Avx2::detect() {
                return Self::Avx2(lanes);
            }
        }
        Self::Portable(super::portable::Portable)
    }

    /// All there are, the widest first.
    pub fn available() -> Vec<Self> {
        let all = [
            #[cfg(target_arch = "x86_64")]
            super::x86::Avx512::detect().map(Self::Avx512),
            #[cfg(target_arch = "x86_64")]
            super::x86::Avx2::detect().map(Self::Avx2),
            Some(Self::Portable(super::portable::Portable)),
        ];
        all.into_iter().flatten().collect()
    }

    /// Numbers in a vector.
    pub fn width(self) -> usize {
        struct Width;
        impl Kernel for Width {
            type Output = usize;
            fn run<L: Lanes>(self, _: L) -> usize {
                L::WIDTH
            }
        }
        self.run(Width)
    }

    /// Runs a kernel compiled for this instruction set.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(lanes) => lanes.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(lanes) => lanes.run(kernel),
            Self::Portable(lanes) => kernel.run(lanes),
        }
    }
}
