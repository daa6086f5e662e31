//! Which weight is called what: one table from the slots of a decoder to names in the hub's layout and in GGUF, which
//! an architecture amends, and the list of tensors that a spec asks for.

use super::arch;
use super::spec::{Fusion, Mlp, Norm, Placement, QkNormShape, Spec};
use crate::format::TensorFile;

/// Whose names a file uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// `model.layers.0.self_attn.q_proj.weight`.
    Hub,
    /// `blk.0.attn_q.weight`.
    Gguf,
}

/// A place in the decoder that a weight fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are the documentation
pub enum Slot {
    Embed,
    Positions,
    EmbedNorm,
    FinalNorm,
    Head,
    AttnNorm,
    Qkv,
    Q,
    K,
    V,
    QNorm,
    KNorm,
    O,
    AttnPostNorm,
    MlpNorm,
    GateUp,
    Gate,
    Up,
    Down,
    MlpPostNorm,
    Router,
    ExpertGate,
    ExpertUp,
    ExpertDown,
    SharedRouter,
    SharedGate,
    SharedUp,
    SharedDown,
}

/// One line of a table of names.
pub type Row = (Slot, &'static str);

/// The names most hub checkpoints use: those of Llama. `{}` stands for the block's number, `{e}` for the expert's.
const HUB: &[Row] = &[
    (Slot::Embed, "model.embed_tokens"),
    (Slot::FinalNorm, "model.norm"),
    (Slot::Head, "lm_head"),
    (Slot::AttnNorm, "model.layers.{}.input_layernorm"),
    (Slot::Qkv, "model.layers.{}.self_attn.qkv_proj"),
    (Slot::Q, "model.layers.{}.self_attn.q_proj"),
    (Slot::K, "model.layers.{}.self_attn.k_proj"),
    (Slot::V, "model.layers.{}.self_attn.v_proj"),
    (Slot::QNorm, "model.layers.{}.self_attn.q_norm"),
    (Slot::KNorm, "model.layers.{}.self_attn.k_norm"),
    (Slot::O, "model.layers.{}.self_attn.o_proj"),
    (Slot::AttnPostNorm, "model.layers.{}.post_attention_layernorm"),
    (Slot::MlpNorm, "model.layers.{}.post_attention_layernorm"),
    (Slot::GateUp, "model.layers.{}.mlp.gate_up_proj"),
    (Slot::Gate, "model.layers.{}.mlp.gate_proj"),
    (Slot::Up, "model.layers.{}.mlp.up_proj"),
    (Slot::Down, "model.layers.{}.mlp.down_proj"),
    (Slot::MlpPostNorm, "model.layers.{}.post_feedforward_layernorm"),
    (Slot::Router, "model.layers.{}.mlp.gate"),
    (Slot::ExpertGate, "model.layers.{}.mlp.experts.{e}.gate_proj"),
    (Slot::ExpertUp, "model.layers.{}.mlp.experts.{e}.up_proj"),
    (Slot::ExpertDown, "model.layers.{}.mlp.experts.{e}.down_proj"),
    (Slot::SharedRouter, "model.layers.{}.mlp.shared_expert_gate"),
    (Slot::SharedGate, "model.layers.{}.mlp.shared_expert.gate_proj"),
    (Slot::SharedUp, "model.layers.{}.mlp.shared_expert.up_proj"),
    (Slot::SharedDown, "model.layers.{}.mlp.shared_expert.down_proj"),
];

/// The names of GGUF.
const GGUF: &[Row] = &[
    (Slot::Embed, "token_embd"),
    (Slot::Positions, "position_embd"),
    (Slot::EmbedNorm, "token_embd_norm"),
    (Slot::FinalNorm, "output_norm"),
    (Slot::Head, "output"),
    (Slot::AttnNorm, "blk.{}.attn_norm"),
    (Slot::Qkv, "blk.{}.attn_qkv"),
    (Slot::Q, "blk.{}.attn_q"),
    (Slot::K, "blk.{}.attn_k"),
    (Slot::V, "blk.{}.attn_v"),
    (Slot::QNorm, "blk.{}.attn_q_norm"),
    (Slot::KNorm, "blk.{}.attn_k_norm"),
    (Slot::O, "blk.{}.attn_output"),
    (Slot::AttnPostNorm, "blk.{}.post_attention_norm"),
    (Slot::MlpNorm, "blk.{}.ffn_norm"),
    (Slot::GateUp, "blk.{}.ffn_up"),
    (Slot::Gate, "blk.{}.ffn_gate"),
    (Slot::Up, "blk.{}.ffn_up"),
    (Slot::Down, "blk.{}.ffn_down"),
    (Slot::MlpPostNorm, "blk.{}.post_ffw_norm"),
    (Slot::Router, "blk.{}.ffn_gate_inp"),
    (Slot::ExpertGate, "blk.{}.ffn_gate_exps"),
    (Slot::ExpertUp, "blk.{}.ffn_up_exps"),
    (Slot::ExpertDown, "blk.{}.ffn_down_exps"),
    (Slot::SharedRouter, "blk.{}.ffn_gate_inp_shexp"),
    (Slot::SharedGate, "blk.{}.ffn_gate_shexp"),
    (Slot::SharedUp, "blk.{}.ffn_up_shexp"),
    (Slot::SharedDown, "blk.{}.ffn_down_shexp"),
];

/// The names of one file.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    naming: Naming,
    amended: &'static [Row],
    /// What the table's names begin with and the file's do not.
    missing_prefix: &'static str,
}

impl Names {
    /// The names that files of this architecture use.
    pub fn of(spec: &Spec, naming: Naming) -> Self {
        Self { naming, amended: arch::names(spec, naming), missing_prefix: "" }
    }

    /// The names that `file` uses: some hub checkpoints leave out the name of the base model (`transformer.`, `model.`).
    pub fn in_file(spec: &Spec, naming: Naming, file: &dyn TensorFile) -> Self {
        let full = Self::of(spec, naming);
        let has = |name: &str| file.tensors().iter().any(|t| t.name == name);
        if has(&full.tensor(Slot::Embed, 0, 0, "weight")) {
            return full;
        }
        let bare = ["transformer.", "model."].map(|missing_prefix| Self { missing_prefix, ..full });
        bare.into_iter().find(|n| has(&n.tensor(Slot::Embed, 0, 0, "weight"))).unwrap_or(full)
    }

    /// Whether a slot's weight is a tensor per expert or per head.
    pub fn is_split(&self, slot: Slot) -> bool {
        self.stem(slot).contains("{e}")
    }

    fn stem(&self, slot: Slot) -> &'static str {
        let table = match self.naming {
            Naming::Hub => HUB,
            Naming::Gguf => GGUF,
        };
        self.amended.iter().chain(table).find(|(s, _)| *s == slot).map_or("", |(_, stem)| *stem)
    }

    /// The name of a slot's tensor. `layer` is ignored outside of blocks and `expert` where
    /// a slot has one tensor; `part` is
    /// `weight` or `bias`.
    pub fn tensor(&self, slot: Slot, layer: usize, expert: usize, part: &str) -> String {
        let stem = self.stem(slot);
        let stem = stem.strip_prefix(self.missing_prefix).unwrap_or(stem);
        let stem = stem.replace("{}", &layer.to_string()).replace("{e}", &expert.to_string());
        format!("{stem}.{part}")
    }
}

/// Tensors that carry no weight of their own: tables that are computed from the configuration, and masks.
pub fn is_derived(name: &str) -> bool {
    let ends = [
        "rotary_emb.inv_freq",
        ".attn_rot_embd.weight",
        ".attn.bias",
        ".attn.masked_bias",
        ".attention.bias",
        ".attention.masked_bias",
        ".self_attention.masked_bias",
    ];
    let tables = ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"];
    tables.contains(&name) || ends.iter().any(|end| name.ends_with(end))
}

/// A tensor that a spec asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Where it goes.
    pub slot: Slot,
    /// The block; 0 outside of blocks.
    pub layer: usize,
    /// The expert; 0 outside of experts.
    pub expert: usize,
    /// A bias rather than a weight.
    pub bias: bool,
    /// Its name in the file.
    pub name: String,
    /// Row-major shape in the file: a projection is `[out, in]` unless the layout is transposed.
    pub shape: Vec<usize>,
}

/// How many tensors `spec` asks for, at least, without listing them: experts and norms per head can be many.
pub fn expected_count(spec: &Spec) -> u64 {
    let experts = spec.experts.filter(|_| !spec.layout.stacked).map_or(0, |e| 3 * e.count as u64);
    let mixed = spec.layers.iter().filter(|l| l.experts).count() as u64;
    let heads = spec.qk_norm.filter(|qk| qk.shape == QkNormShape::PerHead).map_or(0, |_| spec.heads as u64);
    let layers = spec.layers.len() as u64;
    layers.saturating_mul(4).saturating_add(mixed.saturating_mul(experts)).saturating_add(layers.saturating_mul(heads))
}

/// Every tensor that `spec` asks for, in the order of the forward pass.
pub fn expected(spec: &Spec, names: &Names) -> Vec<Expected> {
    let mut list = List { spec, names, all: Vec::new(), layer: 0, expert: 0 };
    let h = spec.hidden_size;
    list.add(Slot::Embed, false, &[spec.vocab_size, h]);
    if spec.learned_positions {
        list.add(Slot::Positions, false, &[spec.context_trained, h]);
    }
    if spec.embed_norm {
        list.norm(Slot::EmbedNorm, &spec.norm, &[h]);
    }
    for i in 0..spec.layers.len() {
        list.layer = i;
        list.block();
    }
    list.layer = 0;
    list.norm(Slot::FinalNorm, &spec.norm, &[h]);
    if !spec.tied {
        list.add(Slot::Head, false, &[spec.vocab_size, h]);
    }
    if spec.head_bias {
        list.add(Slot::Head, true, &[spec.vocab_size]);
    }
    list.all
}

struct List<'a> {
    spec: &'a Spec,
    names: &'a Names,
    all: Vec<Expected>,
    layer: usize,
    expert: usize,
}

impl List<'_> {
    fn add(&mut self, slot: Slot, bias: bool, shape: &[usize]) {
        let (layer, expert) = (self.layer, self.expert);
        let name = self.names.tensor(slot, layer, expert, if bias { "bias" } else { "weight" });
        self.all.push(Expected { slot, layer, expert, bias, name, shape: shape.to_vec() });
    }

    fn norm(&mut self, slot: Slot, norm: &Norm, shape: &[usize]) {
        if norm.weight {
            self.add(slot, false, shape);
        }
        if norm.bias {
            self.add(slot, true, shape);
        }
    }

    fn linear(&mut self, slot: Slot, out: usize, input: usize, bias: bool) {
        let shape = if self.spec.layout.transposed { [input, out] } else { [out, input] };
        self.add(slot, false, &shape);
        if bias {
            self.add(slot, true, &[out]);
        }
    }

    fn block(&mut self) {
        let spec = self.spec;
        let (h, q, kv, d) = (spec.hidden_size, spec.q_size(), spec.kv_size(), spec.head_dim);
        let (before, after) = (spec.placement != Placement::Post, spec.placement != Placement::Pre);
        if before {
            self.norm(Slot::AttnNorm, &spec.norm, &[h]);
        }
        if spec.layout.qkv == Fusion::Separate {
            for (slot, rows) in [(Slot::Q, q), (Slot::K, kv), (Slot::V, kv)] {
                self.linear(slot, rows, h, spec.qkv_bias);
            }
        } else {
            self.linear(Slot::Qkv, q + 2 * kv, h, spec.qkv_bias);
        }
        if let Some(qk) = &spec.qk_norm {
            for (slot, heads) in [(Slot::QNorm, spec.heads), (Slot::KNorm, spec.kv_heads)] {
                if qk.shape == QkNormShape::PerHead && self.names.is_split(slot) {
                    for head in 0..heads {
                        self.expert = head;
                        self.norm(slot, &qk.norm, &[d]);
                    }
                    self.expert = 0;
                    continue;
                }
                match qk.shape {
                    QkNormShape::Shared => self.norm(slot, &qk.norm, &[d]),
                    QkNormShape::PerHead => self.norm(slot, &qk.norm, &[heads, d]),
                    QkNormShape::Whole => self.norm(slot, &qk.norm, &[heads * d]),
                }
            }
        }
        self.linear(Slot::O, h, q, spec.output_bias);
        if after {
            self.norm(Slot::AttnPostNorm, &spec.norm, &[h]);
        }
        if before && !spec.shared_norm {
            self.norm(Slot::MlpNorm, &spec.norm, &[h]);
        }
        match (&spec.experts, spec.layers.get(self.layer).is_some_and(|l| l.experts)) {
            (Some(_), true) => self.experts(),
            _ => self.mlp([Slot::GateUp, Slot::Gate, Slot::Up, Slot::Down], &spec.mlp),
        }
        if after {
            self.norm(Slot::MlpPostNorm, &spec.norm, &[h]);
        }
    }

    fn mlp(&mut self, [gate_up, gate, up, down]: [Slot; 4], mlp: &Mlp) {
        let h = self.spec.hidden_size;
        if mlp.gated && self.spec.layout.gate_up {
            self.linear(gate_up, 2 * mlp.size, h, mlp.bias);
        } else {
            if mlp.gated {
                self.linear(gate, mlp.size, h, mlp.bias);
            }
            self.linear(up, mlp.size, h, mlp.bias);
        }
        self.linear(down, h, mlp.size, mlp.bias);
    }

    fn experts(&mut self) {
        let (spec, h) = (self.spec, self.spec.hidden_size);
        let Some(experts) = spec.experts else { return };
        self.add(Slot::Router, false, &[experts.count, h]);
        let parts = [
            (Slot::ExpertGate, experts.size, h),
            (Slot::ExpertUp, experts.size, h),
            (Slot::ExpertDown, h, experts.size),
        ];
        if spec.layout.stacked {
            for (slot, out, input) in parts {
                self.add(slot, false, &[experts.count, out, input]);
            }
        } else {
            for e in 0..experts.count {
                self.expert = e;
                for (slot, out, input) in parts {
                    self.add(slot, false, &[out, input]);
                }
            }
            self.expert = 0;
        }
        if let Some(size) = experts.shared {
            let router: &[usize] = if spec.layout.stacked { &[h] } else { &[1, h] };
            self.add(Slot::SharedRouter, false, router);
            for (slot, out, input) in
                [(Slot::SharedGate, size, h), (Slot::SharedUp, size, h), (Slot::SharedDown, h, size)]
            {
                self.add(slot, false, &[out, input]);
            }
        }
    }
}
