#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{gguf_to_safetensors, requantize};
use crate::control::{Control, Event, Interrupt};
use crate::format::gguf::{GgufFile, Writer};
use crate::format::hub::HubFolder;
use crate::format::{DType, TensorFile, dequantize, quantize};
use std::path::Path;
use std::sync::{Arc, Mutex};

fn wave(n: usize, seed: f32) -> Vec<f32> {
    (0..n).map(|i| ((i as f32 + seed) * 0.731).sin() * 0.5).collect()
}

fn values(file: &dyn TensorFile, name: &str) -> Vec<f32> {
    let i = file.index_of(name).unwrap();
    let mut out = vec![0.0; file.tensors()[i].elements()];
    dequantize(file.tensors()[i].dtype, file.data(i).unwrap(), &mut out).unwrap();
    out
}

/// A Llama of one block with two heads of four and one for keys, its q and k in llama.cpp's order.
fn little_llama(path: &Path) {
    let mut writer = Writer::new();
    writer.metadata("general.architecture", "llama").unwrap();
    for (key, value) in [
        ("embedding_length", 32_u32),
        ("feed_forward_length", 64),
        ("block_count", 1),
        ("context_length", 128),
        ("attention.head_count", 2),
        ("attention.head_count_kv", 1),
        ("attention.key_length", 4),
    ] {
        writer.metadata(&format!("llama.{key}"), value).unwrap();
    }
    writer.metadata("llama.attention.layer_norm_rms_epsilon", 1e-5_f32).unwrap();
    writer.metadata("general.file_type", 1_u32).unwrap();
    writer.metadata("tokenizer.ggml.tokens", vec!["a".to_owned(), "b".to_owned()]).unwrap();
    writer.metadata("tokenizer.ggml.eos_token_id", 1_u32).unwrap();
    for (name, shape) in [
        ("token_embd.weight", &[2, 32][..]),
        ("output_norm.weight", &[32]),
        ("blk.0.attn_norm.weight", &[32]),
        ("blk.0.attn_q.weight", &[8, 32]),
        ("blk.0.attn_k.weight", &[4, 32]),
        ("blk.0.ffn_up.weight", &[64, 32]),
    ] {
        let data = quantize(&wave(shape.iter().product(), name.len() as f32), DType::F16).unwrap();
        writer.tensor(name, DType::F16, shape, data).unwrap();
    }
    writer.write(path).unwrap();
}

#[test]
fn a_requantized_file_keeps_its_metadata_and_its_values_nearly() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("from.gguf");
    little_llama(&from);
    let before = GgufFile::open(&from).unwrap();
    for (dtype, file_type, tolerance) in
        [(DType::F32, 0, 0.0), (DType::F16, 1, 0.0), (DType::Q8_0, 7, 0.003), (DType::Q4_1, 3, 0.04)]
    {
        let to = dir.path().join(format!("{dtype}.gguf"));
        requantize(&from, &to, dtype, &Control::default()).unwrap();
        let after = GgufFile::open(&to).unwrap();
        assert_eq!(after.get_u64("general.file_type"), Some(file_type));
        for key in before.keys().filter(|k| *k != "general.file_type") {
            assert_eq!(after.value(key), before.value(key), "{key}");
        }
        assert_eq!(after.get_u64("general.quantization_version"), dtype.is_quantized().then_some(2));
        for (was, is) in before.tensors().iter().zip(after.tensors()) {
            assert_eq!((&was.name, &was.shape), (&is.name, &is.shape));
            let expected = if is.name.contains("norm") { DType::F32 } else { dtype };
            assert_eq!(is.dtype, expected, "{}", is.name);
            for (a, b) in values(&before, &was.name).iter().zip(values(&after, &is.name)) {
                assert!((a - b).abs() <= tolerance, "{dtype} {}: {a} became {b}", is.name);
            }
        }
    }
    // Over itself: the old bytes stay mapped until the new file is whole.
    requantize(&from, &from, DType::Q8_0, &Control::default()).unwrap();
    assert_eq!(GgufFile::open(&from).unwrap().get_u64("general.file_type"), Some(7));
    let refused = requantize(&from, &from, DType::IQ2_XS, &Control::default()).unwrap_err().to_string();
    assert!(refused.contains("a GGUF file of IQ2_XS") && refused.contains("Q4_K"), "{refused}");
}

#[test]
fn another_type_than_the_one_asked_for_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from.gguf"), dir.path().join("to.gguf"));
    little_llama(&from);
    let told = |dtype| {
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let sink = warnings.clone();
        let control = Control::new(Interrupt::default(), move |event| {
            if let Event::Warning(text) = event {
                sink.lock().unwrap().push(text);
            }
        });
        requantize(&from, &to, dtype, &control).unwrap();
        warnings.lock().unwrap().join("\n")
    };
    assert_eq!(told(DType::Q8_0), "");
    assert_eq!(told(DType::F32), "");
    let text = told(DType::Q4_K);
    assert!(text.contains("not all of the 4 matrices") && text.contains("blocks of 256"), "{text}");
    assert!(text.ends_with("4 as Q5_0"), "{text}");
}

#[test]
fn an_interrupt_leaves_no_file_and_progress_ends_at_the_total() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from.gguf"), dir.path().join("to.gguf"));
    little_llama(&from);
    let interrupt = Interrupt::default();
    let raised = interrupt.clone();
    let control = Control::new(interrupt, move |_| raised.raise());
    let stopped = requantize(&from, &to, DType::Q8_0, &control).unwrap_err();
    assert_eq!(stopped.to_string(), "interrupted");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "only the source is there");

    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let control = Control::new(Interrupt::default(), move |event| {
        if let Event::Progress { done, total, .. } = event {
            sink.lock().unwrap().push((done, total));
        }
    });
    requantize(&from, &to, DType::Q8_0, &control).unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.is_sorted() && seen.iter().filter(|(done, total)| done == total).count() == 1, "{seen:?}");
}

#[test]
fn a_gguf_model_becomes_a_hub_folder() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("from.gguf");
    little_llama(&from);
    let folder = dir.path().join("hub");
    gguf_to_safetensors(&from, &folder, DType::F32, &Control::default()).unwrap();
    let hub = HubFolder::open(&folder).unwrap();
    assert_eq!(hub.config["model_type"], "llama");
    assert_eq!(hub.config["rms_norm_eps"].as_f64(), Some(1e-5));
    assert_eq!(hub.config["vocab_size"], 2);
    assert_eq!(hub.config["tie_word_embeddings"], true);
    assert_eq!(hub.config["eos_token_id"], 1);
    let gguf = GgufFile::open(&from).unwrap();
    assert_eq!(values(&gguf, "token_embd.weight"), values(&*hub.weights, "model.embed_tokens.weight"));
    assert_eq!(values(&gguf, "blk.0.ffn_up.weight"), values(&*hub.weights, "model.layers.0.mlp.up_proj.weight"));
    // Heads of four: rows a0 b0 a1 b1 become a0 a1 b0 b1.
    let before = values(&gguf, "blk.0.attn_q.weight");
    let after = values(&*hub.weights, "model.layers.0.self_attn.q_proj.weight");
    let row = |v: &[f32], i: usize| v[i * 32..(i + 1) * 32].to_vec();
    for (to, from) in [(0, 0), (1, 2), (2, 1), (3, 3), (4, 4), (5, 6), (6, 5), (7, 7)] {
        assert_eq!(row(&after, to), row(&before, from), "row {to}");
    }
    assert!(gguf_to_safetensors(&from, &folder, DType::Q4_0, &Control::default()).is_err());
}
