//! The kernel as a Jupyter client sees it: the real program, real sockets, and a client that fails on any message that
//! was not asked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cells;
mod clients;
mod control;
mod display;
mod flood;
mod handshake;
mod history;
mod input;
mod interrupt;
#[cfg(all(unix, feature = "rust-cells"))]
mod rust_interrupt;
mod table;
mod wire;

use minerva_tests::client::{Client, Kernel};

const MINERVA: &str = env!("CARGO_BIN_EXE_minerva");

fn start() -> (Kernel, Client) {
    let kernel = Kernel::start(MINERVA);
    let client = kernel.connect();
    (kernel, client)
}

#[cfg(unix)]
fn signal(pid: u32, number: i32) {
    // SAFETY: sends a signal to a child of this test.
    assert_eq!(unsafe { libc::kill(pid as libc::pid_t, number) }, 0);
}

#[cfg(target_os = "linux")]
fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[cfg(not(target_os = "linux"))]
fn resident(_: u32) -> usize {
    0
}
