//! GGUF metadata: one spelling for all architectures. Much is told by the presence and the shapes of tensors.

use super::common;
use super::rope::{THETA, long_magnitude};
use crate::error::{Error, Result};
use crate::format::{DType, TensorFile, TensorInfo};
use crate::transformer::{
    Activation, Alibi, Config, Experts, Fusion, Norm, NormKind, QkNorm, QkNormShape, Rope, RopeScaling, RopeStyle,
    Router, Sizes, Spec,
};
use serde_json::Value;

/// A GGUF file's tensors by name.
#[derive(Clone, Copy)]
pub struct Tensors<'a>(&'a dyn TensorFile);

impl<'a> Tensors<'a> {
    /// The tensors of `file`.
    pub fn of(file: &'a dyn TensorFile) -> Self {
        Self(file)
    }

    /// Whether there is a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Its description.
    pub fn get(&self, name: &str) -> Option<&'a TensorInfo> {
        self.0.tensors().iter().find(|t| t.name == name)
    }

    fn f32s(&self, name: &str) -> Result<Option<Vec<f32>>> {
        let Some(index) = self.0.tensors().iter().position(|t| t.name == name) else { return Ok(None) };
        if self.0.tensors().get(index).map(|t| t.dtype) != Some(DType::F32) {
            return Err(Error::format(self.0.path(), format!("{name:?}: expected F32")));
        }
        let (values, _) = self.0.data(index)?.as_chunks::<4>();
        Ok(Some(values.iter().map(|v| f32::from_le_bytes(*v)).collect()))
    }
}

/// The spec that metadata and tensors describe. What neither tells (order of norms, activations, which layers slide) is
/// Llama's, for the architecture to amend. `style` is how this architecture's files turn q and k; `None`: not at all. Some
/// files say nothing of it, and mean the whole head and the usual base.
pub fn spec(config: &Config, file: &dyn TensorFile, style: Option<RopeStyle>) -> Result<Spec> {
    let tensors = Tensors::of(file);
    let embed = tensors.get("token_embd.weight");
    let embed = embed.ok_or_else(|| Error::format(file.path(), "the file has no tensor \"token_embd.weight\""))?;
    let sizes = sizes(config, embed)?;
    let mut spec = Spec::plain(sizes, norm(config, tensors)?)?;
    attention(&mut spec, config, tensors)?;
    if let Some(style) = style {
        let rope = Rope {
            theta: config.number("rope.freq_base")?.unwrap_or(THETA),
            dims: config.size("rope.dimension_count")?.unwrap_or(sizes.head_dim),
            style,
            scaling: scaling(config, tensors)?,
        };
        spec.use_rope(rope);
    }
    spec.mlp.activation = activation(config, Activation::Silu)?;
    spec.mlp.bias = tensors.has("blk.0.ffn_up.bias");
    spec.mlp.gated = tensors.has("blk.0.ffn_gate.weight") || tensors.has("blk.0.ffn_gate_exps.weight");
    let up = tensors.get("blk.0.ffn_up.weight").and_then(|t| t.shape.first().copied());
    if !spec.mlp.gated && up == Some(sizes.mlp.saturating_mul(2)) {
        (spec.mlp.gated, spec.layout.gate_up) = (true, true);
    }
    experts(&mut spec, config, tensors)?;
    spec.embedding_scale = config.number("embedding_scale")?.unwrap_or(1.0);
    spec.residual_scale = config.number("residual_scale")?.unwrap_or(1.0);
    spec.logit_softcap = config.number("final_logit_softcapping")?.filter(|c| *c != 0.0);
    spec.tied = !tensors.has("output.weight");
    spec.head_bias = tensors.has("output.bias");
    spec.embed_norm = tensors.has("token_embd_norm.weight");
    spec.learned_positions = tensors.has("position_embd.weight");
    Ok(spec)
}

/// The non-linearity that the file names; usually none.
pub fn activation(config: &Config, otherwise: Activation) -> Result<Activation> {
    common::activation(config, &["hidden_activation"], otherwise)
}

/// Which layers slide: a flag for each, or the length of a period whose last layer does not; `otherwise` in their absence.
pub fn sliding(config: &Config, layers: usize, otherwise: impl Fn(usize) -> bool) -> Result<Vec<bool>> {
    let key = "attention.sliding_window_pattern";
    match config.get(key) {
        Some(Value::Number(_)) => {
            let period = config.need_size(key)?;
            Ok((0..layers).map(|i| period == 0 || i % period + 1 < period).collect())
        }
        _ => Ok(config.flags(key, layers)?.unwrap_or_else(|| (0..layers).map(otherwise).collect())),
    }
}

/// Which layers turn q and k, where that differs between them.
pub fn turned(config: &Config, layers: usize, otherwise: impl Fn(usize) -> bool) -> Result<Vec<bool>> {
    let flags = config.flags("attention.rope_pattern", layers)?;
    Ok(flags.unwrap_or_else(|| (0..layers).map(otherwise).collect()))
}

/// Windows of architectures where every layer slides if there is one, unless the file says which.
pub fn windows(spec: &mut Spec, config: &Config) -> Result<()> {
    let sliding = sliding(config, spec.layers.len(), |_| true)?;
    let window = config.size("attention.sliding_window")?.filter(|w| *w > 0);
    common::set_windows(spec, &sliding, window);
    Ok(())
}

/// How experts are weighed: as the file says, otherwise as the architecture does.
pub fn router(spec: &mut Spec, config: &Config, otherwise: Router) -> Result<()> {
    let stated = config.flag("expert_weights_norm")?;
    let stated = stated.map(|norm| if norm { Router::Renormalized } else { Router::Softmax });
    if let Some(experts) = &mut spec.experts {
        experts.router = stated.unwrap_or(otherwise);
    }
    Ok(())
}

fn sizes(config: &Config, embed: &TensorInfo) -> Result<Sizes> {
    let hidden = config.need_size("embedding_length")?;
    let heads = config.need_size("attention.head_count")?;
    let head_dim = match config.size("attention.key_length")? {
        Some(d) => d,
        None => hidden / heads.max(1),
    };
    if let Some(v) = config.size("attention.value_length")?.filter(|v| *v != head_dim) {
        return Err(Error::unsupported(
            format!("heads whose values ({v}) are not as wide as their keys ({head_dim})"),
            "llama.cpp may compute them: load it with #{ backend: \"llama_cpp\" }",
        ));
    }
    Ok(Sizes {
        vocab: embed.shape.first().copied().unwrap_or(0),
        hidden,
        mlp: config.size("feed_forward_length")?.unwrap_or(0),
        layers: config.need_size("block_count")?,
        heads,
        kv_heads: config.size("attention.head_count_kv")?.unwrap_or(heads),
        head_dim,
        context: config.need_size("context_length")?,
    })
}

fn norm(config: &Config, tensors: Tensors) -> Result<Norm> {
    let (rms, layer) =
        (config.number("attention.layer_norm_rms_epsilon")?, config.number("attention.layer_norm_epsilon")?);
    let (kind, eps) = match (rms, layer) {
        (Some(eps), _) => (NormKind::Rms, eps),
        (None, Some(eps)) => (NormKind::Layer, eps),
        (None, None) => return Err(config.missing("attention.layer_norm_rms_epsilon")),
    };
    let (weight, bias) = (tensors.has("output_norm.weight"), tensors.has("output_norm.bias"));
    Ok(Norm { kind, eps, offset: 0.0, weight, bias })
}

fn attention(spec: &mut Spec, config: &Config, tensors: Tensors) -> Result<()> {
    if tensors.has("blk.0.attn_qkv.weight") {
        spec.layout.qkv = Fusion::Concatenated;
    }
    spec.qkv_bias = tensors.has("blk.0.attn_q.bias") || tensors.has("blk.0.attn_qkv.bias");
    spec.output_bias = tensors.has("blk.0.attn_output.bias");
    if let Some(scale) = config.number("attention.scale")?.filter(|s| *s != 0.0) {
        spec.attention_scale = scale;
    }
    spec.attention_softcap = config.number("attn_logit_softcapping")?.filter(|c| *c != 0.0);
    spec.clip_qkv = config.number("attention.clamp_kqv")?.filter(|c| *c > 0.0);
    let max_bias = config.number("attention.max_alibi_bias")?.filter(|b| *b > 0.0);
    spec.alibi = max_bias.map(|max_bias| Alibi { max_bias, scale: 1.0 });
    if let Some(weight) = tensors.get("blk.0.attn_q_norm.weight") {
        let shape = match weight.shape.as_slice() {
            [n] if *n == spec.head_dim && spec.heads > 1 => QkNormShape::Shared,
            [_] => QkNormShape::Whole,
            _ => QkNormShape::PerHead,
        };
        let bias = tensors.has("blk.0.attn_q_norm.bias");
        spec.qk_norm = Some(QkNorm { norm: Norm { weight: true, bias, ..spec.norm }, shape });
    }
    Ok(())
}

fn experts(spec: &mut Spec, config: &Config, tensors: Tensors) -> Result<()> {
    let Some(count) = config.size("expert_count")?.filter(|n| *n > 0) else { return Ok(()) };
    spec.layout.stacked = true;
    let size = config.size("expert_feed_forward_length")?.unwrap_or(spec.mlp.size);
    let shared = match config.size("expert_shared_feed_forward_length")? {
        Some(size) => Some(size),
        None => tensors.get("blk.0.ffn_up_shexp.weight").and_then(|t| t.shape.first().copied()),
    };
    let used = config.need_size("expert_used_count")?;
    spec.experts = Some(Experts { count, used, size, router: Router::Renormalized, shared });
    for (i, layer) in spec.layers.iter_mut().enumerate() {
        layer.experts = tensors.has(&format!("blk.{i}.ffn_gate_inp.weight"));
    }
    Ok(())
}

fn scaling(config: &Config, tensors: Tensors) -> Result<RopeScaling> {
    let original = || config.number("rope.scaling.original_context_length");
    let table = tensors.has("rope_freqs.weight") || tensors.has("rope_factors_long.weight");
    if let Some(kind) =
        config.text("rope.scaling.type")?.filter(|k| table && !matches!(*k, "none" | "llama3" | "longrope"))
    {
        return Err(Error::unsupported(
            format!("rope scaling {kind:?} beside a table of factors"),
            "llama.cpp may compute it: load it with #{ backend: \"llama_cpp\" }",
        ));
    }
    if let Some(factors) = tensors.f32s("rope_freqs.weight")? {
        return Ok(RopeScaling::Factors(factors));
    }
    if let Some(long) = tensors.f32s("rope_factors_long.weight")? {
        let short = tensors.f32s("rope_factors_short.weight")?.unwrap_or_else(|| long.clone());
        let context = config.need_number("context_length")?;
        let original = original()?.unwrap_or(context);
        let stated = config.number("rope.scaling.attn_factor")?;
        let magnitude = stated.unwrap_or_else(|| long_magnitude(context / original, original));
        return Ok(RopeScaling::Long { short, long, original: original as usize, magnitude });
    }
    match config.text("rope.scaling.type")?.unwrap_or("none") {
        "none" => Ok(match config.number("rope.scale_linear")? {
            Some(factor) if factor != 1.0 => RopeScaling::Linear { factor },
            _ => RopeScaling::None,
        }),
        "linear" => Ok(RopeScaling::Linear { factor: config.number("rope.scaling.factor")?.unwrap_or(1.0) }),
        "yarn" => {
            let factor = config.number("rope.scaling.factor")?.unwrap_or(1.0);
            let stated = config.number("rope.scaling.attn_factor")?.unwrap_or(1.0);
            Ok(RopeScaling::Yarn {
                factor,
                original: original()?.map_or_else(|| config.need_number("context_length"), Ok)?,
                fast: config.number("rope.scaling.yarn_beta_fast")?.unwrap_or(32.0),
                slow: config.number("rope.scaling.yarn_beta_slow")?.unwrap_or(1.0),
                truncate: true,
                magnitude: stated * (0.1 * factor.ln() + 1.0),
            })
        }
        other => Err(Error::unsupported(
            format!("the candle backend does not compute rope scaling {other:?} from GGUF"),
            "llama.cpp may: load it with #{ backend: \"llama_cpp\" }",
        )),
    }
}
