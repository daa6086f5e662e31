//! Whether the axes contradict each other.

use super::axes::Norm;
use super::decoder::Spec;
use super::rope::{Rope, RopeScaling};
use crate::error::{Error, Result};

/// A bound that no model comes near keeps every product of two sizes far from overflow.
const LIMIT: usize = 1 << 28;

/// More blocks than any model has.
pub(super) const MAX_LAYERS: usize = 4096;

fn axis(what: &str, expected: impl Into<String>, found: impl ToString) -> Error {
    Error::argument(format!("model configuration, {what}"), expected, found.to_string())
}

fn positive(what: &str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 { Ok(()) } else { Err(axis(what, "a positive number", value)) }
}

fn finite(what: &str, value: f64) -> Result<()> {
    if value.is_finite() { Ok(()) } else { Err(axis(what, "a number", value)) }
}

fn size(what: &str, value: usize) -> Result<()> {
    if (1..=LIMIT).contains(&value) { Ok(()) } else { Err(axis(what, format!("1 to {LIMIT}"), value)) }
}

impl Spec {
    /// Whether the axes contradict each other.
    ///
    /// # Errors
    /// Names the axis, what it should be and what it is.
    pub fn validate(&self) -> Result<()> {
        size("vocabulary", self.vocab_size)?;
        size("hidden size", self.hidden_size)?;
        size("number of attention heads", self.heads)?;
        size("number of key/value heads", self.kv_heads)?;
        size("head dimension", self.head_dim)?;
        size("context length", self.context_trained)?;
        if self.layers.is_empty() || self.layers.len() > MAX_LAYERS {
            return Err(axis("number of layers", format!("1 to {MAX_LAYERS}"), self.layers.len()));
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            let expected = format!("a multiple of the {} key/value heads", self.kv_heads);
            return Err(axis("number of attention heads", expected, self.heads));
        }
        if self.heads.checked_mul(self.head_dim).is_none_or(|n| n > LIMIT) {
            return Err(axis("heads times head dimension", format!("at most {LIMIT}"), "more"));
        }
        if self.shared_norm && !self.parallel {
            return Err(axis("norms", "one per half of a block unless the halves are parallel", "one"));
        }
        self.validate_layers()?;
        self.validate_mlp()?;
        self.validate_scales()?;
        self.ropes.iter().try_for_each(|rope| rope.validate(self.head_dim))
    }

    fn validate_layers(&self) -> Result<()> {
        for layer in &self.layers {
            if layer.window == Some(0) {
                return Err(axis("sliding window", "at least 1 token", 0));
            }
            if layer.rope.is_some_and(|r| r >= self.ropes.len()) {
                return Err(axis("rotary embedding of a layer", format!("below {}", self.ropes.len()), "more"));
            }
            if layer.experts && self.experts.is_none() {
                return Err(axis("experts", "their number where a layer has them", "none"));
            }
        }
        Ok(())
    }

    fn validate_mlp(&self) -> Result<()> {
        if self.layers.iter().any(|l| !l.experts) {
            size("intermediate size", self.mlp.size)?;
        }
        if let Some(experts) = &self.experts {
            size("number of experts", experts.count)?;
            size("intermediate size of an expert", experts.size)?;
            if let Some(shared) = experts.shared {
                size("intermediate size of the shared expert", shared)?;
            }
            if experts.count > 4096 {
                return Err(axis("number of experts", "at most 4096", experts.count));
            }
            if experts.used == 0 || experts.used > experts.count {
                return Err(axis("experts per token", format!("1 to {}", experts.count), experts.used));
            }
        }
        Ok(())
    }

    fn validate_scales(&self) -> Result<()> {
        let eps = |norm: &Norm| {
            if norm.eps.is_finite() && norm.eps >= 0.0 {
                Ok(())
            } else {
                Err(axis("norm epsilon", "a number from 0", norm.eps))
            }
        };
        eps(&self.norm)?;
        if let Some(qk) = &self.qk_norm {
            eps(&qk.norm)?;
        }
        finite("attention scale", self.attention_scale)?;
        finite("embedding scale", self.embedding_scale)?;
        finite("residual scale", self.residual_scale)?;
        finite("logit scale", self.logit_scale)?;
        if let Some(alibi) = &self.alibi {
            finite("alibi", alibi.max_bias)?;
        }
        let caps = [
            ("attention softcap", self.attention_softcap),
            ("logit softcap", self.logit_softcap),
            ("clip_qkv", self.clip_qkv),
        ];
        caps.into_iter().try_for_each(|(what, cap)| cap.map_or(Ok(()), |c| positive(what, c)))
    }
}

impl Rope {
    fn validate(&self, head_dim: usize) -> Result<()> {
        if self.dims == 0 || !self.dims.is_multiple_of(2) || self.dims > head_dim {
            let expected = format!("an even number up to the head dimension {head_dim}");
            return Err(axis("rotary dimensions", expected, self.dims));
        }
        positive("rope_theta", self.theta)?;
        let table = |what: &str, factors: &[f32]| {
            if factors.len() != self.dims / 2 {
                let expected = format!("{} values, one per frequency", self.dims / 2);
                return Err(axis(what, expected, factors.len()));
            }
            factors.iter().try_for_each(|f| positive(what, f64::from(*f)))
        };
        match &self.scaling {
            RopeScaling::None => Ok(()),
            RopeScaling::Linear { factor } => positive("rope scaling factor", *factor),
            RopeScaling::Dynamic { factor, original } => {
                positive("rope scaling factor", *factor)?;
                if self.dims < 4 {
                    return Err(axis("rotary dimensions", "at least 4 with dynamic rope scaling", self.dims));
                }
                positive("original_max_position_embeddings", *original)
            }
            RopeScaling::Llama3 { factor, low, high, original } => {
                positive("rope scaling factor", *factor)?;
                positive("low_freq_factor", *low)?;
                positive("original_max_position_embeddings", *original)?;
                positive("high_freq_factor", *high)?;
                if high > low {
                    Ok(())
                } else {
                    Err(axis("high_freq_factor", format!("more than low_freq_factor {low}"), high))
                }
            }
            RopeScaling::Yarn { factor, original, fast, slow, magnitude, .. } => {
                positive("rope scaling factor", *factor)?;
                positive("original_max_position_embeddings", *original)?;
                positive("beta_fast", *fast)?;
                positive("beta_slow", *slow)?;
                positive("attention_factor", *magnitude)
            }
            RopeScaling::Long { short, long, original, magnitude } => {
                table("short_factor", short)?;
                table("long_factor", long)?;
                positive("original_max_position_embeddings", *original as f64)?;
                positive("attention_factor", *magnitude)
            }
            RopeScaling::Factors(factors) => table("rope_freqs.weight", factors),
        }
    }
}
