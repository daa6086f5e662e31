//! What the tests share: tensors in memory and in a pretended file, and NumPy's notion of close.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod arithmetic;
mod corners;
mod numbers;
mod ordering;
mod pictures;
mod selecting;
mod slices;
mod storage;
mod summaries;
mod svds;

use super::*;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::{DType, Metadata, TensorFile, TensorInfo};
use std::path::Path;
use std::sync::Arc;

/// 0, 1, 2, … in F32.
fn count(shape: &[usize]) -> Tensor {
    Tensor::from_vec((0..shape.iter().product::<usize>()).map(|i| i as f32).collect(), shape).unwrap()
}

/// Values of both signs without order, in F64: `((i * 7919) % 1000) / 100 - 5`.
fn wavy(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    Tensor::from_values((0..n).map(|i| ((i * 7919) % 1000) as f64 / 100.0 - 5.0).collect(), shape).unwrap()
}

/// A file of one tensor, as the readers would show it.
#[derive(Debug)]
struct OneTensor {
    info: [TensorInfo; 1],
    data: Vec<u8>,
    metadata: Metadata,
}

impl TensorFile for OneTensor {
    fn path(&self) -> &Path {
        Path::new("one.safetensors")
    }
    fn format(&self) -> &'static str {
        "safetensors"
    }
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
    fn tensors(&self) -> &[TensorInfo] {
        &self.info
    }
    fn index_of(&self, _: &str) -> Result<usize> {
        Ok(0)
    }
    fn data(&self, _: usize) -> Result<&[u8]> {
        Ok(&self.data)
    }
}

/// A tensor named `w` that is still in its file.
fn in_file(dtype: DType, shape: &[usize], data: Vec<u8>) -> Tensor {
    let info = TensorInfo { name: "w".to_owned(), dtype, shape: shape.to_vec(), bytes: data.len() as u64 };
    Tensor::from_file(Arc::new(OneTensor { info: [info], data, metadata: Metadata::new() }), 0).unwrap()
}

/// [`count`], in a file.
fn counted_in_file(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    in_file(DType::F32, shape, (0..n).flat_map(|i| (i as f32).to_le_bytes()).collect())
}

/// Equal within a relative tolerance (absolute below 1); NaN equals NaN.
#[track_caller]
fn close(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}: {got:?}");
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        let same = g == e || (g.is_nan() && e.is_nan()) || (g - e).abs() <= tolerance * e.abs().max(1.0);
        assert!(same, "{what}, value {i}: {g} instead of {e}\n{got:?}");
    }
}
