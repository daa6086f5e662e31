//! The keys of an architecture, and the tables that stand in tensors of their own.

use crate::convert::requantize::QUANTIZATION_VERSION;
use crate::error::{Error, Result};
use crate::format::DType;
use crate::format::gguf::{Value, ValueType, Writer};
use crate::transformer::arch::GgufForm;
use crate::transformer::{Activation, NormKind, Rope, RopeScaling, Router, Spec, frequencies};

/// Keys under the architecture's prefix.
struct Keys<'a, 'w> {
    writer: &'a mut Writer<'w>,
    architecture: &'static str,
}

impl Keys<'_, '_> {
    fn set(&mut self, key: &str, value: impl Into<Value>) -> Result<()> {
        self.writer.metadata(&format!("{}.{key}", self.architecture), value)
    }

    fn size(&mut self, key: &str, value: usize) -> Result<()> {
        let narrow = u32::try_from(value);
        let narrow = narrow.map_err(|_| Error::argument(key, format!("at most {}", u32::MAX), value.to_string()))?;
        self.set(key, narrow)
    }

    fn number(&mut self, key: &str, value: f64) -> Result<()> {
        self.set(key, value as f32)
    }

    fn flags(&mut self, key: &str, values: impl Iterator<Item = bool>) -> Result<()> {
        self.set(key, Value::Array { of: ValueType::Bool, values: values.map(Value::Bool).collect() })
    }
}

/// Writes everything but the vocabulary.
pub(super) fn write(writer: &mut Writer, spec: &Spec, form: &GgufForm, dtype: DType, file_type: u32) -> Result<()> {
    writer.metadata("general.architecture", form.architecture)?;
    writer.metadata("general.file_type", file_type)?;
    if dtype.is_quantized() {
        writer.metadata("general.quantization_version", QUANTIZATION_VERSION)?;
    }
    let mut keys = Keys { writer, architecture: form.architecture };
    sizes(&mut keys, spec)?;
    attention(&mut keys, spec, form)?;
    positions(&mut keys, spec, form)?;
    experts(&mut keys, spec, form)?;
    // Gemma's scale of embeddings follows from their width, and its readers know.
    let gemma = form.architecture.starts_with("gemma");
    let implied = if gemma { (spec.hidden_size as f64).sqrt() } else { 1.0 };
    for (key, value, implied) in
        [("embedding_scale", spec.embedding_scale, implied), ("residual_scale", spec.residual_scale, 1.0)]
    {
        if value != implied {
            keys.number(key, value)?;
        }
    }
    match form.architecture {
        // Granite divides by it.
        "granite" => keys.number("logit_scale", 1.0 / spec.logit_scale)?,
        _ if spec.logit_scale != 1.0 => keys.number("logit_scale", spec.logit_scale)?,
        _ => {}
    }
    if let Some(cap) = spec.logit_softcap {
        keys.number("final_logit_softcapping", cap)?;
    }
    if form.architecture == "gptneox" {
        keys.set("use_parallel_residual", Value::Bool(spec.parallel))?;
    }
    if spec.mlp.activation != form.activation {
        // llama.cpp does not read it here; we do.
        keys.set("hidden_activation", activation(spec.mlp.activation))?;
    }
    Ok(())
}

fn sizes(keys: &mut Keys, spec: &Spec) -> Result<()> {
    keys.size("vocab_size", spec.vocab_size)?;
    keys.size("context_length", spec.context_trained)?;
    keys.size("embedding_length", spec.hidden_size)?;
    keys.size("block_count", spec.layers.len())?;
    keys.size("feed_forward_length", spec.mlp.size)?;
    let eps = match spec.norm.kind {
        NormKind::Rms => "attention.layer_norm_rms_epsilon",
        NormKind::Layer => "attention.layer_norm_epsilon",
    };
    keys.number(eps, spec.norm.eps)
}

fn attention(keys: &mut Keys, spec: &Spec, form: &GgufForm) -> Result<()> {
    keys.size("attention.head_count", spec.heads)?;
    keys.size("attention.head_count_kv", spec.kv_heads)?;
    keys.size("attention.key_length", spec.head_dim)?;
    keys.size("attention.value_length", spec.head_dim)?;
    if form.scale.is_none() {
        keys.number("attention.scale", spec.attention_scale)?;
    }
    if let Some(cap) = spec.attention_softcap {
        keys.number("attn_logit_softcapping", cap)?;
    }
    if let Some(clip) = spec.clip_qkv {
        keys.number("attention.clamp_kqv", clip)?;
    }
    if let Some(alibi) = &spec.alibi {
        keys.number("attention.max_alibi_bias", alibi.max_bias)?;
    }
    let windows = || spec.layers.iter().map(|layer| layer.window);
    if let Some(window) = windows().flatten().next() {
        keys.size("attention.sliding_window", window)?;
        keys.flags("attention.sliding_window_pattern", windows().map(|w| w.is_some()))?;
    }
    Ok(())
}

fn positions(keys: &mut Keys, spec: &Spec, form: &GgufForm) -> Result<()> {
    let Some(rope) = spec.ropes.first() else { return Ok(()) };
    keys.size("rope.dimension_count", rope.dims)?;
    keys.number("rope.freq_base", rope.theta)?;
    if let Some(sliding) = spec.ropes.get(1) {
        keys.number("rope.freq_base_swa", sliding.theta)?;
    }
    let turned: Vec<bool> = spec.layers.iter().map(|layer| layer.rope.is_some()).collect();
    let usual: Vec<bool> = (0..turned.len()).map(|i| (form.rope)(spec, i).is_some()).collect();
    if turned != usual {
        keys.flags("attention.rope_pattern", turned.into_iter())?;
    }
    scaling(keys, rope)
}

fn scaling(keys: &mut Keys, rope: &Rope) -> Result<()> {
    match &rope.scaling {
        // Llama 3's becomes a table of divisors. Dynamic scaling has no name in GGUF.
        RopeScaling::None | RopeScaling::Llama3 { .. } | RopeScaling::Factors(_) | RopeScaling::Dynamic { .. } => {
            Ok(())
        }
        RopeScaling::Linear { factor } => {
            keys.set("rope.scaling.type", "linear")?;
            keys.number("rope.scaling.factor", *factor)
        }
        RopeScaling::Yarn { factor, original, fast, slow, magnitude, .. } => {
            keys.set("rope.scaling.type", "yarn")?;
            keys.number("rope.scaling.factor", *factor)?;
            keys.size("rope.scaling.original_context_length", *original as usize)?;
            // The usual magnitude is applied without being asked for.
            keys.number("rope.scaling.attn_factor", magnitude / (0.1 * factor.ln() + 1.0))?;
            keys.number("rope.scaling.yarn_beta_fast", *fast)?;
            keys.number("rope.scaling.yarn_beta_slow", *slow)
        }
        RopeScaling::Long { original, magnitude, .. } => {
            // No factor: llama.cpp would divide every frequency by it.
            keys.set("rope.scaling.type", "longrope")?;
            keys.size("rope.scaling.original_context_length", *original)?;
            keys.number("rope.scaling.attn_factor", *magnitude)
        }
    }
}

fn experts(keys: &mut Keys, spec: &Spec, form: &GgufForm) -> Result<()> {
    let Some(experts) = &spec.experts else { return Ok(()) };
    keys.size("expert_count", experts.count)?;
    keys.size("expert_used_count", experts.used)?;
    keys.size("expert_feed_forward_length", experts.size)?;
    if let Some(shared) = experts.shared {
        keys.size("expert_shared_feed_forward_length", shared)?;
    }
    if experts.router != form.router {
        keys.set("expert_weights_norm", Value::Bool(experts.router == Router::Renormalized))?;
    }
    Ok(())
}

/// The hub's name of an activation.
pub(super) fn activation(activation: Activation) -> &'static str {
    match activation {
        Activation::Silu => "silu",
        Activation::Gelu => "gelu",
        Activation::GeluTanh => "gelu_pytorch_tanh",
        Activation::Relu => "relu",
        Activation::ReluSquared => "relu2",
    }
}

/// Scalings of rotary frequencies that are stored as tables.
pub(super) fn tables(spec: &Spec, form: &GgufForm) -> Result<Vec<(String, Vec<f32>)>> {
    let Some(rope) = spec.ropes.first() else { return Ok(Vec::new()) };
    let table = |name: &str, values: &[f32]| (format!("rope_{name}.weight"), values.to_vec());
    let (tables, read) = match &rope.scaling {
        RopeScaling::Llama3 { .. } => {
            let plain = Rope { scaling: RopeScaling::None, ..rope.clone() };
            let scaled = frequencies(rope, 0, 0);
            let divisors: Vec<f32> =
                frequencies(&plain, 0, 0).iter().zip(&scaled).map(|(plain, scaled)| plain / scaled).collect();
            (vec![table("freqs", &divisors)], form.frequencies)
        }
        RopeScaling::Factors(divisors) => (vec![table("freqs", divisors)], form.frequencies),
        RopeScaling::Long { short, long, .. } => {
            (vec![table("factors_long", long), table("factors_short", short)], form.long_tables)
        }
        _ => (Vec::new(), true),
    };
    if read {
        return Ok(tables);
    }
    let what = format!("this scaling of rotary frequencies in a GGUF file of architecture {:?}", form.architecture);
    Err(Error::unsupported(what, "llama.cpp reads no table of them there; use the folder itself: candle runs it"))
}
