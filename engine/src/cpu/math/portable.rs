//! Vectors for any processor: loops over a few lanes, which the compiler turns into vector instructions by itself.

use super::lanes::Lanes;
use half::f16;

const WIDTH: usize = 8;

/// Adding this rounds numbers within ±2²² to integers, and leaves the integer in the low bits.
const ROUNDER: f32 = 12_582_912.0;

/// No special instructions.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

/// Eight numbers.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub struct Array([f32; WIDTH]);

#[inline(always)]
fn each1(a: Array, f: impl Fn(f32) -> f32) -> Array {
    let mut out = a;
    for a in &mut out.0 {
        *a = f(*a);
    }
    out
}

#[inline(always)]
fn each2(a: Array, b: Array, f: impl Fn(f32, f32) -> f32) -> Array {
    let mut out = a;
    for (a, b) in out.0.iter_mut().zip(b.0) {
        *a = f(*a, b);
    }
    out
}

/// 2ⁿ for integers n within ±126.
#[inline(always)]
fn power_of_two(n: f32) -> f32 {
    let n = (n + ROUNDER).to_bits().wrapping_sub(ROUNDER.to_bits());
    f32::from_bits(n.wrapping_add(127) << 23)
}

/// The number that the bits of an `f16` stand for. Its exponent is moved by a multiplication, which is right for
/// subnormal numbers too; infinities and what is not a number get theirs by hand.
#[inline(always)]
fn widen(bits: u16) -> f32 {
    let bits = u32::from(bits);
    let magnitude = (bits & 0x7fff) << 13;
    let finite = (f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23)).to_bits();
    let all = if magnitude >= 0x7c00 << 13 { magnitude | 0x7f80_0000 } else { finite };
    f32::from_bits(all | ((bits & 0x8000) << 16))
}

#[inline(always)]
fn round(a: f32) -> f32 {
    (a + ROUNDER) - ROUNDER
}

impl Lanes for Portable {
    const WIDTH: usize = WIDTH;
    const REGISTERS: usize = if cfg!(target_arch = "aarch64") { 16 } else { 8 };
    type Vector = Array;

    #[inline(always)]
    fn splat(self, value: f32) -> Array {
        Array([value; WIDTH])
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> Array {
        match from.first_chunk() {
            Some(all) => Array(*all),
            None => {
                let mut out = [0.0; WIDTH];
                for (to, from) in out.iter_mut().zip(from) {
                    *to = *from;
                }
                Array(out)
            }
        }
    }

    #[inline(always)]
    fn load_half(self, from: &[f16]) -> Array {
        let mut out = [0.0; WIDTH];
        match from.first_chunk::<WIDTH>() {
            Some(all) => {
                for (to, from) in out.iter_mut().zip(all) {
                    *to = widen(from.to_bits());
                }
            }
            None => {
                for (to, from) in out.iter_mut().zip(from) {
                    *to = widen(from.to_bits());
                }
            }
        }
        Array(out)
    }

    #[inline(always)]
    fn store(self, vector: Array, to: &mut [f32]) {
        match to.first_chunk_mut() {
            Some(all) => *all = vector.0,
            None => {
                for (to, from) in to.iter_mut().zip(vector.0) {
                    *to = from;
                }
            }
        }
    }

    #[inline(always)]
    fn add(self, a: Array, b: Array) -> Array {
        each2(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: Array, b: Array) -> Array {
        each2(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: Array, b: Array) -> Array {
        each2(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, a: Array, b: Array) -> Array {
        each2(a, b, |a, b| a / b)
    }

    #[inline(always)]
    fn fma(self, a: Array, b: Array, c: Array) -> Array {
        let mut out = c;
        for ((c, a), b) in out.0.iter_mut().zip(a.0).zip(b.0) {
            // Where the target has no such instruction, `mul_add` would be a slow call.
            *c = if cfg!(any(target_arch = "aarch64", target_feature = "fma")) { a.mul_add(b, *c) } else { a * b + *c };
        }
        out
    }

    #[inline(always)]
    fn max(self, a: Array, b: Array) -> Array {
        each2(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, a: Array, b: Array) -> Array {
        each2(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn round(self, a: Array) -> Array {
        each1(a, round)
    }

    #[inline(always)]
    fn scale2(self, x: Array, n: Array) -> Array {
        each2(x, n, |x, n| {
            let half = round(n * 0.5);
            x * power_of_two(half) * power_of_two(n - half)
        })
    }

    #[inline(always)]
    fn square_rest(self, a: Array, product: Array) -> Array {
        each2(a, product, |a, product| (f64::from(a) * f64::from(a) - f64::from(product)) as f32)
    }

    #[inline(always)]
    fn abs(self, a: Array) -> Array {
        each1(a, f32::abs)
    }

    #[inline(always)]
    fn copy_sign(self, a: Array, sign: Array) -> Array {
        each2(a, sign, f32::copysign)
    }

    #[inline(always)]
    fn if_less(self, a: Array, b: Array, yes: Array, no: Array) -> Array {
        let mut out = no;
        for (i, out) in out.0.iter_mut().enumerate() {
            *out = if a.0[i] < b.0[i] { yes.0[i] } else { *out };
        }
        out
    }

    #[inline(always)]
    fn sum(self, a: Array) -> f32 {
        let [a, b, c, d, e, f, g, h] = a.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }

    #[inline(always)]
    fn sum4(self, [a, b, c, d]: [Array; 4]) -> [f32; 4] {
        [self.sum(a), self.sum(b), self.sum(c), self.sum(d)]
    }

    #[inline(always)]
    fn greatest(self, a: Array) -> f32 {
        a.0.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}
