//! Transcendental functions of vectors.
//!
//! Greatest relative errors measured: exp 9e-8, tanh 1.6e-7, SiLU 1.7e-7, GELU 5e-7; `tests.rs` holds them to that. The
//! polynomials interpolate at Chebyshev's points, which is within a hair of the best there is.

use super::lanes::Lanes;

/// Below this e^x rounds to 0, above the next it is infinite.
const LEAST: f32 = -105.0;
const GREATEST: f32 = 89.0;

/// ln 2 in two parts; the first has so few bits that its products with exponents are exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// (e^r − 1 − r) ÷ r² for |r| ≤ ½ ln 2; e^r from it is within 1e-8.
const EXP: [f32; 5] = [0.5, 0.166_665_78, 0.041_666_556, 0.008_363_173, 0.001_392_617_6];

/// The scaled tail of the normal distribution, e^(a²/2) · (1 − Φ(a)) ÷ t with t = 1 ÷ (1 + 0.3 a), in powers of t, for
/// 0 ≤ a ≤ 14; within 3e-8.
const TAIL: [f32; 10] = [
    0.119_687_69,
    0.119_551_76,
    0.110_405_18,
    0.077_589_065,
    0.098_480_74,
    -0.083_742_55,
    0.196_940_68,
    -0.232_038_48,
    0.114_040_27,
    -0.020_914_36,
];
const TAIL_STEP: f32 = 0.3;

/// c₀ + c₁x + c₂x² + …
#[inline(always)]
fn polynomial<L: Lanes, const N: usize>(lanes: L, coefficients: [f32; N], x: L::Vector) -> L::Vector {
    let mut out = lanes.splat(0.0);
    let mut first = true;
    for c in coefficients.into_iter().rev() {
        let c = lanes.splat(c);
        out = if first { c } else { lanes.fma(out, x, c) };
        first = false;
    }
    out
}

/// (n, e^r − 1) with x = n ln 2 + r and |r| ≤ ½ ln 2.
#[inline(always)]
fn reduced<L: Lanes>(lanes: L, x: L::Vector) -> (L::Vector, L::Vector) {
    let n = lanes.round(lanes.mul(x, lanes.splat(std::f32::consts::LOG2_E)));
    let r = lanes.fma(n, lanes.splat(-LN2_HIGH), x);
    let r = lanes.fma(n, lanes.splat(-LN2_LOW), r);
    let q = polynomial(lanes, EXP, r);
    (n, lanes.fma(lanes.mul(r, r), q, r))
}

/// e^x. 0 for −∞, ∞ above 88.72; what is not a number stays so.
#[inline(always)]
pub fn exp<L: Lanes>(lanes: L, x: L::Vector) -> L::Vector {
    let x = lanes.min(lanes.splat(GREATEST), lanes.max(lanes.splat(LEAST), x));
    let (n, less_one) = reduced(lanes, x);
    lanes.scale2(lanes.add(less_one, lanes.splat(1.0)), n)
}

/// x ÷ (1 + e^(−rate · x)): SiLU with rate 1.
#[inline(always)]
pub fn gated<L: Lanes>(lanes: L, x: L::Vector, rate: f32) -> L::Vector {
    let one = lanes.splat(1.0);
    lanes.div(x, lanes.add(one, exp(lanes, lanes.mul(x, lanes.splat(-rate)))))
}

/// tanh x = w ÷ (w + 2) with w = e^2|x| − 1, which loses nothing near 0.
#[inline(always)]
pub fn tanh<L: Lanes>(lanes: L, x: L::Vector) -> L::Vector {
    // From 9.02 on tanh is 1 to the last bit.
    let twice = lanes.min(lanes.splat(20.0), lanes.mul(lanes.abs(x), lanes.splat(2.0)));
    let (n, less_one) = reduced(lanes, twice);
    let one = lanes.splat(1.0);
    let power = lanes.scale2(one, n);
    let w = lanes.fma(power, less_one, lanes.sub(power, one));
    lanes.copy_sign(lanes.div(w, lanes.add(w, lanes.splat(2.0))), x)
}

/// x · Φ(x), Φ being the normal distribution: ½ x (1 + erf(x ÷ √2)), without cancellation for negative x.
#[inline(always)]
pub fn gelu<L: Lanes>(lanes: L, x: L::Vector) -> L::Vector {
    let one = lanes.splat(1.0);
    // Beyond 14.5 the tail is less than the least number; the bound keeps it finite.
    let a = lanes.min(lanes.splat(14.5), lanes.abs(x));
    let t = lanes.div(one, lanes.fma(a, lanes.splat(TAIL_STEP), one));
    let scaled = lanes.mul(polynomial(lanes, TAIL, t), t);
    // e^(−a²/2) to the last place needs a² to more places than a number has: e^(−rest/2) is 1 − rest/2.
    let half = lanes.splat(-0.5);
    let square = lanes.mul(a, a);
    let rest = lanes.square_rest(a, square);
    let power = exp(lanes, lanes.mul(square, half));
    let power = lanes.fma(power, lanes.mul(rest, half), power);
    let tail = lanes.mul(scaled, power);
    let zero = lanes.splat(0.0);
    let share = lanes.if_less(x, zero, tail, lanes.sub(one, tail));
    lanes.mul(x, share)
}
