//! StarCoder2: layer norm, biases everywhere, an MLP without a gate, grouped queries and a window.

use super::common::{self, Absent};
use super::form::GgufForm;
use super::gguf;
use super::table::Architecture;
use crate::transformer::bindings::Slot;
use crate::transformer::{Activation, Norm, RopeStyle};

/// `use_bias` turns all biases of projections on or off.
pub const STARCODER2: Architecture = Architecture {
    hub: &["starcoder2"],
    gguf: &["starcoder2"],
    from_hub: |config| {
        let mut spec = common::from_hub(config, Norm::layer, Absent { tied: true, ..Absent::USUAL })?;
        common::window_everywhere(&mut spec, config, None)?;
        let bias = config.flag("use_bias")?.unwrap_or(true);
        (spec.qkv_bias, spec.output_bias, spec.mlp.bias) = (bias, bias, bias);
        spec.mlp.gated = false;
        spec.mlp.activation = common::activation(config, &["hidden_act"], Activation::GeluTanh)?;
        Ok(spec)
    },
    to_gguf: Some(GgufForm {
        architecture: "starcoder2",
        output_bias: true,
        mlp_bias: true,
        activation: Activation::GeluTanh,
        ..GgufForm::PLAIN
    }),
    from_gguf: |config, file| {
        let mut spec = gguf::spec(config, file, Some(RopeStyle::HalfSplit))?;
        gguf::windows(&mut spec, config)?;
        spec.mlp.activation = gguf::activation(config, Activation::GeluTanh)?;
        Ok(spec)
    },
    hub_names: |_| &[(Slot::Up, "model.layers.{}.mlp.c_fc"), (Slot::Down, "model.layers.{}.mlp.c_proj")],
    ..Architecture::NONE
};
