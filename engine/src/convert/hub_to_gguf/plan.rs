//! Which rows of which hub tensors make up each tensor of the GGUF file.

use crate::error::{Error, Result};
use crate::transformer::arch::{GgufForm, Head};
use crate::transformer::bindings::{self, Expected, Slot};
use crate::transformer::{Fusion, Layout, Names, Naming, Norm, QkNorm, RopeStyle, Spec};
use std::sync::Arc;

/// Rows of a hub tensor, one after the other. A vector is a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    /// The tensor's name.
    pub tensor: Arc<str>,
    /// The first row.
    pub start: usize,
    /// How many.
    pub rows: usize,
    /// The hub stores columns for rows.
    pub transposed: bool,
    /// What the values are multiplied with, once the offset is added.
    pub scale: f32,
}

/// How a GGUF tensor is made.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    /// Its name.
    pub name: String,
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// Values of a row; 1 for a vector.
    pub cols: usize,
    /// Where its rows come from, first to last.
    pub runs: Vec<Run>,
    /// Added to every value.
    pub offset: f32,
}

/// What is asked for of a weight.
#[derive(Debug, Clone, Copy)]
struct Place {
    layer: usize,
    bias: bool,
}

/// How one model is laid out anew.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    hub: &'a Spec,
    names: Names,
    form: &'a GgufForm,
    /// The same model as the file has it.
    target: Spec,
    /// What q is multiplied with, for scores that llama.cpp scales by a fixed number.
    q_scale: f32,
}

impl<'a> Plan<'a> {
    /// Lays out `hub`, whose weights have these names.
    pub(super) fn new(hub: &'a Spec, form: &'a GgufForm, names: Names) -> Result<Self> {
        let mut target = hub.clone();
        form.architecture.clone_into(&mut target.architecture);
        target.layout = Layout {
            qkv: form.qkv,
            gate_up: form.gate_up && hub.mlp.gated,
            transposed: false,
            stacked: hub.experts.is_some(),
        };
        target.tied = hub.tied && form.head != Head::Own;
        let without = |norm| Norm { offset: 0.0, ..norm };
        target.norm = without(hub.norm);
        target.qk_norm = hub.qk_norm.map(|qk| QkNorm { norm: without(qk.norm), ..qk });
        let mut plan = Self { hub, names, form, target, q_scale: 1.0 };
        plan.q_scale = plan.needed_scale();
        if hub.layout.qkv == Fusion::Grouped && plan.permutes() {
            return Err(Error::unsupported("grouped q, k and v whose rows change their order in GGUF", ""));
        }
        Ok(plan)
    }

    /// Whether q carries the part of the scale of scores that llama.cpp does not apply.
    pub(super) fn folds_scale(&self) -> bool {
        self.q_scale != 1.0
    }

    /// Clamping comes between the projection and the scores, so that q cannot carry a scale through it.
    fn needed_scale(&self) -> f32 {
        let Some(scale) = self.form.scale else { return 1.0 };
        let ratio = self.hub.attention_scale / scale(self.hub);
        let carried = self.hub.clip_qkv.is_none() && ratio.is_finite() && (ratio - 1.0).abs() > 1e-6;
        if carried { ratio as f32 } else { 1.0 }
    }

    fn permutes(&self) -> bool {
        let hub = self.hub.ropes.first().map(|r| r.style);
        hub == Some(RopeStyle::HalfSplit) && self.form.style == RopeStyle::Interleaved
    }

    /// Every tensor of the file.
    pub(super) fn recipes(&self) -> Result<Vec<Recipe>> {
        let names = Names::of(&self.target, Naming::Gguf);
        bindings::expected(&self.target, &names).into_iter().map(|e| self.recipe(e)).collect()
    }

    fn recipe(&self, e: Expected) -> Result<Recipe> {
        let place = Place { layer: e.layer, bias: e.bias };
        let runs = self.runs(e.slot, place, &e.shape);
        // Vectors are columns; so are the weights of norms per head, which are stacked vectors.
        let vector = e.shape.len() == 1 || matches!(e.slot, Slot::QNorm | Slot::KNorm);
        // The gate of a shared expert is a row in the hub's layout, a vector in GGUF: the same bytes.
        let cols = if vector { 1 } else { e.shape.last().copied().unwrap_or(1) };
        let expected: usize = e.shape.iter().product();
        let found: usize = runs.iter().map(|r| r.rows * cols).sum();
        if expected != found {
            return Err(Error::argument(&e.name, format!("{expected} values"), found.to_string()));
        }
        let norm = match e.slot {
            Slot::QNorm | Slot::KNorm => self.hub.qk_norm.map(|qk| qk.norm),
            _ if is_norm(e.slot) => Some(self.hub.norm),
            _ => None,
        };
        let offset = norm.filter(|_| !e.bias).map_or(0.0, |n| n.offset as f32);
        Ok(Recipe { name: e.name, shape: e.shape, cols, runs, offset })
    }

    fn runs(&self, slot: Slot, place: Place, shape: &[usize]) -> Vec<Run> {
        let mlp = self.hub.mlp.size;
        match slot {
            Slot::Qkv => [Slot::Q, Slot::K, Slot::V].into_iter().flat_map(|s| self.attention(s, place)).collect(),
            Slot::Q | Slot::K | Slot::V => self.attention(slot, place),
            Slot::GateUp if !self.hub.layout.gate_up => {
                [Slot::Gate, Slot::Up].into_iter().flat_map(|s| self.run(s, place, 0, 0, mlp)).collect()
            }
            Slot::Gate if self.hub.layout.gate_up => self.run(Slot::GateUp, place, 0, 0, mlp),
            Slot::Up if self.hub.layout.gate_up => self.run(Slot::GateUp, place, 0, mlp, mlp),
            Slot::ExpertGate | Slot::ExpertUp | Slot::ExpertDown => {
                let (count, rows) = (shape.first().copied().unwrap_or(0), shape.get(1).copied().unwrap_or(0));
                (0..count).flat_map(|e| self.run(slot, place, e, 0, rows)).collect()
            }
            Slot::QNorm | Slot::KNorm => self.head_norm(slot, place, shape),
            Slot::Head if self.hub.tied => self.run(Slot::Embed, place, 0, 0, self.hub.vocab_size),
            _ => self.run(slot, place, 0, 0, shape.first().copied().unwrap_or(0)),
        }
    }

    /// Rows `start..start + rows` of a hub tensor.
    fn run(&self, slot: Slot, place: Place, part: usize, start: usize, rows: usize) -> Vec<Run> {
        let tensor = self.names.tensor(slot, place.layer, part, if place.bias { "bias" } else { "weight" });
        let transposed = self.hub.layout.transposed && !place.bias && is_linear(slot);
        vec![Run { tensor: tensor.into(), start, rows, transposed, scale: 1.0 }]
    }

    /// The rows of q, k or v, however the hub keeps them, in the order of the file.
    fn attention(&self, slot: Slot, place: Place) -> Vec<Run> {
        let (d, q, kv) = (self.hub.head_dim, self.hub.q_size(), self.hub.kv_size());
        let group = self.hub.heads / self.hub.kv_heads.max(1);
        let (rows, before) = match slot {
            Slot::Q => (q, 0),
            Slot::K => (kv, q),
            _ => (kv, q + kv),
        };
        let mut runs = match self.hub.layout.qkv {
            Fusion::Separate => self.run(slot, place, 0, 0, rows),
            Fusion::Concatenated => self.run(Slot::Qkv, place, 0, before, rows),
            Fusion::Grouped => {
                let (at, len) = match slot {
                    Slot::Q => (0, group * d),
                    Slot::K => (group * d, d),
                    _ => ((group + 1) * d, d),
                };
                let heads = 0..self.hub.kv_heads;
                heads.flat_map(|g| self.run(Slot::Qkv, place, 0, g * (group + 2) * d + at, len)).collect()
            }
        };
        if slot != Slot::V && self.permutes() {
            runs = runs.iter().flat_map(|run| self.interleave(run)).collect();
        }
        // Where q is normalized, a scale before the norm would be lost: the norm's weight carries it.
        if slot == Slot::Q && self.hub.qk_norm.is_none() {
            runs.iter_mut().for_each(|run| run.scale *= self.q_scale);
        }
        runs
    }

    fn head_norm(&self, slot: Slot, place: Place, shape: &[usize]) -> Vec<Run> {
        let values: usize = shape.iter().product();
        let heads = shape.first().copied().unwrap_or(0);
        let split = self.names.is_split(slot) && shape.len() == 2;
        let mut runs = match split {
            true => (0..heads).flat_map(|h| self.run(slot, place, h, 0, self.hub.head_dim)).collect(),
            false => self.run(slot, place, 0, 0, values),
        };
        if self.permutes() {
            runs = runs.iter().flat_map(|run| self.interleave(run)).collect();
        }
        if slot == Slot::QNorm {
            runs.iter_mut().for_each(|run| run.scale *= self.q_scale);
        }
        runs
    }

    /// Of each head's rotating rows, row `i` of either half goes to `2 i` and `2 i + 1`.
    fn interleave(&self, run: &Run) -> Vec<Run> {
        let d = self.hub.head_dim.max(1);
        let half = self.hub.ropes.first().map_or(0, |r| r.dims) / 2;
        let row = |i: usize, rows: usize| Run { start: run.start + i, rows, ..run.clone() };
        let head = |h: usize| {
            let turned = (0..half).flat_map(move |i| [h * d + i, h * d + half + i]).map(move |i| (i, 1));
            let kept = (d > 2 * half).then_some((h * d + 2 * half, d - 2 * half));
            turned.chain(kept)
        };
        (0..run.rows / d).flat_map(head).map(|(i, rows)| row(i, rows)).collect()
    }
}

fn is_norm(slot: Slot) -> bool {
    use Slot::{AttnNorm, AttnPostNorm, EmbedNorm, FinalNorm, MlpNorm, MlpPostNorm};
    matches!(slot, EmbedNorm | FinalNorm | AttnNorm | AttnPostNorm | MlpNorm | MlpPostNorm)
}

fn is_linear(slot: Slot) -> bool {
    use Slot::{Down, Gate, GateUp, K, O, Q, Qkv, Up, V};
    matches!(slot, Qkv | Q | K | V | O | Gate | Up | GateUp | Down)
}
