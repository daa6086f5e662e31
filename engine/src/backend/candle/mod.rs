//! The candle backend: our own [`crate::transformer`] behind the backend's traits.

mod gradients;
mod hooked;
mod load;
mod memory;
mod options;
mod pool;
mod sequence;

pub use load::{ConfigSource, load, spec};
pub use memory::memory_needs;
pub use options::{Activations, CandleOptions};

#[cfg(test)]
mod tests;
