//! Which type each tensor of a file gets when its weight matrices are to have a certain one.

use crate::control::Control;
use crate::format::{DType, TensorInfo};

/// Small or sensitive matrices that llama.cpp too keeps as they are, by a part of their name.
const KEPT: &[&str] = &[
    "_norm.weight",
    "ffn_gate_inp.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "time_mix_first.weight",
    "time_mix_w",
    "time_mix_v",
    "time_mix_a",
    "time_mix_g",
    "time_mix_decay_w",
    "time_mix_lerp_fused",
    "attn_rel_b.weight",
];

/// Chooses the type of one tensor after another, and counts the matrices that cannot take the one asked for.
pub(super) struct Targets {
    wanted: DType,
    matrices: usize,
    /// Types that matrices take instead, each with their number, in the order in which they came up.
    instead: Vec<(DType, usize)>,
}

impl Targets {
    pub(super) fn new(wanted: DType) -> Self {
        Self { wanted, matrices: 0, instead: Vec::new() }
    }

    /// The type that a tensor gets.
    pub(super) fn of(&mut self, info: &TensorInfo) -> DType {
        if let Some(dtype) = whatever_is_asked(info) {
            return dtype;
        }
        let dtype = fitting(info.shape.last().copied().unwrap_or(1), self.wanted);
        self.matrices += 1;
        if dtype != self.wanted {
            match self.instead.iter_mut().find(|(d, _)| *d == dtype) {
                Some((_, count)) => *count += 1,
                None => self.instead.push((dtype, 1)),
            }
        }
        dtype
    }

    /// Warns of the matrices that got another type than the one asked for.
    pub(super) fn tell(&self, control: &Control) {
        if self.instead.is_empty() {
            return;
        }
        let (wanted, block, all) = (self.wanted, self.wanted.block(), self.matrices);
        let instead: Vec<String> = self.instead.iter().map(|(dtype, count)| format!("{count} as {dtype}")).collect();
        control.warn(format!(
            "not all of the {all} matrices are stored as {wanted}, whose blocks of {block} values their rows do not fill: {}",
            instead.join(", ")
        ));
    }
}

/// The type of what is no weight matrix, or one that is kept; `None` where the caller chooses.
fn whatever_is_asked(info: &TensorInfo) -> Option<DType> {
    if matches!(info.dtype, DType::I8 | DType::I16 | DType::I32 | DType::I64) {
        return Some(info.dtype);
    }
    // As llama.cpp counts them: dimensions of one do not make a matrix.
    let dims = info.shape.iter().skip_while(|d| **d == 1).count();
    let name = info.name.as_str();
    let kept = KEPT.iter().any(|part| name.contains(part));
    let other = !name.ends_with("weight") || name == "position_embd.weight" || name == "token_types.weight";
    (dims < 2 || kept || other).then_some(DType::F32)
}

/// The type nearest to `wanted` whose blocks rows of this length fill.
fn fitting(row: usize, wanted: DType) -> DType {
    let mut dtype = wanted;
    while !row.is_multiple_of(dtype.block()) {
        dtype = match dtype {
            DType::Q2_K | DType::Q3_K => DType::Q4_0,
            DType::Q4_K => DType::Q5_0,
            DType::Q5_K => DType::Q5_1,
            DType::Q6_K => DType::Q8_0,
            _ => DType::F16,
        };
    }
    dtype
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, dtype: DType, shape: &[usize]) -> TensorInfo {
        TensorInfo { name: name.into(), dtype, shape: shape.to_vec(), bytes: 0 }
    }

    #[test]
    fn types_fall_back_where_rows_do_not_fill_blocks() {
        for (name, from, shape, wanted, expected) in [
            ("token_embd.weight", DType::F16, &[10, 256][..], DType::Q4_K, DType::Q4_K),
            ("token_embd.weight", DType::F16, &[10, 576], DType::Q4_K, DType::Q5_0),
            ("token_embd.weight", DType::F16, &[10, 576], DType::Q6_K, DType::Q8_0),
            ("token_embd.weight", DType::F16, &[10, 20], DType::Q2_K, DType::F16),
            ("blk.0.ffn_up.weight", DType::Q4_1, &[10, 20], DType::F32, DType::F32),
            ("blk.0.attn_norm.weight", DType::F16, &[256], DType::Q8_0, DType::F32),
            ("blk.0.attn_q_norm.weight", DType::F32, &[2, 256], DType::Q8_0, DType::F32),
            ("blk.0.attn_q.bias", DType::F32, &[1, 256], DType::Q8_0, DType::F32),
            ("blk.0.ffn_gate_inp.weight", DType::F32, &[8, 256], DType::Q8_0, DType::F32),
            ("position_embd.weight", DType::F16, &[8, 256], DType::F16, DType::F32),
            ("ids.weight", DType::I32, &[8, 256], DType::Q8_0, DType::I32),
        ] {
            assert_eq!(Targets::new(wanted).of(&info(name, from, shape)), expected, "{name} {shape:?} as {wanted}");
        }
    }
}
