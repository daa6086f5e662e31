#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{GgufOptions, hub_to_gguf, vocabulary};
use crate::control::{Control, Interrupt};
use crate::error::Error;
use crate::format::DType;
use crate::format::gguf::{GgufFile, Value};
use crate::format::hub::HubFolder;
use crate::format::safetensors::{self, SafetensorsFile};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
}

fn without_vocabulary() -> GgufOptions {
    GgufOptions { without_vocabulary: true, ..GgufOptions::default() }
}

/// A folder whose `tokenizer.json` has the vocabulary of a GGUF file, cut into words by `pre`.
fn folder(vocabulary: &GgufFile, pre: &Json, temporary: &Path) -> (HubFolder, Json) {
    let list = |key: &str| vocabulary.get_array(key).unwrap().to_vec();
    let (mut vocab, mut added) = (serde_json::Map::new(), Vec::new());
    for (id, (token, kind)) in list("tokenizer.ggml.tokens").iter().zip(list("tokenizer.ggml.token_type")).enumerate() {
        vocab.insert(token.as_str().unwrap().to_owned(), json!(id));
        if kind != 1 {
            added.push(json!({"id": id, "content": token, "special": kind == 3, "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false}));
        }
    }
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false});
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": pre, "post_processor": null, "decoder": level,
        "model": {"type": "BPE", "vocab": vocab, "merges": list("tokenizer.ggml.merges"), "byte_fallback": false},
    });
    let path = temporary.join("tokenizer.json");
    std::fs::write(&path, tokenizer.to_string()).unwrap();
    let mut folder = HubFolder::open(fixture("reference-models/llama")).unwrap();
    folder.tokenizer_json = Some(path);
    folder.tokenizer_config = Some(json!({"eos_token": "<|endoftext|>", "bos_token": null}));
    (folder, tokenizer)
}

#[test]
fn a_vocabulary_comes_back_as_it_was() {
    let temporary = tempfile::tempdir().unwrap();
    let level = |words: bool| {
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false,
        "use_regex": words})
    };
    let qwen = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let split = json!({"type": "Split", "pattern": {"Regex": qwen}, "behavior": "Isolated", "invert": false});
    let qwen = json!({"type": "Sequence", "pretokenizers": [split, level(false)]});
    for (name, pre) in [("gpt-2", level(true)), ("qwen2", qwen)] {
        let original = GgufFile::open(fixture(&format!("tokenizer-vectors/ggml-vocab-{name}.gguf"))).unwrap();
        let (folder, _) = folder(&original, &pre, temporary.path());
        let rows = original.get_array("tokenizer.ggml.tokens").unwrap().len() + 3;
        let keys = vocabulary::keys(&folder, rows, false, &Control::default()).unwrap();
        let find = |key: &str| keys.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
        assert_eq!(find("tokenizer.ggml.pre"), Some(Value::from(name)));
        assert_eq!(find("tokenizer.ggml.merges"), original.value("tokenizer.ggml.merges"));
        assert_eq!(find("tokenizer.ggml.add_bos_token"), Some(Value::Bool(false)));
        for (key, last) in [
            ("tokenizer.ggml.tokens", Value::String(format!("[PAD{}]", rows - 1))),
            ("tokenizer.ggml.token_type", Value::I32(5)),
        ] {
            let (Some(Value::Array { values, .. }), Some(Value::Array { values: expected, .. })) =
                (find(key), original.value(key))
            else {
                panic!("{key}");
            };
            assert!(values[..rows - 3] == expected, "{name} {key}");
            assert_eq!(values[rows - 1], last);
        }
        // A model with fewer rows than there are tokens is another model's.
        let error = vocabulary::keys(&folder, 100, false, &Control::default()).unwrap_err().to_string();
        assert!(error.contains("expected at most 100 tokens"), "{error}");
    }
}

#[test]
fn a_tokenizer_that_gguf_cannot_hold_is_an_error_in_words() {
    let temporary = tempfile::tempdir().unwrap();
    let original = GgufFile::open(fixture("tokenizer-vectors/ggml-vocab-gpt-2.gguf")).unwrap();
    let spaced = json!({"type": "ByteLevel", "add_prefix_space": true, "use_regex": true});
    let pattern = json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "[a-c]+"}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]});
    for (pre, says) in
        [(spaced, "a space in front"), (pattern, "[a-c]+"), (json!({"type": "Whitespace"}), "Whitespace")]
    {
        let (folder, _) = folder(&original, &pre, temporary.path());
        let error = vocabulary::keys(&folder, 60_000, false, &Control::default()).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("byte-level BPE can be written"), "{error}");
        let none = vocabulary::keys(&folder, 60_000, true, &Control::default()).unwrap();
        assert_eq!(none, [("tokenizer.ggml.model".to_owned(), Value::from("none"))]);
    }
}

#[test]
fn an_interrupt_leaves_no_file() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("x.gguf");
    let control = Control::new(Interrupt::default(), |_| {});
    control.interrupt.raise();
    let folder = HubFolder::open(fixture("reference-models/llama")).unwrap();
    let error = hub_to_gguf(&folder, &path, DType::Q8_0, &without_vocabulary(), &control).unwrap_err();
    assert!(matches!(error, Error::Interrupted));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("x.gguf");
    let convert = |folder: &HubFolder, dtype| {
        hub_to_gguf(folder, &path, dtype, &without_vocabulary(), &Control::default()).unwrap_err().to_string()
    };
    let mut folder = HubFolder::open(fixture("reference-models/llama")).unwrap();
    let error = convert(&folder, DType::I32);
    assert!(error.contains("a GGUF file of I32") && error.contains("Q8_0"), "{error}");
    folder.config.insert("num_hidden_layers".into(), json!(4));
    let error = convert(&folder, DType::F16);
    assert!(error.contains("model.layers.3") && error.contains("is missing"), "{error}");
    folder.config.insert("model_type".into(), json!("lama"));
    let error = convert(&folder, DType::F16);
    assert!(error.contains("the nearest is \"llama\""), "{error}");
}

#[test]
fn weights_that_are_no_numbers_are_named() {
    let temporary = tempfile::tempdir().unwrap();
    let mut folder = HubFolder::open(fixture("reference-models/llama")).unwrap();
    let name = "model.layers.1.mlp.up_proj.weight";
    let tensors = folder.weights.tensors().to_vec();
    let data: Vec<Vec<u8>> = (0..tensors.len())
        .map(|i| {
            let mut bytes = folder.weights.data(i).unwrap().to_vec();
            if tensors[i].name == name {
                bytes[..2].copy_from_slice(&half::f16::NAN.to_le_bytes());
            }
            bytes
        })
        .collect();
    let all: Vec<_> =
        tensors.iter().zip(&data).map(|(t, d)| (t.name.as_str(), t.dtype, t.shape.as_slice(), d.as_slice())).collect();
    let weights = temporary.path().join("model.safetensors");
    safetensors::save(&weights, &all, &serde_json::Map::new()).unwrap();
    folder.weights = Arc::new(SafetensorsFile::open(&weights).unwrap());
    let path = temporary.path().join("x.gguf");
    let error = hub_to_gguf(&folder, &path, DType::Q4_0, &without_vocabulary(), &Control::default()).unwrap_err();
    assert!(error.to_string().contains("blk.1.ffn_up.weight"), "{error}");
    assert!(!path.exists());
}

#[test]
fn what_llama_cpp_computes_otherwise_is_told() {
    let temporary = tempfile::tempdir().unwrap();
    for (name, says) in [
        ("llama", ""),
        ("mistral", "sliding window"),
        ("gpt_neox", "activation gelu_pytorch_tanh where the model has gelu"),
        ("llama_dynamic", "dynamic scaling"),
        ("smollm3", "rotary embedding: 1"),
    ] {
        let folder = HubFolder::open(fixture(&format!("reference-models/{name}"))).unwrap();
        let path = temporary.path().join("x.gguf");
        let report = hub_to_gguf(&folder, path, DType::F16, &without_vocabulary(), &Control::default()).unwrap();
        match says {
            "" => assert_eq!(report.differences, Vec::<String>::new(), "{name}"),
            says => assert!(report.differences.iter().any(|d| d.contains(says)), "{name}: {:?}", report.differences),
        }
    }
}
