//! SmolLM2-135M on both backends, against Hugging Face transformers on the same weights.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use minerva_engine::Control;
use minerva_engine::backend::candle::{self, CandleOptions, ConfigSource};
use minerva_engine::backend::{BackendKind, HAS_LLAMA_CPP, Rows};
use minerva_engine::convert::{gguf_to_safetensors, requantize};
use minerva_engine::format::DType;
use minerva_engine::format::hub::HubFolder;
use minerva_engine::generate::{GenerateOptions, SamplerOptions};
use minerva_engine::model::{BackendChoice, LoadOptions, Model, load};
use minerva_tests::real_model;
use minerva_tests::reference::{self, Case, STRIDE, nmse};
use std::path::{Path, PathBuf};

/// The real file in another type, made anew by this build's own code; it goes with the folder.
fn variant(source: &Path, dtype: DType, folder: &Path) -> PathBuf {
    if dtype == DType::Q4_1 {
        return source.to_owned();
    }
    let path = folder.join(format!("SmolLM2-135M-Instruct.{dtype}.gguf"));
    requantize(source, &path, dtype, &Control::default()).unwrap();
    path
}

fn on(path: &Path, kind: BackendKind) -> Model {
    let options = LoadOptions { backend: BackendChoice::Only(kind), ..LoadOptions::default() };
    load(path.to_str().unwrap(), &options, &Control::default()).unwrap()
}

/// NMSE of the last row of logits against the reference.
fn distance(model: &Model, case: &Case) -> f64 {
    let logits = model.logits(&case.ids, &Control::default()).unwrap();
    let row: Vec<f32> = logits.last().unwrap().iter().copied().step_by(STRIDE).collect();
    nmse(&row, &case.logits)
}

fn greedy(model: &Model, case: &Case) -> Vec<u32> {
    let options = GenerateOptions {
        sampler: SamplerOptions::greedy(),
        max_tokens: Some(case.greedy.len()),
        ignore_eos: true,
        ..GenerateOptions::default()
    };
    model.generate_tokens(&case.ids, &options, &Control::default()).unwrap().tokens
}

/// Dense weights: both backends agree with transformers, and so with each other.
fn dense(dtype: DType, fixture: &str) {
    let Some(source) = real_model::smollm2() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = variant(&source, dtype, folder.path());
    let cases = reference::smollm2(fixture);
    let kinds: &[_] =
        if HAS_LLAMA_CPP { &[BackendKind::Candle, BackendKind::LlamaCpp] } else { &[BackendKind::Candle] };
    for kind in kinds {
        let model = on(&path, *kind);
        for (i, case) in cases.iter().enumerate() {
            let error = distance(&model, case);
            println!("{dtype} {kind} prompt {i}: NMSE {error:.1e}");
            assert!(error <= 1e-4, "{dtype} {kind} prompt {i}: NMSE {error:e}");
            assert_eq!(greedy(&model, case), case.greedy, "{dtype} {kind} prompt {i}");
        }
    }
}

/// Quantized weights: candle is no further from the truth on the same weights than llama.cpp is.
/// In a build without llama.cpp the bound is what llama.cpp's own two ways of attention differ by.
fn quantized(dtype: DType, fixture: &str, bound: f64) {
    let Some(source) = real_model::smollm2() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = variant(&source, dtype, folder.path());
    let cases = reference::smollm2(fixture);
    let candle = on(&path, BackendKind::Candle);
    let llama = HAS_LLAMA_CPP.then(|| on(&path, BackendKind::LlamaCpp));
    for (i, case) in cases.iter().enumerate() {
        let ours = distance(&candle, case);
        let theirs = llama.as_ref().map_or(bound, |m| distance(m, case));
        println!("{dtype} prompt {i}: NMSE candle {ours:.1e}, llama.cpp {theirs:.1e}");
        assert!(ours <= theirs, "{dtype} prompt {i}: candle {ours:e}, llama.cpp {theirs:e}");
    }
}

#[test]
fn f32_equals_transformers() {
    dense(DType::F32, "Q4_1"); // the dequantized weights of the Q4_1 file are what the F32 file holds
}

#[test]
fn f16_equals_transformers() {
    dense(DType::F16, "F16");
}

#[test]
fn q8_0_is_no_further_than_llama_cpp() {
    quantized(DType::Q8_0, "Q8_0", 1.5e-3);
}

#[test]
fn q4_1_is_no_further_than_llama_cpp() {
    quantized(DType::Q4_1, "Q4_1", 1.5e-2);
}

/// The first 20,000 bytes of tiny Shakespeare in windows of 512 tokens: what transformers says of the Q4_1 file's
/// dequantized weights (`tests/reference/perplexity.py`).
const PERPLEXITY: f64 = 41.808583;
const WINDOW: usize = 512;

#[test]
fn perplexity_is_that_of_transformers() {
    let Some(source) = real_model::smollm2() else { return };
    let text = include_str!("../fixtures/smollm2/tinyshakespeare-20k.txt");
    let model = on(&source, BackendKind::Candle);
    assert_eq!(model.tokens(text).unwrap(), reference::perplexity_ids());
    let found = model.perplexity(text, WINDOW, &Control::default()).unwrap();
    println!("perplexity {:.6} over {} tokens", found.perplexity, found.scored);
    assert_eq!((found.scored, found.windows), (6075, 12));
    assert!((found.perplexity - PERPLEXITY).abs() < 5e-4, "{}", found.perplexity);
}

/// The backend is asked directly, with token ids.
#[test]
fn the_safetensors_made_of_it_give_the_same_logits_tokens_and_perplexity() {
    let Some(source) = real_model::smollm2() else { return };
    let folder = tempfile::tempdir().unwrap();
    let control = Control::default();
    gguf_to_safetensors(&source, folder.path(), DType::F32, &control).unwrap();
    let hub = HubFolder::open(folder.path()).unwrap();
    let options = CandleOptions::default();
    let backend = candle::load(hub.weights.clone(), ConfigSource::Hub(&hub.config), &options, &control).unwrap();
    for (i, case) in reference::smollm2("Q4_1").iter().enumerate() {
        let mut sequence = backend.sequence().unwrap();
        let mut row = sequence.feed(&case.ids, Rows::Last, &control).unwrap().into_data();
        let error = nmse(&row.iter().copied().step_by(STRIDE).collect::<Vec<_>>(), &case.logits);
        println!("safetensors prompt {i}: NMSE {error:.1e}");
        assert!(error <= 1e-9, "prompt {i}: NMSE {error:e}");
        let mut greedy = Vec::new();
        while greedy.len() < case.greedy.len() {
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0 as u32;
            greedy.push(best);
            row = sequence.feed(&[best], Rows::Last, &control).unwrap().into_data();
        }
        assert_eq!(greedy, case.greedy, "prompt {i}");
    }
    let (mut nll, mut scored) = (0.0, 0);
    for window in reference::perplexity_ids().chunks(WINDOW) {
        let logits = backend.sequence().unwrap().feed(window, Rows::All, &control).unwrap();
        for (i, target) in window.iter().enumerate().skip(1) {
            let row = logits.row(i - 1).unwrap();
            let sum: f64 = row.iter().map(|l| f64::from(*l).exp()).sum();
            nll -= f64::from(row[*target as usize]) - sum.ln();
            scored += 1;
        }
    }
    let found = (nll / f64::from(scored)).exp();
    println!("safetensors: perplexity {found:.6} over {scored} tokens");
    assert!((found - PERPLEXITY).abs() < 5e-4, "{found}");
}
