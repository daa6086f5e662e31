//! Shared helpers of the end-to-end tests.

pub mod client;
pub mod hub_server;
pub mod lab;
pub mod real_model;
pub mod reference;
