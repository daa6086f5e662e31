#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! Every type on every set of instructions here, beside a plain product in f64 of the expanded rows.

use super::call::{dot_rows_on, expand_on};
use super::driver::Product;
use super::isa::Isa;
use super::{dot_rows, expand};
use crate::format::{DType, dequantize};
use half::f16;

/// Types with kernels, and where their blocks have an f16.
const TYPES: &[(DType, &[usize])] = &[
    (DType::F32, &[]),
    (DType::F16, &[]),
    (DType::BF16, &[]),
    (DType::Q4_0, &[0]),
    (DType::Q4_1, &[0, 2]),
    (DType::Q5_0, &[0]),
    (DType::Q5_1, &[0, 2]),
    (DType::Q8_0, &[0]),
    (DType::Q2_K, &[80, 82]),
    (DType::Q3_K, &[108]),
    (DType::Q4_K, &[0, 2]),
    (DType::Q5_K, &[0, 2]),
    (DType::Q6_K, &[208]),
];

/// A small generator of bits (xorshift), the same in every run.
struct Bits(u64);

impl Bits {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From -1 to 1.
    fn number(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// `count` values of random bits, with scales that are finite.
fn stored(dtype: DType, halves: &[usize], count: usize, bits: &mut Bits) -> Vec<u8> {
    let plain = |value: f32| match dtype {
        DType::F32 => value.to_le_bytes().to_vec(),
        DType::F16 => f16::from_f32(value).to_le_bytes().to_vec(),
        _ => half::bf16::from_f32(value).to_le_bytes().to_vec(),
    };
    if dtype.block() == 1 {
        return (0..count).flat_map(|_| plain(bits.number())).collect();
    }
    let mut bytes: Vec<u8> = (0..dtype.bytes_for(count).unwrap()).map(|_| bits.next() as u8).collect();
    for block in bytes.chunks_mut(dtype.block_bytes()) {
        for at in halves {
            block[*at..*at + 2].copy_from_slice(&f16::from_f32(bits.number()).to_le_bytes());
        }
    }
    bytes
}

fn columns(dtype: DType) -> Vec<usize> {
    match dtype.block() {
        1 => vec![1, 31, 63, 64, 65, 200, 515],
        32 => vec![32, 64, 96, 352],
        _ => vec![256, 512, 1280],
    }
}

#[test]
fn products_are_those_of_the_expanded_rows() {
    let mut bits = Bits(7);
    for &(dtype, halves) in TYPES {
        for cols in columns(dtype) {
            for m in 1..=4 {
                for n in [1, 3, 4, 9] {
                    let rows = stored(dtype, halves, n * cols, &mut bits);
                    let x: Vec<f32> = (0..m * cols).map(|_| bits.number()).collect();
                    let mut values = vec![0.0; n * cols];
                    dequantize(dtype, &rows, &mut values).unwrap();
                    let row_bytes = rows.len() / n;
                    for isa in Isa::available() {
                        let mut out = vec![f32::NAN; n * m];
                        let job = Product { rows: &rows, row_bytes, x: &x, cols, m };
                        dot_rows_on(isa, dtype, &job, &mut out, &mut Vec::new()).unwrap();
                        for (i, out) in out.iter().enumerate() {
                            let pairs = values[i / m * cols..][..cols].iter().zip(&x[i % m * cols..][..cols]);
                            let products = pairs.map(|(w, x)| f64::from(*w) * f64::from(*x));
                            let (exact, size) = products.fold((0.0, 0.0), |(s, a), p| (s + p, a + p.abs()));
                            let error = (f64::from(*out) - exact).abs();
                            assert!(error <= 1e-6 * size, "{dtype} {isa:?} {n}x{cols} m={m} at {i}: {out}, {exact}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn rows_expand_to_the_bit() {
    let mut bits = Bits(11);
    for &(dtype, halves) in TYPES {
        for cols in columns(dtype) {
            let bytes = stored(dtype, halves, cols, &mut bits);
            let mut values = vec![0.0; cols];
            dequantize(dtype, &bytes, &mut values).unwrap();
            for isa in Isa::available() {
                let mut out = vec![f32::NAN; cols];
                expand_on(isa, dtype, &bytes, &mut out).unwrap();
                // Equal, not of equal bits: zero has two signs.
                assert_eq!(out, values, "{dtype} {isa:?} {cols}");
            }
        }
    }
}

#[test]
fn types_without_a_kernel_are_expanded_first() {
    let rows: Vec<u8> = (0..200i16).flat_map(i16::to_le_bytes).collect();
    let (x, mut out, mut room) = (vec![1.0; 200], vec![0.0; 4], Vec::new());
    dot_rows(DType::I16, &rows, 100, &x, 2, &mut out, &mut room).unwrap();
    assert_eq!(out, [4950.0, 4950.0, 14950.0, 14950.0]);
    let mut values = vec![0.0; 200];
    expand(DType::I16, &rows, &mut values).unwrap();
    assert_eq!(values[199], 199.0);
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let (rows, x) = ([0; 36], [0.0; 320]);
    let dot = |cols, values: usize, m, products| {
        dot_rows(DType::Q4_0, &rows, cols, &x[..values], m, &mut vec![0.0; products], &mut Vec::new())
    };
    assert!(dot(32, 32, 1, 2).is_ok());
    assert!(dot(32, 32, 1, 3).is_err());
    assert!(dot(32, 64, 1, 2).is_err());
    assert!(dot(33, 33, 1, 1).is_err());
    assert!(dot(32, 0, 0, 0).is_err());
    assert!(dot(32, 160, 5, 10).is_err());
    assert!(dot(96, 96, 1, 1).is_err());
    assert!(dot(0, 0, 1, 0).is_err());
    assert!(expand(DType::Q4_0, &rows, &mut [0.0; 96]).is_err());
    assert!(expand(DType::Q4_0, &rows, &mut [0.0; 40]).is_err());
}
