//! Random matrices of every type, for tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use half::f16;

use super::Weights;
use crate::format::{DType, dequantize};

/// Types that are taken, and where their blocks have an f16.
pub const TYPES: &[(DType, &[usize])] = &[
    (DType::Q4_0, &[0]),
    (DType::Q4_1, &[0, 2]),
    (DType::Q5_0, &[0]),
    (DType::Q5_1, &[0, 2]),
    (DType::Q8_0, &[0]),
    (DType::IQ4_NL, &[0]),
    (DType::Q2_K, &[80, 82]),
    (DType::Q3_K, &[108]),
    (DType::Q4_K, &[0, 2]),
    (DType::Q5_K, &[0, 2]),
    (DType::Q6_K, &[208]),
];

/// A small generator of bits (xorshift), the same in every run.
pub struct Bits(pub u64);

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

    pub fn numbers(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.number()).collect()
    }
}

/// A matrix of random blocks with scales that are finite, which counts what is asked of it.
pub struct Stored {
    pub dtype: DType,
    pub n: usize,
    pub k: usize,
    pub bytes: Vec<u8>,
    pub asked: AtomicUsize,
    /// A row that is too short.
    pub bad: Option<usize>,
}

impl Stored {
    pub fn new(dtype: DType, n: usize, k: usize, bits: &mut Bits) -> Self {
        let halves = TYPES.iter().find(|(known, _)| *known == dtype).map_or(&[][..], |(_, halves)| halves);
        let mut bytes: Vec<u8> = (0..dtype.bytes_for(n * k).unwrap()).map(|_| bits.next() as u8).collect();
        for block in bytes.chunks_mut(dtype.block_bytes()) {
            for at in halves {
                block[*at..*at + 2].copy_from_slice(&f16::from_f32(bits.number()).to_le_bytes());
            }
        }
        Self { dtype, n, k, bytes, asked: AtomicUsize::new(0), bad: None }
    }

    pub fn expanded(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.n * self.k];
        dequantize(self.dtype, &self.bytes, &mut values).unwrap();
        values
    }
}

impl Weights for Stored {
    fn n(&self) -> usize {
        self.n
    }

    fn k(&self) -> usize {
        self.k
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn stored(&self, row: usize, columns: Range<usize>) -> &[u8] {
        assert!(row < self.n && columns.start < columns.end && columns.end <= self.k);
        self.asked.fetch_add(1, Ordering::Relaxed);
        let (block, size) = (self.dtype.block(), self.dtype.block_bytes());
        assert!(columns.start.is_multiple_of(block) && columns.end.is_multiple_of(block));
        let first = row * self.k;
        let end = if self.bad == Some(row) { columns.end - block } else { columns.end };
        &self.bytes[(first + columns.start) / block * size..(first + end) / block * size]
    }
}
