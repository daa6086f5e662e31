//! The llama.cpp backend against its contract, on small models that the tests write themselves.

#![cfg(feature = "llama-cpp")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod attacks;
mod contract;
mod interrupt;
mod reference;
mod tiny;

use minerva_engine::backend::Backend;
use minerva_engine::backend::llama_cpp::{LlamaOptions, load};
use minerva_engine::{Control, Result, format};
use std::path::Path;
use std::sync::Arc;

/// Opens and loads.
fn load_file(path: &Path, options: &LlamaOptions) -> Result<Arc<dyn Backend>> {
    load(&*format::open(path)?, options, &Control::default())
}

/// A tiny model with a context of `context`.
fn tiny_model(context: usize) -> Arc<dyn Backend> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    tiny::TINY.write(&path);
    load_file(&path, &LlamaOptions { context: Some(context), threads: Some(2), ..Default::default() }).unwrap()
}

/// Normalized mean squared error.
fn nmse(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(x, y)| f(f64::from(*x), f64::from(*y))).sum::<f64>();
    sum(&|x, y| (x - y).powi(2)) / sum(&|_, y| y * y).max(1e-30)
}
