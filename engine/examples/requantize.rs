//! Rewrites a GGUF file with its weights in another storage type, or as a hub folder.
//!
//!     cargo run --release --example requantize -- FROM.gguf TO.gguf F16
//!     cargo run --release --example requantize -- FROM.gguf FOLDER/ F32

use minerva_engine::convert::{gguf_to_safetensors, requantize};
use minerva_engine::format::DType;
use minerva_engine::{Control, Event, Interrupt};
use std::process::ExitCode;

const USAGE: &str = "usage: requantize FROM.gguf TO.gguf TYPE     (F32, F16, BF16, Q8_0, Q4_1, Q4_K …)
       requantize FROM.gguf FOLDER/ TYPE     a hub folder with safetensors (F32, F16, BF16)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to, dtype] = arguments.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let Some(dtype) = DType::from_name(dtype) else {
        eprintln!("unknown type {dtype:?}\n{USAGE}");
        return ExitCode::from(2);
    };
    let control = Control::new(Interrupt::default(), |event| {
        if let Event::Progress { label, done, total, .. } = event {
            eprint!("\r{label}: {:3} %", done * 100 / total.max(1));
        }
    });
    let result = if to.ends_with('/') {
        gguf_to_safetensors(from, to, dtype, &control)
    } else {
        requantize(from, to, dtype, &control)
    };
    eprintln!();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
