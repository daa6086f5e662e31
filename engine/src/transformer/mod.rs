//! Our decoder on candle: one forward pass, configured by a [`Spec`].
//!
//! [`arch`] maps configurations onto a spec, [`bindings`] maps names of weights onto slots, [`Transformer`] computes.
//! The same code serves inference over mapped weights and training over candle variables.

pub mod arch;
mod attention;
mod attention_pieces;
pub mod bindings;
mod cache;
mod config;
mod feed_forward;
mod file_source;
mod hook_points;
mod hooks;
mod matrix;
mod matrix_grad;
mod model;
mod norm;
mod recorded;
mod recorded_attention;
mod rope;
mod slices;
mod spec;
mod steering;
mod variables;
mod weights;

pub use bindings::{Names, Naming};
pub use cache::Cache;
pub use config::Config;
pub use file_source::{FileSource, Footprint, Storage, check_weights};
pub use hook_points::{Dim, HookPoint};
pub use hooks::{Hooks, Point, Tap};
pub use matrix::Matrix;
pub use model::{Pass, Transformer};
pub use norm::NormWeights;
pub use rope::{RopeTable, Rotary, frequencies};
pub use spec::{
    Activation, Alibi, Experts, Fusion, Layer, Layout, Mlp, Norm, NormKind, Placement, QkNorm, QkNormShape, Rope,
    RopeScaling, RopeStyle, Router, Sizes, Spec,
};
pub use steering::Steering;
pub use variables::Variables;
pub use weights::{BlockWeights, FeedForward, Linear, MlpWeights, Part, QkvWeights, Source, Weight, Weights};

#[cfg(test)]
mod tests;
