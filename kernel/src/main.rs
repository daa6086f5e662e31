//! The `minerva` program.

fn main() {}
