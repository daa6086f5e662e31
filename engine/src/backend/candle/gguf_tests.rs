#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! The reference models written as GGUF: read here against `transformers`, and against llama.cpp reading the same file.

use super::tests::{MODELS, distance, feed, folder, read, reference};
use super::*;
use crate::backend::Backend;
use crate::backend::Rows;
use crate::control::Control;
use crate::format::gguf::{GgufFile, Value, Writer};
use crate::format::hub::HubFolder;
use crate::format::{DType, quantize};
use crate::transformer::bindings::{Slot, expected, name};
use crate::transformer::{Naming, RopeScaling, Spec, frequencies};
use std::path::Path;
use std::sync::Arc;

/// Writes a reference model as llama.cpp's own converter would: matrices of `dtype`, everything else f32.
fn write(model: &str, dtype: DType, path: &Path) {
    let hub = HubFolder::open(folder(model)).unwrap();
    let spec = spec(&*hub.weights, ConfigSource::Hub(&hub.config)).unwrap();
    // Mistral is a llama there, and like it has the rows of q and k permuted for interleaved rotation.
    let architecture = if model == "mistral" { "llama" } else { model };
    let mut file = Writer::new();
    metadata(&mut file, architecture, &spec);
    for e in expected(&spec, Naming::Hub) {
        let part = e.name.rsplit_once('.').unwrap().1;
        let values = read(&*hub.weights, &e.name);
        let values = match e.slot {
            Slot::Q | Slot::K if architecture == "llama" => interleave(&values, spec.head_dim, e.shape[1]),
            _ => values,
        };
        let dtype = if e.shape.len() == 1 { DType::F32 } else { dtype };
        let name = name(e.slot, Naming::Gguf, e.layer, part);
        file.tensor(&name, dtype, &e.shape, quantize(&values, dtype).unwrap()).unwrap();
    }
    if spec.rope.scaling != RopeScaling::None {
        let plain = crate::transformer::Rope { scaling: RopeScaling::None, ..spec.rope.clone() };
        let factors: Vec<f32> =
            frequencies(&plain).iter().zip(frequencies(&spec.rope)).map(|(plain, scaled)| plain / scaled).collect();
        let bytes = quantize(&factors, DType::F32).unwrap();
        file.tensor("rope_freqs.weight", DType::F32, &[factors.len()], bytes).unwrap();
    }
    file.write(path).unwrap();
}

fn metadata(file: &mut Writer, architecture: &str, spec: &Spec) {
    let size = |n: usize| Value::U32(n as u32);
    file.metadata("general.architecture", Value::String(architecture.into())).unwrap();
    file.metadata("tokenizer.ggml.model", Value::String("none".into())).unwrap();
    for (key, value) in [
        ("vocab_size", size(spec.vocab_size)),
        ("context_length", size(spec.context_trained)),
        ("embedding_length", size(spec.hidden_size)),
        ("block_count", size(spec.layers)),
        ("feed_forward_length", size(spec.intermediate_size)),
        ("attention.head_count", size(spec.heads)),
        ("attention.head_count_kv", size(spec.kv_heads)),
        ("attention.key_length", size(spec.head_dim)),
        ("attention.value_length", size(spec.head_dim)),
        ("attention.layer_norm_rms_epsilon", Value::F32(spec.norm_eps as f32)),
        ("rope.dimension_count", size(spec.rope.dims)),
        ("rope.freq_base", Value::F32(spec.rope.theta as f32)),
    ] {
        file.metadata(&format!("{architecture}.{key}"), value).unwrap();
    }
    if let Some(Some(window)) = spec.windows.first() {
        file.metadata(&format!("{architecture}.attention.sliding_window"), size(*window)).unwrap();
    }
}

/// Row `i` of each half of a head goes to rows `2 i` and `2 i + 1`.
fn interleave(values: &[f32], head_dim: usize, columns: usize) -> Vec<f32> {
    let rows: Vec<&[f32]> = values.chunks(columns).collect();
    let half = head_dim / 2;
    rows.chunks(head_dim).flat_map(|h| (0..half).flat_map(move |i| [h[i], h[half + i]])).flatten().copied().collect()
}

fn backend(path: &Path) -> Arc<dyn Backend> {
    let file = Arc::new(GgufFile::open(path).unwrap());
    load(file, ConfigSource::Gguf, &CandleOptions::default(), &Control::default()).unwrap()
}

#[test]
fn as_gguf_the_logits_are_those_of_transformers_too() {
    let folder = tempfile::tempdir().unwrap();
    for model in MODELS {
        let reference = reference(model);
        for dtype in [DType::F32, DType::F16] {
            let path = folder.path().join(format!("{model}.{dtype}.gguf"));
            write(model, dtype, &path);
            let backend = backend(&path);
            assert_eq!(backend.info().dtype, dtype.name());
            let logits = feed(&mut *backend.sequence().unwrap(), &reference.ids, Rows::All);
            let worst = distance(&logits, &reference.logits);
            assert!(worst <= 5e-5, "{model} as {dtype}: off by {worst}");
        }
    }
}

#[cfg(feature = "llama-cpp")]
#[test]
fn llama_cpp_reads_the_same_file_alike() {
    use crate::backend::llama_cpp::{self, LlamaOptions};
    let folder = tempfile::tempdir().unwrap();
    // Mistral is left out: llama.cpp gives no window to files of architecture llama.
    for model in ["llama", "qwen2", "qwen3"] {
        let reference = reference(model);
        for (dtype, limit) in [(DType::F32, 1e-5), (DType::F16, 1e-4)] {
            let path = folder.path().join(format!("{model}.{dtype}.gguf"));
            write(model, dtype, &path);
            let file = GgufFile::open(&path).unwrap();
            let theirs = llama_cpp::load(&file, &LlamaOptions::default(), &Control::default()).unwrap();
            let ours = feed(&mut *backend(&path).sequence().unwrap(), &reference.ids, Rows::All);
            let theirs = feed(&mut *theirs.sequence().unwrap(), &reference.ids, Rows::All);
            let nmse = nmse(&theirs, &ours);
            assert!(nmse <= limit, "{model} as {dtype}: normalized mean squared error {nmse}");
        }
    }
}

/// The requirement on quantized weights: no further from the truth, which is f32 on the dequantized weights, than
/// llama.cpp is.
#[cfg(feature = "llama-cpp")]
#[test]
fn quantized_candle_is_no_further_from_the_truth_than_llama_cpp() {
    use crate::backend::llama_cpp::{self, LlamaOptions};
    let folder = tempfile::tempdir().unwrap();
    let ids = reference("llama").ids;
    for dtype in [DType::Q8_0, DType::Q4_0, DType::Q4_1, DType::Q5_1] {
        let path = folder.path().join(format!("llama.{dtype}.gguf"));
        write("llama", dtype, &path);
        let options = CandleOptions { dtype: Some(DType::F32), ..CandleOptions::default() };
        let file = Arc::new(GgufFile::open(&path).unwrap());
        let truth = load(file.clone(), ConfigSource::Gguf, &options, &Control::default()).unwrap();
        let truth = feed(&mut *truth.sequence().unwrap(), &ids, Rows::All);
        let ours = backend(&path);
        let prompt = feed(&mut *ours.sequence().unwrap(), &ids, Rows::All);
        let mut sequence = ours.sequence().unwrap();
        let steps: Vec<f32> = ids.iter().flat_map(|id| feed(&mut *sequence, &[*id], Rows::Last)).collect();
        let theirs = llama_cpp::load(&*file, &LlamaOptions::default(), &Control::default()).unwrap();
        let theirs = nmse(&feed(&mut *theirs.sequence().unwrap(), &ids, Rows::All), &truth);
        for ours in [nmse(&prompt, &truth), nmse(&steps, &truth)] {
            assert!(ours <= theirs && ours < 1e-9, "{dtype}: candle {ours}, llama.cpp {theirs}");
        }
    }
}

#[cfg(feature = "llama-cpp")]
fn nmse(a: &[f32], truth: &[f32]) -> f64 {
    assert_eq!(a.len(), truth.len());
    let power: f64 = truth.iter().map(|v| f64::from(*v).powi(2)).sum();
    a.iter().zip(truth).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>() / power
}
