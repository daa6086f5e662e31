//! What a decoder is, as plain axes: everything the forward pass needs to know beside the weights.

mod axes;
mod decoder;
mod plain;
mod rope;
mod validate;

pub use axes::{
    Activation, Alibi, Experts, Fusion, Layer, Layout, Mlp, Norm, NormKind, Placement, QkNorm, QkNormShape, Router,
};
pub use decoder::Spec;
pub use plain::Sizes;
pub use rope::{Rope, RopeScaling, RopeStyle};
