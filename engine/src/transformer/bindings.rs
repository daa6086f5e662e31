//! Which weight is called what: one table from the slots of a decoder to names in the hub's layout and in GGUF.

use super::spec::Spec;

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
    FinalNorm,
    Head,
    AttnNorm,
    Q,
    K,
    V,
    O,
    QNorm,
    KNorm,
    MlpNorm,
    Gate,
    Up,
    Down,
}

/// The table. `{}` stands for the block's number.
const TABLE: &[(Slot, &str, &str)] = &[
    (Slot::Embed, "model.embed_tokens", "token_embd"),
    (Slot::FinalNorm, "model.norm", "output_norm"),
    (Slot::Head, "lm_head", "output"),
    (Slot::AttnNorm, "model.layers.{}.input_layernorm", "blk.{}.attn_norm"),
    (Slot::Q, "model.layers.{}.self_attn.q_proj", "blk.{}.attn_q"),
    (Slot::K, "model.layers.{}.self_attn.k_proj", "blk.{}.attn_k"),
    (Slot::V, "model.layers.{}.self_attn.v_proj", "blk.{}.attn_v"),
    (Slot::O, "model.layers.{}.self_attn.o_proj", "blk.{}.attn_output"),
    (Slot::QNorm, "model.layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm"),
    (Slot::KNorm, "model.layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm"),
    (Slot::MlpNorm, "model.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"),
    (Slot::Gate, "model.layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"),
    (Slot::Up, "model.layers.{}.mlp.up_proj", "blk.{}.ffn_up"),
    (Slot::Down, "model.layers.{}.mlp.down_proj", "blk.{}.ffn_down"),
];

/// Tensors that carry no weight of their own: tables that are computed from the configuration.
pub fn is_derived(name: &str) -> bool {
    name == "rope_freqs.weight" || name.ends_with("rotary_emb.inv_freq") || name.ends_with(".attn_rot_embd.weight")
}

/// The name of a slot's tensor; `layer` is ignored outside of blocks, `part` is `weight` or `bias`.
pub fn name(slot: Slot, naming: Naming, layer: usize, part: &str) -> String {
    let stem = TABLE.iter().find(|(s, ..)| *s == slot).map_or("", |(_, hub, gguf)| match naming {
        Naming::Hub => *hub,
        Naming::Gguf => *gguf,
    });
    format!("{}.{part}", stem.replace("{}", &layer.to_string()))
}

/// A tensor that a spec asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Where it goes.
    pub slot: Slot,
    /// The block; 0 outside of blocks.
    pub layer: usize,
    /// Its name in the file.
    pub name: String,
    /// Row-major shape: a projection is `[out, in]`.
    pub shape: Vec<usize>,
}

/// Every tensor that `spec` asks for, in the order of the forward pass.
pub fn expected(spec: &Spec, naming: Naming) -> Vec<Expected> {
    let (h, q, kv, f, d) = (spec.hidden_size, spec.q_size(), spec.kv_size(), spec.intermediate_size, spec.head_dim);
    let mut all = Vec::new();
    let mut add = |slot, layer, part: &str, shape: &[usize]| {
        all.push(Expected { slot, layer, name: name(slot, naming, layer, part), shape: shape.to_vec() });
    };
    add(Slot::Embed, 0, "weight", &[spec.vocab_size, h]);
    for i in 0..spec.layers {
        add(Slot::AttnNorm, i, "weight", &[h]);
        for (slot, rows) in [(Slot::Q, q), (Slot::K, kv), (Slot::V, kv)] {
            add(slot, i, "weight", &[rows, h]);
            if spec.qkv_bias {
                add(slot, i, "bias", &[rows]);
            }
        }
        if spec.qk_norm {
            add(Slot::QNorm, i, "weight", &[d]);
            add(Slot::KNorm, i, "weight", &[d]);
        }
        add(Slot::O, i, "weight", &[h, q]);
        if spec.output_bias {
            add(Slot::O, i, "bias", &[h]);
        }
        add(Slot::MlpNorm, i, "weight", &[h]);
        for (slot, shape) in [(Slot::Gate, [f, h]), (Slot::Up, [f, h]), (Slot::Down, [h, f])] {
            add(slot, i, "weight", &shape);
            if spec.mlp_bias {
                add(slot, i, "bias", &shape[..1]);
            }
        }
    }
    add(Slot::FinalNorm, 0, "weight", &[h]);
    if !spec.tied {
        add(Slot::Head, 0, "weight", &[spec.vocab_size, h]);
    }
    all
}
