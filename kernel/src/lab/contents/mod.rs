//! Files and notebooks below one folder, as Jupyter's front ends read and write them.
//!
//! A request comes in through `handlers` (or `files`, which sends them as they are). `places` turns its path into
//! one of the file system, never outside the root. `reading`, `saving`, `creating`, `copying`, `moving` and
//! `checkpoints` do the work, each a part of [`Contents`]. A notebook passes `notebook` (lines, ids), `validation`
//! and `trust`, which alone says what output may run script.

mod checkpoints;
mod copying;
mod creating;
mod files;
mod handlers;
mod lenient;
mod locks;
mod manager;
mod model;
mod moving;
mod notebook;
mod places;
mod reading;
mod resolving;
mod saving;
mod signatures;
#[cfg(test)]
mod tests;
mod trust;
mod validation;

pub use handlers::routes;
pub use manager::Contents;
