//! Writes the trained model twice, in the hub's layout and as GGUF: the same numbers, rounded to f16 once.

use super::tokenizer::{BOS, BOS_TEXT};
use half::f16;
use minerva_engine::format::gguf::{Value, ValueType, Writer};
use minerva_engine::format::safetensors::{self, SaveTensor};
use minerva_engine::format::{DType, quantize};
use minerva_engine::transformer::bindings::{self, Expected, Slot};
use minerva_engine::transformer::{Names, Naming, Spec, Variables};
use serde_json::json;
use std::path::Path;
use tokenizers::Tokenizer;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A conversation as a scene: the user is Romeo, the model Juliet.
const CHAT_TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}ROMEO\
    {% elif message['role'] == 'assistant' %}JULIET{% else %}CHORUS{% endif %}:\n{{ message['content'] }}\n\n{% endfor %}\
    {% if add_generation_prompt %}JULIET:\n{% endif %}";

/// Writes `config.json`, `tokenizer.json`, `tokenizer_config.json`, `model.safetensors` and `model.gguf`.
pub fn write(out: &Path, spec: &Spec, variables: &Variables, tokenizer: &Tokenizer) -> Result<()> {
    let weights = rounded(spec, variables)?;
    hub(out, spec, &weights, tokenizer)?;
    gguf(out, spec, &weights, tokenizer)
}

/// Every weight, rounded to f16 and back.
fn rounded(spec: &Spec, variables: &Variables) -> Result<Vec<(Expected, Vec<f32>)>> {
    let round = |v: f32| f16::from_f32(v).to_f32();
    bindings::expected(spec, &Names::of(spec, Naming::Hub))
        .into_iter()
        .zip(variables.all())
        .map(|(expected, (_, var))| {
            let values = var.as_tensor().flatten_all()?.to_vec1::<f32>()?.into_iter().map(round).collect();
            Ok((expected, values))
        })
        .collect()
}

fn hub(out: &Path, spec: &Spec, weights: &[(Expected, Vec<f32>)], tokenizer: &Tokenizer) -> Result<()> {
    let config = json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float16",
        "vocab_size": spec.vocab_size,
        "hidden_size": spec.hidden_size,
        "intermediate_size": spec.mlp.size,
        "num_hidden_layers": spec.layers.len(),
        "num_attention_heads": spec.heads,
        "num_key_value_heads": spec.kv_heads,
        "head_dim": spec.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": spec.context_trained,
        "rms_norm_eps": spec.norm.eps,
        "rope_parameters": { "rope_type": "default", "rope_theta": spec.ropes.first().map(|r| r.theta) },
        "attention_bias": false,
        "mlp_bias": false,
        "tie_word_embeddings": spec.tied,
        "bos_token_id": BOS,
        "eos_token_id": BOS,
    });
    let tokenizer_config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS_TEXT,
        "eos_token": BOS_TEXT,
        "add_bos_token": true,
        "clean_up_tokenization_spaces": false,
        "model_max_length": spec.context_trained,
        "chat_template": CHAT_TEMPLATE,
    });
    std::fs::write(out.join("config.json"), format!("{config:#}\n"))?;
    std::fs::write(out.join("tokenizer_config.json"), format!("{tokenizer_config:#}\n"))?;
    tokenizer.save(out.join("tokenizer.json"), true).map_err(|e| e.to_string())?;

    let stored: Vec<Vec<u8>> =
        weights.iter().map(|(_, v)| quantize(v, DType::F16)).collect::<std::result::Result<_, _>>()?;
    let tensors: Vec<SaveTensor> = weights
        .iter()
        .zip(&stored)
        .map(|((e, _), bytes)| (e.name.as_str(), DType::F16, e.shape.as_slice(), bytes.as_slice()))
        .collect();
    let metadata = [("format".to_owned(), "pt".into())].into_iter().collect();
    safetensors::save(out.join("model.safetensors"), &tensors, &metadata)?;
    Ok(())
}

fn gguf(out: &Path, spec: &Spec, weights: &[(Expected, Vec<f32>)], tokenizer: &Tokenizer) -> Result<()> {
    let mut file = Writer::new();
    let size = |n: usize| Value::U32(n as u32);
    let text = |s: &str| Value::String(s.to_owned());
    file.metadata("general.architecture", text("llama"))?;
    file.metadata("general.name", text(&spec.name))?;
    file.metadata("general.license", text("apache-2.0 or mit"))?;
    file.metadata("general.file_type", Value::U32(1))?; // mostly f16
    for (key, value) in [
        ("vocab_size", size(spec.vocab_size)),
        ("context_length", size(spec.context_trained)),
        ("embedding_length", size(spec.hidden_size)),
        ("block_count", size(spec.layers.len())),
        ("feed_forward_length", size(spec.mlp.size)),
        ("attention.head_count", size(spec.heads)),
        ("attention.head_count_kv", size(spec.kv_heads)),
        ("attention.layer_norm_rms_epsilon", Value::F32(spec.norm.eps as f32)),
        ("rope.dimension_count", size(spec.head_dim)),
        ("rope.freq_base", Value::F32(spec.ropes.first().map_or(0.0, |r| r.theta as f32))),
    ] {
        file.metadata(&format!("llama.{key}"), value)?;
    }
    vocabulary(&mut file, tokenizer)?;
    let names = Names::of(spec, Naming::Gguf);
    for (e, values) in weights {
        let name = names.tensor(e.slot, e.layer, 0, "weight");
        let dtype = if e.shape.len() == 1 { DType::F32 } else { DType::F16 };
        let values = match e.slot {
            Slot::Q | Slot::K => interleave(values, spec.head_dim, spec.hidden_size),
            _ => values.clone(),
        };
        file.tensor(&name, dtype, &e.shape, quantize(&values, dtype)?)?;
    }
    file.write(out.join("model.gguf"))?;
    Ok(())
}

/// Vocabulary and merges, from the tokenizer's own file.
fn vocabulary(file: &mut Writer, tokenizer: &Tokenizer) -> Result<()> {
    let saved: serde_json::Value = serde_json::from_str(&tokenizer.to_string(false).map_err(|e| e.to_string())?)?;
    let merges = saved["model"]["merges"].as_array().ok_or("the tokenizer has no merges")?;
    let merges = merges.iter().map(|m| match m {
        serde_json::Value::Array(pair) => pair.iter().filter_map(|p| p.as_str()).collect::<Vec<_>>().join(" "),
        other => other.as_str().unwrap_or_default().to_owned(),
    });
    let tokens = (0..tokenizer.get_vocab_size(true) as u32).map(|id| tokenizer.id_to_token(id).unwrap_or_default());
    let tokens: Vec<String> = tokens.collect();
    let kinds = (0..tokens.len() as u32).map(|id| Value::I32(if id == BOS { 3 } else { 1 })).collect(); // control, normal
    let strings = |values: Vec<String>| Value::Array {
        of: ValueType::String,
        values: values.into_iter().map(Value::String).collect(),
    };
    file.metadata("tokenizer.ggml.model", Value::String("gpt2".into()))?;
    file.metadata("tokenizer.ggml.pre", Value::String("gpt-2".into()))?;
    file.metadata("tokenizer.ggml.tokens", strings(tokens))?;
    file.metadata("tokenizer.ggml.token_type", Value::Array { of: ValueType::I32, values: kinds })?;
    file.metadata("tokenizer.ggml.merges", strings(merges.collect()))?;
    file.metadata("tokenizer.ggml.bos_token_id", Value::U32(BOS))?;
    file.metadata("tokenizer.ggml.eos_token_id", Value::U32(BOS))?;
    file.metadata("tokenizer.ggml.add_bos_token", Value::Bool(true))?;
    file.metadata("tokenizer.chat_template", Value::String(CHAT_TEMPLATE.into()))?;
    Ok(())
}

/// llama.cpp turns neighbouring coordinates of a head where the hub's layout turns the halves: row `i` of each half
/// goes to `2 i` and `2 i + 1`.
fn interleave(values: &[f32], head_dim: usize, columns: usize) -> Vec<f32> {
    let rows: Vec<&[f32]> = values.chunks(columns).collect();
    let half = head_dim / 2;
    rows.chunks(head_dim)
        .flat_map(|head| (0..half).flat_map(move |i| [head[i], head[half + i]]))
        .flatten()
        .copied()
        .collect()
}
