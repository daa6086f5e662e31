//! The `minerva` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    minerva_kernel::cli::main()
}
