//! A loaded model: a tokenizer and a backend that fit each other, and what one does with them.

mod handle;
mod load;
mod options;
mod resolve;
mod score;
mod session;

pub use handle::{Model, Steer};
pub use load::load;
pub use options::{Activations, BackendChoice, DeviceChoice, LoadOptions, WeightDType};
pub use resolve::resolve;
pub use score::{Perplexity, Score};
pub use session::Session;
