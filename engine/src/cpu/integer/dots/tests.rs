//! Every type beside a plain product in f64 of the expanded rows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::few::{BLOCKS, COLUMNS, Chunk};
use super::{Few, MOST, dot_rows, takes};
use crate::cpu::integer::Precision;
use crate::cpu::integer::layout::BLOCK;
use crate::cpu::integer::stored::{Bits, Stored};
use crate::format::DType;

const TYPES: [DType; 9] = [
    DType::Q4_0,
    DType::Q4_1,
    DType::Q5_0,
    DType::Q5_1,
    DType::Q8_0,
    DType::IQ4_NL,
    DType::Q4_K,
    DType::Q5_K,
    DType::Q6_K,
];

/// What rounded vectors stand for.
fn values(few: &Few) -> Vec<f64> {
    fn of<const P: usize>(chunks: &[Chunk<P>], m: usize, cols: usize) -> Vec<f64> {
        let one = |v: usize, i: usize| {
            let (chunk, i) = (&chunks[v * cols.div_ceil(COLUMNS) + i / COLUMNS], i % COLUMNS);
            let (block, half, at) = (i / BLOCK, i % BLOCK / 16, i % 16);
            let number = chunk.numbers.iter().fold(0, |all, plane| 256 * all + i32::from(plane[half][16 * block + at]));
            f64::from(number) * f64::from(chunk.scales[BLOCKS * block])
        };
        (0..m * cols).map(|at| one(at / cols, at % cols)).collect()
    }
    match few.precision() {
        Precision::Int8 => of(few.one(), few.m(), few.cols()),
        Precision::Int16 => of(few.two(), few.m(), few.cols()),
    }
}

#[test]
fn products_are_those_of_the_expanded_rows() {
    let mut bits = Bits(7);
    for dtype in TYPES.into_iter().filter(|dtype| takes(*dtype)) {
        for cols in if dtype.block() == 32 { [32, 64, 96, 128, 416, 576] } else { [256, 512, 768, 1280, 2048, 2304] } {
            for (m, n) in [(1, 1), (1, 3), (1, 4), (1, 9), (2, 5), (3, 4), (4, 2), (4, 7)] {
                let weights = Stored::new(dtype, n, cols, &mut bits);
                let (x, expanded) = (bits.numbers(m * cols), weights.expanded());
                for (precision, steps) in [(Precision::Int8, 127.0), (Precision::Int16, 32512.0)] {
                    let few = Few::new(&x, m, cols, precision).unwrap();
                    let coarse = values(&few);
                    let unit = |(x, c): (&f32, &f64)| (f64::from(*x) - c).abs() <= 0.51 / steps;
                    assert!(x.iter().zip(&coarse).all(unit));
                    let mut out = vec![f32::NAN; n * m];
                    dot_rows(dtype, &weights.bytes, &few, &mut out).unwrap();
                    for (i, out) in out.iter().enumerate() {
                        let w = &expanded[i / m * cols..][..cols];
                        let most = w.iter().fold(0.0, |most: f64, w| most.max(f64::from(w.abs())));
                        let pairs = w.iter().zip(&coarse[i % m * cols..][..cols]);
                        let (exact, size) = pairs
                            .fold((0.0, 0.0), |(sum, size), (w, x)| (sum + f64::from(*w) * x, size + most * x.abs()));
                        let error = (f64::from(*out) - exact).abs();
                        assert!(error <= 1e-6 * size, "{dtype} {precision:?} {n}x{cols} m={m} at {i}: {out}, {exact}");
                    }
                }
            }
        }
    }
}

#[test]
fn extreme_numbers_neither_overflow_nor_hide() {
    if !takes(DType::Q8_0) {
        return;
    }
    let mut weights = Stored::new(DType::Q8_0, 1, 64, &mut Bits(3));
    for block in weights.bytes.chunks_mut(34) {
        block[..2].copy_from_slice(&half::f16::from_f32(2.0).to_le_bytes());
        block[2..].fill(127);
    }
    let mut x = vec![-1.0; 4 * 64];
    x[70] = f32::NAN;
    x[150] = f32::NEG_INFINITY;
    x[192..].fill(0.0);
    for precision in [Precision::Int8, Precision::Int16] {
        let mut out = [0.0; 4];
        dot_rows(DType::Q8_0, &weights.bytes, &Few::new(&x, 4, 64, precision).unwrap(), &mut out).unwrap();
        assert!((out[0] + 64.0 * 254.0).abs() < 1e-2, "{out:?}");
        assert!(out[1].is_nan() && out[2].is_nan() && out[3] == 0.0, "{out:?}");
    }
}

#[test]
fn a_row_knows_nothing_of_the_next() {
    for dtype in [DType::Q4_0, DType::Q4_1, DType::Q5_1].into_iter().filter(|dtype| takes(*dtype)) {
        // One block: what is read with it as three more belongs to the rows behind.
        let mut weights = Stored::new(dtype, 3, 32, &mut Bits(5));
        let row = weights.bytes.len() / 3;
        let few = Few::new(&Bits(6).numbers(32), 1, 32, Precision::Int16).unwrap();
        let mut clean = [0.0; 3];
        dot_rows(dtype, &weights.bytes, &few, &mut clean).unwrap();
        // Scale, and where there is one, minimum.
        weights.bytes[row..row + 4].copy_from_slice(&[0x00, 0x7c, 0x00, 0x7c]);
        let mut out = [0.0; 3];
        dot_rows(dtype, &weights.bytes, &few, &mut out).unwrap();
        assert_eq!((out[0], out[2]), (clean[0], clean[2]), "{dtype}");
        assert!(!out[1].is_finite(), "{dtype}: {out:?}");
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let few = |values: usize, m, cols| Few::new(&vec![0.0; values], m, cols, Precision::Int16);
    assert!(few(32, 1, 32).is_ok());
    assert!(few(64, 1, 32).is_err());
    assert!(few(40, 1, 40).is_err());
    assert!(few(0, 0, 32).is_err());
    assert!(few(0, 1, 0).is_err());
    assert!(few(32 * (MOST + 1), MOST + 1, 32).is_err());
    let x = few(64, 2, 32).unwrap();
    let dot = |dtype, bytes, products| dot_rows(dtype, &vec![0; bytes], &x, &mut vec![0.0; products]);
    assert_eq!(dot(DType::Q4_0, 36, 4).is_ok(), takes(DType::Q4_0));
    assert!(dot(DType::Q4_0, 36, 2).is_err());
    assert!(dot(DType::Q4_0, 35, 4).is_err());
    assert!(dot(DType::Q4_K, 144, 2).is_err());
    assert!(dot(DType::F32, 128, 2).is_err());
}
