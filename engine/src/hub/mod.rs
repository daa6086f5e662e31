//! Models from the Hugging Face hub: taken from the local cache where they lie there, else downloaded into it.
//!
//! The cache is the one of the hub's own tools, in their layout and under their locks: what either has put there, the other
//! finds. Nothing is asked of the network when the cache has what was asked for.

mod bar;
mod cache;
mod client;
mod download;
mod failure;
mod fetch;
mod lock;
mod name;
mod partial;
mod redirect;
mod select;
mod settings;

pub use cache::cached_names;
pub use name::HubName;
pub use settings::{Hub, HubOptions};
