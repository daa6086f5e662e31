//! Tokens per second of a backend, measured as `llama-bench` measures: a prompt of `--pp` random tokens into an empty
//! sequence, and `--tg` tokens one by one at depth `--depth`, each `--reps` times after a warm-up. One JSON line per test
//! on standard output, read by `tests/bench/`.
//!
//!     cargo run --release --workspace --example bench -- MODEL.gguf --backend candle --threads 2 --pp 512 --tg 128
//!
//! `--backend` is `candle` or `llama_cpp`; `--activations` (auto, f32, int16, int8) is candle's, `--cache` and `--fa` (on, off,
//! auto) are llama_cpp's.

use minerva_engine::backend::candle::{self, Activations, CandleOptions, ConfigSource};
use minerva_engine::backend::{Backend, DEFAULT_CONTEXT, Rows};
use minerva_engine::{Control, Error, Result, format};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

struct Arguments {
    model: PathBuf,
    backend: String,
    prompt: usize,
    generate: usize,
    depth: usize,
    repeat: usize,
    threads: Option<usize>,
    context: Option<usize>,
    activations: Activations,
    cache: Option<String>,
    flash: Option<String>,
}

fn arguments() -> Result<Arguments> {
    let mut it = std::env::args().skip(1);
    let usage =
        || Error::argument("arguments", "MODEL.gguf [--backend B] [--pp N] [--tg N] [--depth N] [--reps N] …", "none");
    let mut a = Arguments {
        model: it.next().ok_or_else(usage)?.into(),
        backend: "candle".into(),
        prompt: 512,
        generate: 128,
        depth: 0,
        repeat: 5,
        threads: None,
        context: None,
        activations: Activations::Auto,
        cache: None,
        flash: None,
    };
    while let Some(key) = it.next() {
        let value = it.next().ok_or_else(|| Error::argument(&key, "a value", "nothing"))?;
        let number = || value.parse::<usize>().map_err(|_| Error::argument(&key, "a number", &value));
        match key.as_str() {
            "--backend" => a.backend = value,
            "--pp" => a.prompt = number()?,
            "--tg" => a.generate = number()?,
            "--depth" => a.depth = number()?,
            "--reps" => a.repeat = number()?,
            "--threads" => a.threads = Some(number()?),
            "--context" => a.context = Some(number()?),
            "--activations" => a.activations = value.parse()?,
            "--cache" => a.cache = Some(value),
            "--fa" => a.flash = Some(value),
            _ => return Err(Error::not_found("argument", &key, ["--pp", "--tg", "--depth", "--reps", "--threads"])),
        }
    }
    // As much context as a notebook's load would have, so that both backends keep what they would keep there.
    a.context.get_or_insert((a.depth + a.prompt + a.generate).max(DEFAULT_CONTEXT));
    Ok(a)
}

fn load(a: &Arguments) -> Result<Arc<dyn Backend>> {
    let file = format::open(&a.model)?;
    let control = Control::default();
    match a.backend.as_str() {
        "candle" => {
            let options = CandleOptions {
                context: a.context,
                threads: a.threads,
                activations: a.activations,
                ..Default::default()
            };
            candle::load(file, ConfigSource::Gguf, &options, &control)
        }
        #[cfg(feature = "llama-cpp")]
        "llama_cpp" => {
            use minerva_engine::backend::llama_cpp::{self, CacheType, Device, FlashAttention, LlamaOptions};
            let mut options =
                LlamaOptions { device: Device::Cpu, context: a.context, threads: a.threads, ..Default::default() };
            if let Some(cache) = &a.cache {
                options.cache_type = CacheType::parse(cache)?;
            }
            options.flash_attention = match a.flash.as_deref() {
                Some("on") => FlashAttention::On,
                Some("off") => FlashAttention::Off,
                _ => FlashAttention::Auto,
            };
            llama_cpp::load(&*file, &options, &control)
        }
        other => Err(Error::not_found("backend", other, ["candle", "llama_cpp"])),
    }
}

/// Tokens that no cache knows.
fn tokens(n: usize, vocab: usize, seed: &mut u64) -> Vec<u32> {
    let mut next = || {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((*seed >> 33) as usize % vocab) as u32
    };
    (0..n).map(|_| next()).collect()
}

/// Tokens per second of each repetition of `run`, which returns the tokens it took and starts the clock itself.
fn measure(repeat: usize, mut run: impl FnMut() -> Result<(usize, Instant)>) -> Result<Vec<f64>> {
    run()?;
    (0..repeat).map(|_| run().map(|(n, start)| n as f64 / start.elapsed().as_secs_f64())).collect()
}

fn report(test: &str, threads: usize, rates: &[f64]) {
    let rates: Vec<String> = rates.iter().map(|r| format!("{r:.2}")).collect();
    println!(r#"{{"test":"{test}","threads":{threads},"tokens_per_second":[{}]}}"#, rates.join(","));
}

fn run(model: &dyn Backend, a: &Arguments) -> Result<()> {
    let control = Control::default();
    let vocab = model.info().vocab_size;
    let mut seed = 1;
    let mut sequence = model.sequence()?;
    if a.prompt > 0 {
        let rates = measure(a.repeat, || {
            sequence.truncate(0)?;
            let prompt = tokens(a.prompt, vocab, &mut seed);
            let start = Instant::now();
            sequence.feed(&prompt, Rows::Last, &control)?;
            Ok((a.prompt, start))
        })?;
        report(&format!("pp{}", a.prompt), model.info().threads, &rates);
    }
    if a.generate > 0 {
        sequence.truncate(0)?;
        if a.depth > 0 {
            sequence.feed(&tokens(a.depth, vocab, &mut seed), Rows::None, &control)?;
        }
        let rates = measure(a.repeat, || {
            sequence.truncate(a.depth)?;
            let text = tokens(a.generate, vocab, &mut seed);
            let start = Instant::now();
            for token in &text {
                sequence.feed(std::slice::from_ref(token), Rows::Last, &control)?;
            }
            Ok((a.generate, start))
        })?;
        let at = if a.depth > 0 { format!("@{}", a.depth) } else { String::new() };
        report(&format!("tg{}{at}", a.generate), model.info().threads, &rates);
    }
    if let Some(peak) = peak_memory() {
        println!(r#"{{"test":"memory","threads":{},"megabytes":[{peak:.0}]}}"#, model.info().threads);
    }
    Ok(())
}

/// The most this process had resident so far, in MB; only Linux tells.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    kilobytes.split_whitespace().next()?.parse::<f64>().ok().map(|n| n / 1000.0)
}

fn main() {
    // As the program does.
    minerva_engine::memory::keep_freed();
    let result = arguments().and_then(|a| run(&*load(&a)?, &a));
    if let Err(e) = result {
        eprintln!("error: {e}");
        std::process::exit(1);
    }
}
