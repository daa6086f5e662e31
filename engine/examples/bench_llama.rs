//! Tokens per second of the llama.cpp backend, measured as `llama-bench` measures: a prompt of `--pp` random tokens into
//! an empty sequence, and `--tg` tokens one by one at depth `--depth`, each `--reps` times after a warm-up. One JSON line
//! per test on standard output, read by `tests/bench/llama-bench.sh`.
//!
//!     cargo run --release -p minerva-engine --example bench_llama -- MODEL.gguf --threads 2 --pp 512 --tg 128

use minerva_engine::backend::llama_cpp::{CacheType, Device, FlashAttention, LlamaOptions, default_threads, load};
use minerva_engine::backend::{Backend, Rows};
use minerva_engine::{Control, Error, Result, format};
use std::path::PathBuf;
use std::time::Instant;

struct Arguments {
    model: PathBuf,
    prompt: usize,
    generate: usize,
    depth: usize,
    repeat: usize,
    options: LlamaOptions,
}

fn arguments() -> Result<Arguments> {
    let mut it = std::env::args().skip(1);
    let usage = || Error::argument("arguments", "MODEL.gguf [--pp N] [--tg N] [--depth N] [--reps N] …", "none");
    let mut a = Arguments {
        model: it.next().ok_or_else(usage)?.into(),
        prompt: 512,
        generate: 128,
        depth: 0,
        repeat: 5,
        options: LlamaOptions { device: Device::Cpu, ..Default::default() },
    };
    while let Some(key) = it.next() {
        let value = it.next().ok_or_else(|| Error::argument(&key, "a value", "nothing"))?;
        let number = || value.parse::<usize>().map_err(|_| Error::argument(&key, "a number", &value));
        match key.as_str() {
            "--pp" => a.prompt = number()?,
            "--tg" => a.generate = number()?,
            "--depth" => a.depth = number()?,
            "--reps" => a.repeat = number()?,
            "--threads" => a.options.threads = Some(number()?),
            "--context" => a.options.context = Some(number()?),
            "--cache" => a.options.cache_type = CacheType::parse(&value)?,
            "--fa" => {
                a.options.flash_attention = match value.as_str() {
                    "on" => FlashAttention::On,
                    "off" => FlashAttention::Off,
                    _ => FlashAttention::Auto,
                }
            }
            _ => return Err(Error::not_found("argument", &key, ["--pp", "--tg", "--depth", "--reps", "--threads"])),
        }
    }
    a.options.context.get_or_insert((a.depth + a.prompt + a.generate).max(LlamaOptions::DEFAULT_CONTEXT));
    Ok(a)
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
    Ok(())
}

fn main() {
    let result = arguments().and_then(|mut a| {
        a.options.threads.get_or_insert_with(default_threads);
        let model = load(&*format::open(&a.model)?, &a.options, &Control::default())?;
        run(&*model, &a)
    });
    if let Err(e) = result {
        eprintln!("error: {e}");
        std::process::exit(1);
    }
}
