//! The candle backend: our own [`crate::transformer`] behind the backend's traits.

mod load;
mod options;
mod sequence;

pub use load::{ConfigSource, load, spec};
pub use options::CandleOptions;

#[cfg(test)]
mod tests;
