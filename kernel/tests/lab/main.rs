//! `minerva lab` as a browser and as an attacker see it: the real program, real HTTP, real WebSockets, real kernels.
#![cfg(feature = "lab")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod checkpoints;
mod contents;
#[cfg(target_os = "linux")]
mod crashes;
mod cross_site;
mod documents;
mod faults;
mod front;
mod help;
mod kernels;
mod life;
mod paths;
mod replay;
mod requests;
mod sessions;
mod table;
mod tokens;
mod trust;
