//! Looking into a pass: reading activations, replacing them, patching, steering, the logit lens, gradients. The same calls for every backend
//! that has hook points.
//!
//! Activations of one prompt have no batch dimension: the residual stream is `[pos, hidden]`, queries
//! `[pos, heads, head_dim]`, a pattern `[heads, pos, pos]`.

mod activations;
mod gradients;
mod hook;
mod lens;
mod patch;
mod run;
mod select;
mod steer;

pub use activations::{Activations, Trace};
pub use gradients::{GradientTrace, Target, gradients};
pub use hook::{Callback, Hook};
pub use lens::{Lens, logit_lens};
pub use patch::{PatchBy, PatchOptions, Patching, patch};
pub use run::{generate, run, run_batch, run_with_cache, run_with_hooks};
pub use select::Selection;
pub use steer::steer;

pub use crate::transformer::{Dim, HookPoint, Point};
