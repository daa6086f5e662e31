//! Hook points: the named places in a forward pass where an activation can be read or replaced.

use super::steering::Steering;
use crate::error::{Error, Result};
use candle_core::Tensor;

/// A place in the forward pass. Names are TransformerLens's; shapes are per pass, `batch` sequences of `pos` tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// After the embedding, its scale and its norm: `[batch, pos, hidden]`.
    Embed,
    /// The residual stream before a block: `[batch, pos, hidden]`.
    ResidPre,
    /// What attention reads: `[batch, pos, hidden]`.
    AttnNormalized,
    /// Queries before norms and rotation: `[batch, pos, heads, head_dim]`.
    Q,
    /// Keys before norms and rotation: `[batch, pos, kv_heads, head_dim]`.
    K,
    /// Values: `[batch, pos, kv_heads, head_dim]`.
    V,
    /// Queries as attention uses them: `[batch, pos, heads, head_dim]`.
    RotQ,
    /// Keys as attention uses them: `[batch, pos, kv_heads, head_dim]`.
    RotK,
    /// Scores, scaled, capped and masked: `[batch, heads, pos, keys]`.
    AttnScores,
    /// Softmax of the scores: `[batch, heads, pos, keys]`.
    Pattern,
    /// What each head takes from the values: `[batch, pos, heads, head_dim]`.
    Z,
    /// What attention adds to the residual stream: `[batch, pos, hidden]`.
    AttnOut,
    /// The residual stream between attention and MLP; not where they are parallel: `[batch, pos, hidden]`.
    ResidMid,
    /// What the MLP reads: `[batch, pos, hidden]`.
    MlpNormalized,
    /// In a mixture of experts, what the router makes of each token: `[batch, pos, experts]`.
    RouterLogits,
    /// Softmax of those; the chosen experts' are what their outputs are weighed by: `[batch, pos, experts]`.
    ExpertWeights,
    /// The numbers of the chosen experts, likeliest first: `[batch, pos, used]`. Others may be put in their place.
    ExpertIndices,
    /// Before the non-linearity: `[batch, pos, mlp]`. Not in a mixture of experts.
    MlpPre,
    /// The other factor of a gated MLP: `[batch, pos, mlp]`.
    MlpPreLinear,
    /// After the non-linearity (and the product): `[batch, pos, mlp]`.
    MlpPost,
    /// What the MLP adds to the residual stream: `[batch, pos, hidden]`.
    MlpOut,
    /// The residual stream after a block: `[batch, pos, hidden]`.
    ResidPost,
    /// After the final norm: `[batch, pos, hidden]`.
    FinalNormalized,
}

impl Point {
    /// All points, in the order of the pass.
    pub const ALL: [Self; 23] = [
        Self::Embed,
        Self::ResidPre,
        Self::AttnNormalized,
        Self::Q,
        Self::K,
        Self::V,
        Self::RotQ,
        Self::RotK,
        Self::AttnScores,
        Self::Pattern,
        Self::Z,
        Self::AttnOut,
        Self::ResidMid,
        Self::MlpNormalized,
        Self::RouterLogits,
        Self::ExpertWeights,
        Self::ExpertIndices,
        Self::MlpPre,
        Self::MlpPreLinear,
        Self::MlpPost,
        Self::MlpOut,
        Self::ResidPost,
        Self::FinalNormalized,
    ];

    /// Whether every block has it.
    pub fn in_block(self) -> bool {
        !matches!(self, Self::Embed | Self::FinalNormalized)
    }

    /// Its name, that of a block without the block's prefix.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Embed => "hook_embed",
            Self::ResidPre => "hook_resid_pre",
            Self::AttnNormalized => "ln1.hook_normalized",
            Self::Q => "attn.hook_q",
            Self::K => "attn.hook_k",
            Self::V => "attn.hook_v",
            Self::RotQ => "attn.hook_rot_q",
            Self::RotK => "attn.hook_rot_k",
            Self::AttnScores => "attn.hook_attn_scores",
            Self::Pattern => "attn.hook_pattern",
            Self::Z => "attn.hook_z",
            Self::AttnOut => "hook_attn_out",
            Self::ResidMid => "hook_resid_mid",
            Self::MlpNormalized => "ln2.hook_normalized",
            Self::RouterLogits => "mlp.hook_router_logits",
            Self::ExpertWeights => "mlp.hook_expert_weights",
            Self::ExpertIndices => "mlp.hook_expert_indices",
            Self::MlpPre => "mlp.hook_pre",
            Self::MlpPreLinear => "mlp.hook_pre_linear",
            Self::MlpPost => "mlp.hook_post",
            Self::MlpOut => "hook_mlp_out",
            Self::ResidPost => "hook_resid_post",
            Self::FinalNormalized => "ln_final.hook_normalized",
        }
    }

    /// Its full name: `blocks.3.attn.hook_q`.
    pub fn name(self, layer: usize) -> String {
        if self.in_block() { format!("blocks.{layer}.{}", self.short_name()) } else { self.short_name().to_owned() }
    }
}

/// Someone who reads or replaces activations.
pub trait Hooks {
    /// Whether [`Hooks::visit`] wants this point. Asked before anything is made only for it.
    fn wants(&self, point: Point, layer: usize) -> bool;

    /// Is given an activation and returns what goes on in its place, of the same shape.
    ///
    /// # Errors
    /// Any error ends the pass; the sequence is as it was before.
    fn visit(&mut self, point: Point, layer: usize, value: Tensor) -> Result<Tensor>;
}

/// What a pass carries to its hook points: what is added to activations in every pass, and nobody, or someone.
#[derive(Default)]
pub struct Tap<'a> {
    steering: Option<&'a Steering>,
    hooks: Option<&'a mut dyn Hooks>,
}

impl<'a> Tap<'a> {
    /// Nobody listens: every point is two tests of a null pointer.
    pub fn none() -> Self {
        Self::default()
    }

    /// Someone does.
    pub fn new(hooks: &'a mut dyn Hooks) -> Self {
        Self { steering: None, hooks: Some(hooks) }
    }

    /// The same, with what `steering` adds: those who listen hear it already.
    #[must_use]
    pub fn steered(self, steering: &'a Steering) -> Self {
        Self { steering: Some(steering).filter(|s| !s.is_empty()), ..self }
    }

    /// Whether this point is wanted.
    pub fn wants(&self, point: Point, layer: usize) -> bool {
        self.hooks.as_ref().is_some_and(|hooks| hooks.wants(point, layer))
    }

    /// Passes an activation by.
    pub fn at(&mut self, point: Point, layer: usize, value: Tensor) -> Result<Tensor> {
        let value = match self.steering {
            Some(steering) => steering.add_to(point, layer, value)?,
            None => value,
        };
        let Some(hooks) = self.hooks.as_mut().filter(|hooks| hooks.wants(point, layer)) else { return Ok(value) };
        let shape = value.shape().clone();
        let changed = hooks.visit(point, layer, value)?;
        if changed.shape() != &shape {
            let expected = format!("an activation of shape {:?}", shape.dims());
            let found = format!("{:?}", changed.dims());
            return Err(Error::argument(format!("hook at {:?}", point.name(layer)), expected, found));
        }
        Ok(changed)
    }
}
