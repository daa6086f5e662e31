//! Looking into a model: activations read, replaced, patched and steered, the logit lens, gradients.

mod gradients;
pub mod hooks;
mod lens;
mod patch;
mod run;
mod steer;
mod table;
#[cfg(test)]
mod tests;

pub use gradients::GradientsHandle;
pub use run::TraceHandle;

/// Registers the methods of a model that look into it, and what they return.
pub fn register(engine: &mut rhai::Engine, host: &super::Host) {
    run::register(engine, host);
    lens::register(engine, host);
    gradients::register(engine, host);
    patch::register(engine, host);
    steer::register(engine);
}
