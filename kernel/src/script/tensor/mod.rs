//! Tensors and files of tensors in scripts, with NumPy's names.

mod arithmetic;
pub mod convert;
mod file;
mod indexing;
mod linalg;
mod make;
mod properties;
mod reduce;
mod shape;
#[cfg(test)]
mod tests;

pub use file::{OpenFile, TensorList};

/// Registers the type `Tensor`, its operators and methods, the functions that make tensors, and `open`.
pub fn register(engine: &mut rhai::Engine, host: &super::Host) {
    properties::register(engine, host);
    indexing::register(engine);
    arithmetic::register(engine, host);
    reduce::register(engine, host);
    shape::register(engine);
    linalg::register(engine, host);
    make::register(engine);
    file::register(engine, host);
}
