//! The product against sums in `f64` of the expanded weights, for every type and every set of instructions this
//! processor has.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::{AtomicUsize, Ordering};

use half::f16;

use super::isa::Isa;
use super::layout::{BLOCK, TOKENS, Tokens};
use super::product::product_with;
use super::stored::{Bits, Stored, TYPES};
use super::{Precision, Rounded, product, takes};
use crate::error::Error;
use crate::format::DType;

const PRECISIONS: [Precision; 2] = [Precision::Int8, Precision::Int16];

/// What rounded activations stand for.
fn values(rounded: &Rounded) -> Vec<f64> {
    fn of<const P: usize>(groups: &[Tokens<P>], m: usize, k: usize) -> Vec<f64> {
        let one = |(t, i): (usize, usize)| {
            let tokens = &groups[t / TOKENS * (k / BLOCK) + i / BLOCK];
            let (t, i) = (t % TOKENS, i % BLOCK);
            let number = tokens.quads.iter().fold(0, |all, plane| 256 * all + i32::from(plane[i / 4][t][i % 4]));
            f64::from(number) * f64::from(tokens.scales[t])
        };
        (0..m * k).map(|at| one((at / k, at % k))).collect()
    }
    match rounded.precision() {
        Precision::Int8 => of(rounded.one(), rounded.m(), rounded.k()),
        Precision::Int16 => of(rounded.two(), rounded.m(), rounded.k()),
    }
}

fn check(dtype: DType, m: usize, n: usize, k: usize, stride: usize) {
    let mut bits = Bits(7 + (m * n * k) as u64);
    let (weights, x) = (Stored::new(dtype, n, k, &mut bits), bits.numbers(m * k));
    let expanded = weights.expanded();
    for precision in PRECISIONS {
        let rounded = Rounded::new(&x, m, k, precision).unwrap();
        let coarse = values(&rounded);
        let mut first = Vec::new();
        for isa in Isa::all() {
            let mut out = vec![f32::NAN; (m - 1) * stride + n];
            product_with(isa, &rounded, &weights, &mut out, stride, &|| false).unwrap();
            let what = format!("{dtype} {isa:?} {precision:?} {m}x{n}x{k}");
            for (i, row) in out.chunks(stride).enumerate() {
                assert!(row.iter().skip(n).all(|y| y.is_nan()), "{what} wrote between the rows");
                for (j, y) in row.iter().take(n).enumerate() {
                    let (x, coarse, w) = (&x[i * k..][..k], &coarse[i * k..][..k], &expanded[j * k..][..k]);
                    let most = w.iter().fold(0.0, |most: f64, w| most.max(f64::from(w.abs())));
                    let sum = |x: &dyn Fn(usize) -> f64| (0..k).map(|i| x(i) * f64::from(w[i])).sum::<f64>();
                    let size: f64 = coarse.iter().map(|x| x.abs() * most).sum();
                    let error = (f64::from(*y) - sum(&|i| coarse[i])).abs();
                    assert!(error <= 1e-6 * size, "{what} at [{i}, {j}]: {y}, {error} off");
                    // Half a unit for each column.
                    let steps = if precision == Precision::Int8 { 127.0 } else { 32512.0 };
                    let largest = |x: &[f32]| x.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
                    let halves: Vec<f64> = x.chunks(BLOCK).map(|x| f64::from(largest(x)) / steps * 0.51).collect();
                    let bound: f64 = (0..k).map(|i| halves[i / BLOCK] * f64::from(w[i].abs())).sum();
                    let error = (f64::from(*y) - sum(&|i| f64::from(x[i]))).abs();
                    assert!(error <= bound + 1e-6 * size, "{what} at [{i}, {j}]: {y}, {error} off for {bound}");
                }
            }
            let out: Vec<u32> = out.iter().map(|y| y.to_bits()).collect();
            if first.is_empty() {
                first = out;
            } else {
                assert!(first == out, "{what} is not what {:?} gives", Isa::best());
            }
        }
    }
}

#[test]
fn every_type_and_every_instruction_set() {
    for &(dtype, _) in TYPES {
        for (m, n, k) in [(1, 1, 256), (3, 64, 512), (5, 17, 256), (7, 66, 768), (32, 130, 256), (4, 40, 2304)] {
            check(dtype, m, n, k, n);
        }
    }
}

#[test]
fn rows_of_any_number_of_blocks() {
    for dtype in [DType::Q4_0, DType::Q5_1, DType::Q8_0] {
        for k in [32, 64, 96, 352, 384, 416, 576, 800, 1568] {
            check(dtype, 4, 20, k, 20);
        }
    }
}

#[test]
fn every_number_of_tokens() {
    for m in 1..=20 {
        check(DType::Q4_0, m, 33, 64, 33);
        check(DType::Q6_K, m, 33, 256, 33);
    }
    for m in [575, 576, 577, 1200] {
        check(DType::Q4_1, m, 10, 64, 10);
    }
}

#[test]
fn rows_of_the_output_may_be_apart() {
    check(DType::Q4_K, 37, 50, 256, 61);
    check(DType::Q8_0, 6, 20, 32, 21);
}

#[test]
fn any_number_of_threads() {
    for threads in [1, 2, 3, 16] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            check(DType::Q4_0, 130, 200, 96, 200);
            check(DType::Q5_K, 6, 300, 256, 300);
            check(DType::Q8_0, 650, 20, 32, 20);
        });
    }
}

#[test]
fn the_finer_precision_is_as_good_as_f32() {
    let (m, n, k) = (8, 64, 2048);
    let mut bits = Bits(5);
    let (weights, x) = (Stored::new(DType::Q8_0, n, k, &mut bits), bits.numbers(m * k));
    let expanded = weights.expanded();
    let noise = |precision| {
        let mut out = vec![0.0; m * n];
        product(&Rounded::new(&x, m, k, precision).unwrap(), &weights, &mut out, n, &|| false).unwrap();
        let (mut wrong, mut all) = (0.0, 0.0);
        for (at, y) in out.iter().enumerate() {
            let pairs = x[at / n * k..][..k].iter().zip(&expanded[at % n * k..][..k]);
            let exact: f64 = pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            wrong += (f64::from(*y) - exact).powi(2);
            all += exact * exact;
        }
        wrong / all
    };
    let (coarse, fine) = (noise(Precision::Int8), noise(Precision::Int16));
    assert!((1e-6..1e-4).contains(&coarse), "{coarse}");
    assert!(fine < 1e-9, "{fine}");
}

#[test]
fn extreme_numbers_neither_overflow_nor_hide() {
    let mut bits = Bits(3);
    let mut x = vec![0.0; 7 * 64];
    x[..64].fill(f32::MAX); // and token 1 is zero
    x[2 * 64 + 5] = f32::NAN;
    x[3 * 64 + 40] = f32::INFINITY;
    x[4 * 64..5 * 64].fill(-1.0);
    x[5 * 64..6 * 64].fill(1e-40);
    x[6 * 64] = -0.0;
    let mut weights = Stored::new(DType::Q8_0, 1, 64, &mut bits);
    for block in weights.bytes.chunks_mut(34) {
        block[..2].copy_from_slice(&f16::from_f32(2.0).to_le_bytes());
        block[2..].fill(-128_i8 as u8);
    }
    for precision in PRECISIONS {
        for isa in Isa::all() {
            let mut out = [0.0; 7];
            let rounded = Rounded::new(&x, 7, 64, precision).unwrap();
            product_with(isa, &rounded, &weights, &mut out, 1, &|| false).unwrap();
            assert_eq!(out[0], f32::NEG_INFINITY, "{out:?}");
            assert!(out[2].is_nan() && out[3].is_nan(), "{out:?}");
            assert!((out[4] - 64.0 * 256.0).abs() < 1e-2, "{out:?}");
            assert_eq!([out[1], out[5], out[6]], [0.0; 3]);
        }
    }
}

#[test]
fn nothing_times_nothing() {
    let (mut bits, out) = (Bits(1), &mut [1.0; 6]);
    let of = |m, k| Rounded::new(&vec![0.0; m * k], m, k, Precision::Int8).unwrap();
    product(&of(0, 32), &Stored::new(DType::Q4_0, 3, 32, &mut bits), out, 3, &|| false).unwrap();
    product(&of(2, 32), &Stored::new(DType::Q4_0, 0, 32, &mut bits), out, 3, &|| false).unwrap();
    assert_eq!(out, &[1.0; 6]);
    product(&of(2, 0), &Stored::new(DType::Q4_0, 3, 0, &mut bits), out, 3, &|| false).unwrap();
    assert_eq!(out, &[0.0; 6]);
}

#[test]
fn wrong_shapes_and_types_are_refused() {
    let mut bits = Bits(1);
    let x = Rounded::new(&[1.0; 128], 2, 64, Precision::Int8).unwrap();
    let mut of = |dtype, k| Stored::new(dtype, 3, k, &mut bits);
    let (good, short, wide, plain) =
        (of(DType::Q4_0, 64), of(DType::Q4_0, 32), of(DType::Q4_K, 256), of(DType::F16, 64));
    let mut out = [0.0; 6];
    assert!(product(&x, &good, &mut out, 3, &|| false).is_ok());
    assert!(product(&x, &short, &mut out, 3, &|| false).is_err());
    assert!(product(&x, &wide, &mut out, 3, &|| false).is_err());
    assert!(product(&x, &plain, &mut out, 3, &|| false).is_err());
    assert!(product(&x, &good, &mut out, 2, &|| false).is_err());
    assert!(product(&x, &good, &mut out[..5], 3, &|| false).is_err());
    assert!(product(&x, &good, &mut out, usize::MAX, &|| false).is_err());
    assert!(Rounded::new(&[1.0; 64], usize::MAX, 64, Precision::Int8).is_err());
    assert!(Rounded::new(&[1.0; 80], 2, 40, Precision::Int8).is_err());
    let taken: Vec<DType> = DType::ALL.iter().copied().filter(|dtype| takes(*dtype)).collect();
    assert_eq!(taken.len(), TYPES.len());
    assert!(TYPES.iter().all(|(dtype, _)| takes(*dtype)));
}

#[test]
fn memory_is_used_again() {
    let mut bits = Bits(9);
    let (x, mut rounded) = (bits.numbers(50 * 96), Rounded::default());
    for (m, k, precision) in [(50, 96, Precision::Int8), (4, 32, Precision::Int8), (5, 64, Precision::Int16)] {
        rounded.round(&x[..m * k], m, k, precision).unwrap();
        let fresh = Rounded::new(&x[..m * k], m, k, precision).unwrap();
        assert_eq!((rounded.m(), rounded.k(), rounded.precision()), (m, k, precision));
        assert_eq!(values(&rounded), values(&fresh));
    }
    assert!(rounded.round(&x[..7], 2, 32, Precision::Int8).is_err());
    assert_eq!(rounded.m(), 5);
}

#[test]
fn a_stop_ends_the_product_soon() {
    let (m, n, k) = (64, 4096, 1024);
    let mut bits = Bits(2);
    let weights = Stored::new(DType::Q4_0, n, k, &mut bits);
    let x = Rounded::new(&bits.numbers(m * k), m, k, Precision::Int16).unwrap();
    let mut out = vec![0.0; m * n];
    let polls = AtomicUsize::new(0);
    let stop = || polls.fetch_add(1, Ordering::Relaxed) >= 3;
    assert!(matches!(product(&x, &weights, &mut out, n, &stop), Err(Error::Interrupted)));
    assert!(weights.asked.load(Ordering::Relaxed) <= 3 * 64);
}

#[test]
fn an_error_of_the_weights_comes_through() {
    let mut bits = Bits(2);
    let mut weights = Stored::new(DType::Q4_0, 500, 64, &mut bits);
    weights.bad = Some(321);
    let x = Rounded::new(&bits.numbers(100 * 64), 100, 64, Precision::Int8).unwrap();
    let mut out = vec![0.0; 100 * 500];
    assert!(matches!(product(&x, &weights, &mut out, 500, &|| false), Err(Error::Argument { .. })));
}
