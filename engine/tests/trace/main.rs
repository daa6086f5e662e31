//! Looking into a pass: activations read, replaced, patched and steered; experts; gradients.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod experts;
mod gradients;
mod interrupts;
mod patching;
mod runs;
mod steering;

use minerva_engine::backend::BackendKind;
use minerva_engine::format::{TensorFile, dequantize, open};
use minerva_engine::model::{BackendChoice, LoadOptions, Model, load};
use minerva_engine::tensor::{Binary, Tensor};
use minerva_engine::trace::{self, Hook, Trace};
use minerva_engine::{Control, Result};
use std::path::{Path, PathBuf};

const TEXT: &str = "ROMEO:\nWhat say you to the king?";

fn options() -> LoadOptions {
    LoadOptions { backend: BackendChoice::Only(BackendKind::Candle), ..LoadOptions::default() }
}

fn sample() -> Model {
    load("sample", &options(), &Control::default()).unwrap()
}

fn references() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/reference-models")
}

/// A reference model, with a tokenizer that it does not have: words `t0`, `t1`, …
fn fixture(name: &str) -> (Model, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let from = references().join(name);
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(from.join(file), folder.path().join(file)).unwrap();
    }
    let vocab: serde_json::Map<String, serde_json::Value> = (0..64).map(|i| (format!("t{i}"), i.into())).collect();
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "WhitespaceSplit" }, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocab, "unk_token": "t0" }
    });
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let model = load(&folder.path().display().to_string(), &options(), &Control::default());
    (model.unwrap_or_else(|e| panic!("{name}: {e}")), folder)
}

fn cache(model: &Model, tokens: &[u32], patterns: &[&str]) -> Trace {
    trace::run_with_cache(model, tokens, patterns, &Control::default()).unwrap()
}

fn hooked(model: &Model, tokens: &[u32], hooks: Vec<Hook<'_>>) -> Result<Tensor> {
    trace::run_with_hooks(model, tokens, hooks, &Control::default())
}

fn scale<'a>(pattern: &str, factor: f64) -> Hook<'a> {
    Hook::new(pattern, move |_, x| x.binary_scalar(Binary::Mul, factor, &Control::default()).map(Some))
}

fn read(file: &dyn TensorFile, name: &str) -> Tensor {
    let index = file.index_of(name).unwrap();
    let info = &file.tensors()[index];
    let mut values = vec![0.0; info.elements()];
    dequantize(info.dtype, file.data(index).unwrap(), &mut values).unwrap();
    let shape: Vec<usize> = info.shape.iter().copied().skip(1).collect();
    Tensor::from_vec(values, &shape).unwrap()
}

fn off(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.max_abs_diff(b).unwrap()
}

fn sum(a: &Tensor, b: &Tensor) -> Tensor {
    a.binary(Binary::Add, b, &Control::default()).unwrap()
}
