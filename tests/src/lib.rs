//! Shared helpers of the end-to-end tests.

pub mod client;
pub mod real_model;
pub mod reference;
