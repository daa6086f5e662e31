//! Writes the trained model twice, in the hub's layout and as GGUF: the same numbers, rounded to f16 once.

use super::tokenizer::{BOS, BOS_TEXT};
use half::f16;
use minerva_engine::Control;
use minerva_engine::convert::{GgufOptions, hub_to_gguf};
use minerva_engine::format::hub::HubFolder;
use minerva_engine::format::safetensors::{self, SaveTensor};
use minerva_engine::format::{DType, quantize};
use minerva_engine::transformer::bindings::{self, Expected};
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
    let options = GgufOptions {
        name: Some(spec.name.clone()),
        metadata: vec![("general.license".to_owned(), "apache-2.0 or mit".into())],
        ..GgufOptions::default()
    };
    hub_to_gguf(&HubFolder::open(out)?, out.join("model.gguf"), DType::F16, &options, &Control::default())?;
    Ok(())
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
