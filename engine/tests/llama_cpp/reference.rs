//! Small checkpoints of the hub's layout, written as GGUF and run by llama.cpp, against what `transformers` computed for
//! them (eager, f32, without a cache): logits of every position, and the tokens that greedy decoding gives.

use super::{load_file, nmse};
use minerva_engine::Control;
use minerva_engine::backend::Rows;
use minerva_engine::backend::llama_cpp::{CacheType, FlashAttention, LlamaOptions};
use minerva_engine::format::gguf::{Value, Writer};
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

/// The hub pairs the two halves of a head for rotation; llama.cpp's `llama` pairs neighbours.
fn interleave(values: &[f32], heads: usize, columns: usize) -> Vec<f32> {
    let size = values.len() / columns / heads;
    let rows = (0..heads).flat_map(|h| (0..size).map(move |r| h * size + (r % 2) * size / 2 + r / 2));
    rows.flat_map(|row| values[row * columns..(row + 1) * columns].iter().copied()).collect()
}

/// Factors by which llama.cpp divides the frequencies, for Llama 3's scaling of rotary embeddings.
fn frequency_factors(rope: &serde_json::Value, size: usize) -> Vec<f32> {
    let n = |key: &str| rope[key].as_f64().unwrap();
    let (factor, low, high) = (n("factor"), n("low_freq_factor"), n("high_freq_factor"));
    let old = n("original_max_position_embeddings");
    (0..size / 2)
        .map(|i| {
            let wavelength = std::f64::consts::TAU * n("rope_theta").powf(2.0 * i as f64 / size as f64);
            let smooth = ((old / wavelength - low) / (high - low)).clamp(0.0, 1.0);
            (1.0 / ((1.0 - smooth) / factor + smooth)) as f32
        })
        .collect()
}

/// Writes the checkpoint of `architecture` as GGUF.
fn convert(architecture: &str, path: &Path) {
    let config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixture(architecture, "config.json")).unwrap()).unwrap();
    let n = |key: &str| config[key].as_u64().unwrap() as usize;
    let (heads, kv_heads, hidden) = (n("num_attention_heads"), n("num_key_value_heads"), n("hidden_size"));
    let size = config["head_dim"].as_u64().map_or(hidden / heads, |d| d as usize);
    let mut writer = Writer::new();
    let mut set = |key: &str, value: Value| writer.metadata(&key.replace("ARCH", architecture), value).unwrap();
    set("general.architecture", Value::String(architecture.into()));
    set("tokenizer.ggml.model", Value::String("no_vocab".into()));
    for (key, value) in [
        ("ARCH.vocab_size", n("vocab_size")),
        ("ARCH.context_length", n("max_position_embeddings")),
        ("ARCH.embedding_length", hidden),
        ("ARCH.block_count", n("num_hidden_layers")),
        ("ARCH.feed_forward_length", n("intermediate_size")),
        ("ARCH.attention.head_count", heads),
        ("ARCH.attention.head_count_kv", kv_heads),
        ("ARCH.attention.key_length", size),
        ("ARCH.attention.value_length", size),
        ("ARCH.rope.dimension_count", size),
    ] {
        set(key, Value::U32(value as u32));
    }
    let rope = &config["rope_parameters"];
    set("ARCH.rope.freq_base", Value::F32(rope["rope_theta"].as_f64().unwrap() as f32));
    set("ARCH.attention.layer_norm_rms_epsilon", Value::F32(config["rms_norm_eps"].as_f64().unwrap() as f32));

    let file = format::open(fixture(architecture, "model.safetensors")).unwrap();
    let mut tensor = |name: &str, shape: &[usize], values: Vec<f32>| {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        writer.tensor(name, DType::F32, shape, bytes).unwrap();
    };
    for info in file.tensors() {
        let name = [
            ("model.layers.", "blk."),
            ("model.embed_tokens", "token_embd"),
            ("model.norm", "output_norm"),
            ("lm_head", "output"),
            ("self_attn.q_proj", "attn_q"),
            ("self_attn.k_proj", "attn_k"),
            ("self_attn.v_proj", "attn_v"),
            ("self_attn.o_proj", "attn_output"),
            ("self_attn.q_norm", "attn_q_norm"),
            ("self_attn.k_norm", "attn_k_norm"),
            ("input_layernorm", "attn_norm"),
            ("post_attention_layernorm", "ffn_norm"),
            ("mlp.gate_proj", "ffn_gate"),
            ("mlp.up_proj", "ffn_up"),
            ("mlp.down_proj", "ffn_down"),
        ]
        .iter()
        .fold(info.name.clone(), |name, (hub, ggml)| name.replace(hub, ggml));
        let mut values = floats(&*file, &info.name);
        let columns = info.shape.get(1).copied().unwrap_or(1);
        if architecture == "llama" && name.contains("attn_q.") {
            values = interleave(&values, heads, columns);
        } else if architecture == "llama" && name.contains("attn_k.") {
            values = interleave(&values, kv_heads, columns);
        }
        tensor(&name, &info.shape, values);
    }
    if rope["rope_type"] == "llama3" {
        tensor("rope_freqs.weight", &[size / 2], frequency_factors(rope, size));
    }
    writer.write(path).unwrap();
}

#[test]
fn logits_and_greedy_tokens_are_those_of_transformers() {
    for architecture in ["llama", "qwen2", "qwen3"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reference.gguf");
        convert(architecture, &path);
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
