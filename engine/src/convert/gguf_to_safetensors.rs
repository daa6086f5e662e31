//! A GGUF model as a hub folder: safetensors weights under the hub's names, `config.json` and the tokenizer's files.

use super::store::store;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::atomic::write_small;
use crate::format::gguf::GgufFile;
use crate::format::safetensors::Writer;
use crate::format::{DType, Metadata, TensorFile, TensorInfo};
use crate::tokenizer::Tokenizer;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::path::Path;

/// GGUF's name of a tensor outside the blocks, and the hub's.
const OUTER: &[(&str, &str)] = &[
    ("token_embd.weight", "model.embed_tokens.weight"),
    ("output_norm.weight", "model.norm.weight"),
    ("output.weight", "lm_head.weight"),
];

/// GGUF's name of a part of a block, and the hub's, without `.weight` or `.bias`.
const INNER: &[(&str, &str)] = &[
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// Tensors that follow from the config, which the hub does not store.
const DERIVED: &[&str] = &["rope_freqs.weight"];

/// Architectures whose GGUF names map one to one, and the class that `transformers` reads them with.
const ARCHITECTURES: &[(&str, &str)] =
    &[("llama", "LlamaForCausalLM"), ("qwen2", "Qwen2ForCausalLM"), ("qwen3", "Qwen3ForCausalLM")];

/// Writes `model.safetensors` and `config.json` of the GGUF model `from` into `folder`, which is made if need be. Every
/// tensor is stored as `dtype` (F32, F16 or BF16). The tokenizer's files follow where the hub has a form for the vocabulary;
/// a warning says where not.
///
/// # Errors
/// The architecture is none of Llama's family that is known here, a tensor is unknown or cannot be computed, the
/// system refuses, or [`Error::Interrupted`].
pub fn gguf_to_safetensors(
    from: impl AsRef<Path>,
    folder: impl AsRef<Path>,
    dtype: DType,
    control: &Control,
) -> Result<()> {
    if !matches!(dtype, DType::F32 | DType::F16 | DType::BF16) {
        return Err(Error::argument("dtype of the safetensors file", "F32, F16 or BF16", dtype.name()));
    }
    let file = GgufFile::open(from)?;
    let config = config(&file, dtype)?;
    let metadata: Metadata = [("format".to_owned(), json!("pt"))].into_iter().collect();
    let mut writer = Writer::new(&metadata);
    let unpermuted = |name: &str| match file.architecture() {
        Some("llama") if name.contains(".attn_q.") => file.get_u64("llama.attention.head_count"),
        Some("llama") if name.contains(".attn_k.") => {
            file.get_u64("llama.attention.head_count_kv").or_else(|| file.get_u64("llama.attention.head_count"))
        }
        _ => None,
    };
    for (i, info) in file.tensors().iter().enumerate().filter(|(_, t)| !DERIVED.contains(&t.name.as_str())) {
        info.dtype.computable()?;
        let Some(name) = hub_name(&info.name) else {
            let what = format!("converting tensor {:?} of {}", info.name, file.path().display());
            return Err(Error::unsupported(what, "run the GGUF file as it is"));
        };
        let data = file.data(i)?;
        let heads = unpermuted(&info.name).and_then(|n| usize::try_from(n).ok());
        writer.tensor_with(&name, dtype, &info.shape, move || {
            let stored = store(info, data, dtype, control)?;
            match heads {
                Some(heads) => Ok(Cow::Owned(unpermute(info, &stored, heads)?)),
                None => Ok(stored),
            }
        })?;
    }
    let folder = folder.as_ref();
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    writer.write(folder.join("model.safetensors"), control)?;
    let write = |name: &str, value: &Value| write_small(&folder.join(name), format!("{value:#}\n").as_bytes());
    write("config.json", &config)?;
    match Tokenizer::from_gguf(file.metadata(), file.path()).and_then(|t| t.hub_files()) {
        Ok(files) => files.iter().try_for_each(|(name, value)| write(name, value)),
        Err(why) => {
            control
                .warn(format!("{} has no tokenizer, so that it cannot be loaded by itself: {why}", folder.display()));
            Ok(())
        }
    }
}

/// `blk.3.attn_q.weight` as the hub says it.
fn hub_name(name: &str) -> Option<String> {
    if let Some((_, hub)) = OUTER.iter().find(|(gguf, _)| *gguf == name) {
        return Some((*hub).to_owned());
    }
    let (block, part) = name.strip_prefix("blk.")?.split_once('.')?;
    let block: usize = block.parse().ok()?;
    let (part, kind) = part.rsplit_once('.').filter(|(_, kind)| matches!(*kind, "weight" | "bias"))?;
    let (_, hub) = INNER.iter().find(|(gguf, _)| *gguf == part)?;
    Some(format!("model.layers.{block}.{hub}.{kind}"))
}

/// llama.cpp's converter reorders the rows of Llama's q and k so that RoPE's pairs are neighbours; the hub has first
/// halves, then second halves, of each head. Row `2 i + h` of a head goes back to `h · (rows / 2) + i`.
fn unpermute(info: &TensorInfo, data: &[u8], heads: usize) -> Result<Vec<u8>> {
    let rows = info.shape.first().copied().unwrap_or(0);
    if heads == 0 || rows == 0 || !rows.is_multiple_of(2 * heads) || !data.len().is_multiple_of(rows) {
        let expected = format!("rows for {heads} heads of even size");
        return Err(Error::argument(format!("tensor {:?}", info.name), expected, format!("shape {:?}", info.shape)));
    }
    let row = data.len() / rows;
    let half = rows / heads / 2;
    let mut out = Vec::with_capacity(data.len());
    for head in data.chunks(2 * half * row) {
        for second in 0..2 {
            for pair in head.chunks(2 * row) {
                out.extend_from_slice(pair.get(second * row..(second + 1) * row).unwrap_or_default());
            }
        }
    }
    Ok(out)
}

/// The config that `transformers` reads, from the metadata.
fn config(file: &GgufFile, dtype: DType) -> Result<Value> {
    let arch = file.architecture().unwrap_or_default();
    let Some((model_type, class)) = ARCHITECTURES.iter().find(|(a, _)| *a == arch) else {
        let known: Vec<&str> = ARCHITECTURES.iter().map(|(a, _)| *a).collect();
        let what = format!("converting architecture {arch:?} to safetensors");
        return Err(Error::unsupported(what, format!("architectures known: {}", known.join(", "))));
    };
    let key = |name: &str| format!("{arch}.{name}");
    let count = |name: &str| {
        let missing = || Error::format(file.path(), format!("expected a whole number {:?}, found none", key(name)));
        file.get_u64(&key(name)).ok_or_else(missing)
    };
    let tensor = |name: &str| file.index_of(name).ok().and_then(|i| file.tensors().get(i));
    let (hidden, heads) = (count("embedding_length")?, count("attention.head_count")?);
    let head_dim = file.get_u64(&key("attention.key_length")).unwrap_or(hidden / heads.max(1));
    let vocabulary = tensor("token_embd.weight").and_then(|t| t.shape.first().copied()).unwrap_or(0);
    let theta = file.get_f64(&key("rope.freq_base")).map_or(10_000.0, shortest);
    let rope = rope(file, arch, theta)?;
    let id = |name: &str| file.get_u64(&format!("tokenizer.ggml.{name}_token_id"));
    Ok(json!({
        "architectures": [class],
        "model_type": model_type,
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": count("feed_forward_length")?,
        "num_hidden_layers": count("block_count")?,
        "num_attention_heads": heads,
        "num_key_value_heads": file.get_u64(&key("attention.head_count_kv")).unwrap_or(heads),
        "head_dim": head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": count("context_length")?,
        "rms_norm_eps": file.get_f64(&key("attention.layer_norm_rms_epsilon")).map_or(1e-5, shortest),
        // Both spellings: transformers 4 reads the first two, transformers 5 the third.
        "rope_theta": theta,
        "rope_scaling": rope.get("factor").map(|_| rope.clone()),
        "rope_parameters": rope,
        "attention_bias": tensor("blk.0.attn_q.bias").is_some(),
        "mlp_bias": tensor("blk.0.ffn_up.bias").is_some(),
        "tie_word_embeddings": tensor("output.weight").is_none(),
        "torch_dtype": match dtype { DType::F32 => "float32", DType::F16 => "float16", _ => "bfloat16" },
        "bos_token_id": id("bos"),
        "eos_token_id": id("eos"),
        "pad_token_id": id("padding"),
    }))
}

fn rope(file: &GgufFile, arch: &str, theta: f64) -> Result<Value> {
    // Llama 3's scaling is baked into this tensor, and its parameters cannot be told from it with certainty.
    if file.index_of("rope_freqs.weight").is_ok() {
        let help = "run the GGUF file as it is, or take the model's own safetensors version";
        return Err(Error::unsupported("converting a model with per-frequency RoPE factors (rope_freqs)", help));
    }
    let factor = file.get_f64(&format!("{arch}.rope.scaling.factor")).filter(|f| *f != 1.0 && *f != 0.0);
    match (file.get_str(&format!("{arch}.rope.scaling.type")), factor) {
        (None | Some("none"), None) | (Some("linear"), None) => {
            Ok(json!({ "rope_type": "default", "rope_theta": theta }))
        }
        (None | Some("linear"), Some(factor)) => {
            Ok(json!({ "rope_type": "linear", "rope_theta": theta, "factor": shortest(factor) }))
        }
        (Some("none"), Some(_)) => Ok(json!({ "rope_type": "default", "rope_theta": theta })),
        (Some(other), _) => {
            let help = "run the GGUF file as it is, or take the model's own safetensors version";
            Err(Error::unsupported(format!("converting a model with RoPE scaling {other:?}"), help))
        }
    }
}

/// A number that was stored in 32 bits, as it was written: 1e-5 and not 9.999999747378752e-6.
fn shortest(value: f64) -> f64 {
    let narrow = value as f32;
    if f64::from(narrow) == value { narrow.to_string().parse().unwrap_or(value) } else { value }
}
