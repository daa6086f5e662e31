//! What llama.cpp computes of a file otherwise than the hub folder means. Our own reader follows the folder, except for
//! what GGUF cannot say at all.

use super::metadata::activation;
use crate::transformer::arch::GgufForm;
use crate::transformer::{QkNormShape, RopeScaling, Spec};

/// Layers from which on llama.cpp reads norms on q and k of `command-r`.
const COMMAND_R_PLUS: usize = 64;

/// Each difference in words. `folded`: q carries what is missing of the scale of scores.
pub(super) fn find(spec: &Spec, form: &GgufForm, folded: bool) -> Vec<String> {
    let mut all = Vec::new();
    attention(&mut all, spec, form, folded);
    positions(&mut all, spec, form);
    if spec.mlp.activation != form.activation {
        let (ours, theirs) = (activation(spec.mlp.activation), activation(form.activation));
        all.push(format!("it computes the activation {theirs} where the model has {ours}"));
    }
    if let Some(experts) = &spec.experts {
        if experts.router != form.router {
            all.push("it weighs the chosen experts by another rule (norm_topk_prob)".to_owned());
        }
        if spec.layers.iter().any(|layer| !layer.experts) {
            all.push("it refuses the file: blocks without experts beside blocks with them".to_owned());
        }
    }
    if form.architecture == "gemma2" && spec.logit_softcap.is_none() {
        all.push("it caps the logits at 30, the model does not".to_owned());
    }
    all
}

fn attention(all: &mut Vec<String>, spec: &Spec, form: &GgufForm, folded: bool) {
    let window = spec.layers.iter().filter_map(|layer| layer.window).min();
    if let Some(window) = window.filter(|w| !form.windows && *w < spec.context_trained) {
        all.push(format!("it has no sliding window, so that texts of more than {window} tokens come out otherwise"));
    }
    if spec.clip_qkv.is_some() && !form.clip {
        all.push("it does not clamp q, k and v".to_owned());
    }
    let theirs = form.scale.map(|scale| scale(spec));
    if !folded && theirs.is_some_and(|theirs| (spec.attention_scale / theirs - 1.0).abs() > 1e-6) {
        all.push(format!("it scales attention scores otherwise than by {}", spec.attention_scale));
    }
    if form.architecture == "gemma2" && spec.attention_softcap.is_none() {
        all.push("it caps attention scores at 50, the model does not".to_owned());
    }
    let per_head = spec.qk_norm.is_some_and(|qk| qk.shape == QkNormShape::PerHead);
    if form.architecture == "command-r" && per_head && spec.layers.len() < COMMAND_R_PLUS {
        let what = format!("it refuses the file: norms on q and k in a model of fewer than {COMMAND_R_PLUS} layers");
        all.push(what);
    }
    let whole = spec.qk_norm.is_some_and(|qk| qk.shape == QkNormShape::Whole);
    if form.architecture == "olmoe" && whole && spec.heads != spec.kv_heads {
        all.push("it refuses the file: fewer key heads than query heads".to_owned());
    }
}

fn positions(all: &mut Vec<String>, spec: &Spec, form: &GgufForm) {
    let other = |(i, layer): (usize, &crate::transformer::Layer)| layer.rope != (form.rope)(spec, i);
    let other: Vec<String> = spec.layers.iter().enumerate().filter(|l| other(*l)).map(|(i, _)| i.to_string()).collect();
    if !other.is_empty() {
        all.push(format!("it decides otherwise which layers have a rotary embedding: {}", other.join(", ")));
    }
    match spec.ropes.first().map(|rope| &rope.scaling) {
        Some(RopeScaling::Dynamic { original, .. }) => {
            all.push(format!("GGUF cannot say dynamic scaling, which begins beyond {original} tokens"));
        }
        Some(RopeScaling::Yarn { fast, slow, truncate, .. }) if (*fast, *slow, *truncate) != (32.0, 1.0, true) => {
            all.push(format!("its YaRN ramp is that of beta_fast 32 and beta_slow 1, not {fast} and {slow}"));
        }
        _ => {}
    }
}
