//! Numbers that Hugging Face transformers computed, and measures of distance to them.

use safetensors::SafeTensors;
use std::path::{Path, PathBuf};

/// The folder of this crate's fixtures.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// What transformers gave for one prompt.
#[derive(Debug)]
pub struct Case {
    /// The prompt.
    pub ids: Vec<u32>,
    /// The likeliest continuation, token by token.
    pub greedy: Vec<u32>,
    /// Every [`STRIDE`]-th logit of the last row.
    pub logits: Vec<f32>,
}

/// Which columns of a row of logits the fixtures keep.
pub const STRIDE: usize = 4;

/// The cases of `fixtures/smollm2/{name}.safetensors`, written by `reference/smollm2.py`.
///
/// # Panics
/// When the fixture is missing or malformed: it is part of the repository.
#[allow(clippy::expect_used, clippy::panic)] // a test's fixture
pub fn smollm2(name: &str) -> Vec<Case> {
    let path = fixtures().join("smollm2").join(format!("{name}.safetensors"));
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors fixture");
    let words = |name: String| -> Vec<[u8; 4]> {
        let tensor = file.tensor(&name).expect("a tensor of the fixture");
        tensor.data().chunks_exact(4).map(|c| [c[0], c[1], c[2], c[3]]).collect()
    };
    (0..5)
        .map(|i| Case {
            ids: words(format!("ids.{i}")).into_iter().map(u32::from_le_bytes).collect(),
            greedy: words(format!("greedy.{i}")).into_iter().map(u32::from_le_bytes).collect(),
            logits: words(format!("logits.{i}")).into_iter().map(f32::from_le_bytes).collect(),
        })
        .collect()
}

/// The tokens of `fixtures/smollm2/tinyshakespeare-20k.txt`, as `reference/perplexity.py` found them.
///
/// # Panics
/// When the fixture is missing or malformed: it is part of the repository.
#[allow(clippy::expect_used, clippy::panic)] // a test's fixture
pub fn perplexity_ids() -> Vec<u32> {
    let path = fixtures().join("smollm2/perplexity.safetensors");
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors fixture");
    let ids = file.tensor("ids").expect("a tensor of the fixture");
    ids.data().chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect()
}

/// Σ(a-b)² / Σb²: the error's energy against that of the truth `b`.
pub fn nmse(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "lengths differ");
    let square = |x: f64| x * x;
    let error: f64 = a.iter().zip(b).map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum();
    error / b.iter().map(|b| square(f64::from(*b))).sum::<f64>()
}
