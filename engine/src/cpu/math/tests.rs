//! Against f64, with every instruction set of this processor.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::activation::{Activation, Alone, Pointwise};
use super::elementwise::{add_with, softcap_with};
use super::functions;
use super::lanes::{Element, Isa, Kernel, Lanes};
use super::norm::{layer_norm_with, rms_norm_with};
use super::rope::{Pairs, Rope, rope_with};
use half::f16;

/// Numbers between −1 and 1, the same ones every time.
fn noise(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// `from` to `to` in many steps.
fn sweep(from: f32, to: f32) -> Vec<f32> {
    let steps = 200_003;
    (0..=steps).map(|i| from + (to - from) * (i as f32 / steps as f32)).collect()
}

/// erfc: Taylor's series of erf near 0, Laplace's continued fraction beyond.
fn erfc(z: f64) -> f64 {
    if z < 2.5 {
        let (mut term, mut sum, mut n) = (z, z, 0.0);
        while term.abs() > 1e-18 * sum.abs() {
            n += 1.0;
            term *= -z * z / n;
            sum += term / (2.0 * n + 1.0);
            if n > 300.0 {
                break;
            }
        }
        if z < -5.0 { 2.0 } else { 1.0 - sum * std::f64::consts::FRAC_2_SQRT_PI }
    } else {
        let fraction = (1..200).rev().fold(z, |f, k| z + f64::from(k) / 2.0 / f);
        (-z * z).exp() / (fraction * std::f64::consts::PI.sqrt())
    }
}

/// The greatest relative error of what is not less than `floor` in magnitude; what is must be within `floor` · 1e-6.
fn worst(found: &[f32], inputs: &[f32], floor: f64, truth: impl Fn(f64) -> f64) -> f64 {
    let mut worst = 0.0f64;
    for (found, x) in found.iter().zip(inputs) {
        let truth = truth(f64::from(*x));
        let error = (f64::from(*found) - truth).abs() / truth.abs().max(floor);
        assert!(error.is_finite(), "f({x}) is {found}, not {truth}");
        worst = worst.max(error);
    }
    worst
}

fn activation_error(isa: Isa, kind: Activation, from: f32, to: f32, truth: impl Fn(f64) -> f64) -> f64 {
    let inputs = sweep(from, to);
    let mut found = inputs.clone();
    kind.apply_with(isa, &mut found);
    worst(&found, &inputs, 1e-30, truth)
}

/// The exponential that attention uses, number by number.
#[derive(Clone, Copy)]
struct Exp;

impl Pointwise for Exp {
    #[inline(always)]
    fn at<L: Lanes>(self, lanes: L, x: L::Vector) -> L::Vector {
        functions::exp(lanes, x)
    }
}

#[test]
fn functions_are_right_to_the_last_places() {
    for isa in Isa::available() {
        let inputs = sweep(-87.0, 88.7);
        let mut found = inputs.clone();
        isa.run(Alone(Exp, &mut found));
        let exp = worst(&found, &inputs, 1e-38, f64::exp);

        let inputs = sweep(-30.0, 30.0);
        let mut found = inputs.clone();
        softcap_with(isa, &mut found, 1.0).unwrap();
        let tanh = worst(&found, &inputs, 1e-30, f64::tanh);
        let inputs = sweep(-1e-3, 1e-3);
        let mut found = inputs.clone();
        softcap_with(isa, &mut found, 1.0).unwrap();
        let small_tanh = worst(&found, &inputs, 1e-30, f64::tanh);

        let silu = activation_error(isa, Activation::Silu, -8.0, 40.0, |x| x / (1.0 + (-x).exp()));
        let silu_far = activation_error(isa, Activation::Silu, -60.0, -8.0, |x| x / (1.0 + (-x).exp()));
        let gelu = activation_error(isa, Activation::GeluErf, -11.0, 20.0, |x| {
            0.5 * x * erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
        });
        let gelu_tanh = activation_error(isa, Activation::GeluTanh, -3.0, 20.0, |x| {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh())
        });
        let all = format!(
            "{isa:?}: exp {exp:.2e} tanh {tanh:.2e} {small_tanh:.2e} silu {silu:.2e} far {silu_far:.2e} \
             gelu {gelu:.2e} gelu tanh {gelu_tanh:.2e}"
        );
        assert!(exp < 2e-7 && tanh < 3e-7 && small_tanh < 3e-7, "{all}");
        assert!(silu < 4e-7 && gelu < 1e-6 && gelu_tanh < 2e-6, "{all}");
        // e^x of a rounded product is as wrong as the product: the far ends, which are next to nothing.
        assert!(silu_far < 4e-7, "{all}");
    }
}

#[test]
fn functions_keep_the_extremes() {
    for isa in Isa::available() {
        let mut x = [f32::NEG_INFINITY, f32::INFINITY, f32::NAN, -200.0, 200.0, 0.0, -103.0];
        isa.run(Alone(Exp, &mut x));
        assert_eq!((x[0], x[1], x[3], x[4], x[5]), (0.0, f32::INFINITY, 0.0, f32::INFINITY, 1.0), "{isa:?}");
        assert!(x[2].is_nan() && x[6] > 0.0 && x[6] < 3e-45, "{isa:?}: {x:?}");
        for kind in [Activation::Silu, Activation::GeluTanh, Activation::GeluErf] {
            let mut x = [-1e30, 1e30, f32::NAN, 0.0, -50.0];
            kind.apply_with(isa, &mut x);
            assert!(x[2].is_nan(), "{isa:?} {kind:?}: {x:?}");
            assert!(x[0] == 0.0 && x[1] == 1e30 && x[3] == 0.0 && x[4].abs() < 1e-18, "{isa:?} {kind:?}: {x:?}");
        }
        let mut x = [-3.0, 0.0, 2.0, f32::NAN];
        Activation::ReluSquared.apply_with(isa, &mut x);
        assert!(x[..3] == [0.0, 0.0, 4.0] && x[3].is_nan(), "{isa:?}: {x:?}");
        let mut x = [-3.0, 2.0];
        Activation::Relu.apply_with(isa, &mut x);
        assert_eq!(x, [0.0, 2.0]);
        let mut x = [1e30, -1e30, f32::NAN];
        softcap_with(isa, &mut x, 30.0).unwrap();
        assert!(x[..2] == [30.0, -30.0] && x[2].is_nan(), "{isa:?}: {x:?}");
    }
}

#[test]
fn gates_multiply_and_lengths_are_checked() {
    for isa in Isa::available() {
        for count in [0, 1, 7, 16, 33, 100] {
            let (gate, up) = (noise(count, 1), noise(count, 2));
            let mut out = vec![0.0; count];
            Activation::Silu.mul_with(isa, &gate, &up, &mut out).unwrap();
            for ((gate, up), out) in gate.iter().zip(&up).zip(out) {
                let truth = f64::from(*gate) / (1.0 + f64::from(-gate).exp()) * f64::from(*up);
                assert!((f64::from(out) - truth).abs() < 1e-7, "{isa:?}");
            }
        }
        assert!(Activation::Silu.mul_with(isa, &[1.0], &[1.0, 2.0], &mut [0.0; 2]).is_err());
        let mut x = noise(37, 3);
        let sum: Vec<f32> = x.iter().map(|x| x + x).collect();
        let y = x.clone();
        add_with(isa, &mut x, &y).unwrap();
        assert_eq!(x, sum);
        assert!(add_with(isa, &mut x, &[1.0]).is_err());
    }
}

#[test]
fn norms_match_their_formulas() {
    for isa in Isa::available() {
        for n in [1, 9, 64, 100, 576] {
            let x: Vec<f32> = noise(3 * n, 4).into_iter().map(|x| 3.0 * x + 0.5).collect();
            let (weight, bias) = (noise(n, 5), noise(n, 6));
            let mut out = vec![0.0; 3 * n];
            let wide: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
            rms_norm_with(isa, &x, &weight, 1e-5, 1.0, &mut out).unwrap();
            for (i, out) in out.iter().enumerate() {
                let row = &wide[i / n * n..][..n];
                let square = row.iter().map(|x| x * x).sum::<f64>() / n as f64;
                let truth = wide[i] / (square + 1e-5).sqrt() * (1.0 + f64::from(weight[i % n]));
                assert!((f64::from(*out) - truth).abs() < 1e-6, "{isa:?} {n}: {out}, not {truth}");
            }
            for bias in [None, Some(bias.as_slice())] {
                layer_norm_with(isa, &x, &weight, bias, 1e-5, &mut out).unwrap();
                for (i, out) in out.iter().enumerate() {
                    let row = &wide[i / n * n..][..n];
                    let mean = row.iter().sum::<f64>() / n as f64;
                    let square = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n as f64;
                    let truth = (wide[i] - mean) / (square + 1e-5).sqrt() * f64::from(weight[i % n])
                        + bias.map_or(0.0, |bias| f64::from(bias[i % n]));
                    assert!((f64::from(*out) - truth).abs() < 3e-6, "{isa:?} {n}: {out}, not {truth}");
                }
            }
        }
        assert!(rms_norm_with(isa, &[1.0; 5], &[1.0; 2], 0.0, 0.0, &mut [0.0; 5]).is_err());
        assert!(rms_norm_with(isa, &[], &[], 0.0, 0.0, &mut []).is_err());
        assert!(rms_norm_with(isa, &[1.0; 4], &[1.0; 2], 0.0, 0.0, &mut [0.0; 2]).is_err());
        assert!(layer_norm_with(isa, &[1.0; 4], &[1.0; 2], Some(&[0.0]), 0.0, &mut [0.0; 4]).is_err());
    }
}

#[test]
fn rotations_turn_pairs_and_leave_the_rest() {
    for isa in Isa::available() {
        for (head_dim, dims) in [(64, 64), (80, 32), (6, 6), (10, 4), (128, 128)] {
            let (tokens, heads) = (3, 2);
            let before = noise(tokens * heads * head_dim, 8);
            let angles = noise(tokens * dims / 2, 9);
            let cos: Vec<f32> = angles.iter().map(|a| a.cos()).collect();
            let sin: Vec<f32> = angles.iter().map(|a| a.sin()).collect();
            for pairs in [Pairs::HalfSplit, Pairs::Interleaved] {
                let mut x = before.clone();
                let call = Rope { x: &mut x, heads, head_dim, dims, cos: &cos, sin: &sin, pairs };
                rope_with(isa, call).unwrap();
                let mut truth = before.clone();
                for (h, head) in truth.chunks_mut(head_dim).enumerate() {
                    for i in 0..dims / 2 {
                        let (a, b) = if pairs == Pairs::HalfSplit { (i, i + dims / 2) } else { (2 * i, 2 * i + 1) };
                        let (cos, sin) = (cos[h / heads * dims / 2 + i], sin[h / heads * dims / 2 + i]);
                        (head[a], head[b]) = (head[a] * cos - head[b] * sin, head[b] * cos + head[a] * sin);
                    }
                }
                assert!(x.iter().zip(&truth).all(|(x, t)| (x - t).abs() < 1e-6), "{isa:?} {head_dim} {pairs:?}");
            }
        }
        let pairs = Pairs::HalfSplit;
        let one = [1.0];
        for (len, heads, head_dim, dims) in [(4, 1, 4, 3), (4, 1, 4, 6), (5, 1, 4, 2), (4, 0, 4, 2), (8, 1, 4, 2)] {
            let call = Rope { x: &mut vec![0.0; len], heads, head_dim, dims, cos: &one, sin: &one, pairs };
            assert!(rope_with(isa, call).is_err(), "{len} {heads} {head_dim} {dims}");
        }
    }
}

#[test]
fn halves_widen_exactly() {
    struct Widen<'a>(&'a [f16], &'a mut [f32]);
    impl Kernel for Widen<'_> {
        type Output = ();
        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) {
            f16::widen(lanes, self.0, self.1);
        }
    }
    let all: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).chain([f16::ONE; 5]).collect();
    for isa in Isa::available() {
        let mut out = vec![0.0; all.len()];
        isa.run(Widen(&all, &mut out));
        for (half, wide) in all.iter().zip(out) {
            assert!(half.to_f32() == wide || half.is_nan() && wide.is_nan(), "{isa:?}: {half:?} became {wide}");
        }
    }
}
