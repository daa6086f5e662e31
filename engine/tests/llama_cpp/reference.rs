//! Small checkpoints of the hub's layout, written as GGUF and run by llama.cpp, against what `transformers` computed for
//! them (eager, f32, without a cache): logits of every position, and the tokens that greedy decoding gives.

use super::{load_file, nmse};
use minerva_engine::Control;
use minerva_engine::backend::Rows;
use minerva_engine::backend::llama_cpp::{CacheType, FlashAttention, LlamaOptions};
use minerva_engine::convert::{GgufOptions, hub_to_gguf};
use minerva_engine::format::hub::HubFolder;
use minerva_engine::format::{self, DType, TensorFile, dequantize};
use std::path::{Path, PathBuf};

fn fixture(architecture: &str, file: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("tests/fixtures/reference-models").join(architecture).join(file)
}

fn floats(file: &dyn TensorFile, name: &str) -> Vec<f32> {
    let index = file.index_of(name).unwrap();
    let info = &file.tensors()[index];
    let mut out = vec![0.0; info.elements()];
    dequantize(info.dtype, file.data(index).unwrap(), &mut out).unwrap();
    out
}

fn integers(file: &dyn TensorFile, name: &str) -> Vec<u32> {
    let data = file.data(file.index_of(name).unwrap()).unwrap();
    data.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as u32).collect()
}

#[test]
fn logits_and_greedy_tokens_are_those_of_transformers() {
    for architecture in ["llama", "qwen2", "qwen3"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reference.gguf");
        let hub = HubFolder::open(fixture(architecture, "")).unwrap();
        let options = GgufOptions { without_vocabulary: true, ..GgufOptions::default() };
        hub_to_gguf(&hub, &path, DType::F32, &options, &Control::default()).unwrap();
        let reference = format::open(fixture(architecture, "reference.safetensors")).unwrap();
        let prompt = integers(&*reference, "input_ids");
        let expected = floats(&*reference, "logits");
        let greedy = integers(&*reference, "greedy");
        for (cache_type, flash_attention, limit) in
            [(CacheType::F32, FlashAttention::Off, 1e-9), (CacheType::F16, FlashAttention::Auto, 1e-5)]
        {
            let options = LlamaOptions { cache_type, flash_attention, threads: Some(2), ..Default::default() };
            let model = load_file(&path, &options).unwrap();
            let mut sequence = model.sequence().unwrap();
            let logits = sequence.feed(&prompt, Rows::All, &Control::default()).unwrap();
            let error = nmse(logits.data(), &expected);
            assert!(error < limit, "{architecture}, {cache_type:?}: NMSE {error:e}");
            let mut row = logits.last().unwrap().to_vec();
            for (i, token) in greedy.iter().enumerate() {
                let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap() as u32;
                assert_eq!(best, *token, "{architecture}, {cache_type:?}: greedy token {i}");
                row = sequence.feed(&[best], Rows::Last, &Control::default()).unwrap().into_data();
            }
        }
    }
}
