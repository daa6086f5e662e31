//! The product against sums in `f64`, for every set of instructions this processor has.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::isa::Isa;
use super::product::product_with;
use super::{Packed, Weights, product};
use crate::error::{Error, Result};

/// A plain matrix that counts what is asked of it and can fail at one row.
struct Plain {
    n: usize,
    k: usize,
    data: Vec<f32>,
    asked: AtomicUsize,
    bad: Option<usize>,
}

impl Plain {
    fn new(n: usize, k: usize) -> Self {
        Self { n, k, data: noise(n * k, 7), asked: AtomicUsize::new(0), bad: None }
    }
}

impl Weights for Plain {
    fn n(&self) -> usize {
        self.n
    }

    fn k(&self) -> usize {
        self.k
    }

    fn expand(&self, row: usize, columns: Range<usize>, out: &mut [f32]) -> Result<()> {
        assert!(row < self.n && columns.start.is_multiple_of(256));
        assert!(columns.end == self.k || columns.end.is_multiple_of(256));
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.bad == Some(row) {
            return Err(Error::argument("row", "good", "bad"));
        }
        out.copy_from_slice(&self.data[row * self.k..][columns]);
        Ok(())
    }
}

/// Numbers between -1 and 1 that are the same every time.
fn noise(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn check(m: usize, n: usize, k: usize, stride: usize) {
    let weights = Plain::new(n, k);
    let x = noise(m * k, 3);
    let packed = Packed::new(&x, m, k).unwrap();
    for isa in Isa::available() {
        let mut out = vec![f32::NAN; (m - 1) * stride + n];
        product_with(isa, &packed, &weights, &mut out, stride, &|| false).unwrap();
        for (i, row) in out.chunks(stride).enumerate() {
            assert!(row.iter().skip(n).all(|y| y.is_nan()), "{isa:?} wrote between the rows");
            for (j, y) in row.iter().take(n).enumerate() {
                let pairs = || x[i * k..][..k].iter().zip(&weights.data[j * k..][..k]);
                let exact: f64 = pairs().map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                let size: f64 = pairs().map(|(a, b)| (f64::from(*a) * f64::from(*b)).abs()).sum();
                let bound = 1e-6 * size;
                assert!((f64::from(*y) - exact).abs() <= bound, "{isa:?} {m}x{n}x{k} at [{i}, {j}]: {y}, not {exact}");
            }
        }
    }
}

#[test]
fn every_shape_and_every_instruction_set() {
    for m in [1, 2, 3, 4, 5, 6, 8, 11, 16, 23, 24, 25, 31, 33, 48, 49, 64, 65, 100] {
        for n in [1, 7, 8, 16, 17, 40, 65, 130] {
            for k in [1, 15, 16, 33, 64, 257] {
                check(m, n, k, n);
            }
        }
    }
}

#[test]
fn long_rows_are_added_up_in_stretches() {
    for (m, n, k) in [(5, 33, 768), (16, 70, 769), (20, 64, 2048), (50, 65, 1536), (145, 24, 3000), (9, 20, 8192)] {
        check(m, n, k, n);
    }
}

#[test]
fn many_tokens_and_many_rows() {
    for (m, n, k) in [(530, 70, 40), (1024, 33, 32), (64, 1000, 64), (7, 3000, 48)] {
        check(m, n, k, n);
    }
}

#[test]
fn rows_of_the_output_may_be_apart() {
    check(37, 50, 96, 61);
    check(6, 20, 32, 21);
}

#[test]
fn any_number_of_threads() {
    for threads in [1, 2, 3, 16] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            check(130, 200, 96, 200);
            check(6, 300, 64, 300);
        });
    }
}

#[test]
fn nothing_times_nothing() {
    let out = &mut [1.0; 6];
    product(&Packed::new(&[], 0, 4).unwrap(), &Plain::new(3, 4), out, 3, &|| false).unwrap();
    product(&Packed::new(&[0.0; 8], 2, 4).unwrap(), &Plain::new(0, 4), out, 3, &|| false).unwrap();
    assert_eq!(out, &[1.0; 6]);
    product(&Packed::new(&[], 2, 0).unwrap(), &Plain::new(3, 0), out, 3, &|| false).unwrap();
    assert_eq!(out, &[0.0; 6]);
}

#[test]
fn wrong_shapes_are_refused() {
    let x = Packed::new(&[1.0; 8], 2, 4).unwrap();
    let mut out = [0.0; 6];
    assert!(product(&x, &Plain::new(3, 5), &mut out, 3, &|| false).is_err());
    assert!(product(&x, &Plain::new(3, 4), &mut out, 2, &|| false).is_err());
    assert!(product(&x, &Plain::new(3, 4), &mut out[..5], 3, &|| false).is_err());
    assert!(product(&x, &Plain::new(3, 4), &mut out, usize::MAX, &|| false).is_err());
    assert!(Packed::new(&[1.0; 8], usize::MAX, 4).is_err());
}

#[test]
fn a_stop_ends_the_product_soon() {
    let (m, n, k) = (256, 4096, 2048);
    let weights = Plain::new(n, k);
    let x = Packed::new(&noise(m * k, 3), m, k).unwrap();
    let mut out = vec![0.0; m * n];
    let polls = AtomicUsize::new(0);
    let stop = || polls.fetch_add(1, Ordering::Relaxed) >= 3;
    assert!(matches!(product(&x, &weights, &mut out, n, &stop), Err(Error::Interrupted)));
    assert!(weights.asked.load(Ordering::Relaxed) <= 3 * 64);
}

#[test]
fn an_error_of_the_weights_comes_through() {
    let mut weights = Plain::new(500, 64);
    weights.bad = Some(321);
    let x = Packed::new(&noise(100 * 64, 3), 100, 64).unwrap();
    let mut out = vec![0.0; 100 * 500];
    assert!(matches!(product(&x, &weights, &mut out, 500, &|| false), Err(Error::Argument { .. })));
}
