//! Tokens per second of candle-transformers' quantized Llama, measured as our own benchmark measures.
//!
//!     bench-candle-transformers MODEL.gguf THREADS PROMPT GENERATE DEPTH REPEAT

use candle_core::quantized::gguf_file;
use candle_core::{Device, Result, Tensor};
use candle_transformers::models::quantized_llama::ModelWeights;
use std::time::Instant;

fn tokens(n: usize, seed: &mut u64) -> Vec<u32> {
    let mut next = || {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((*seed >> 33) % 30_000) as u32
    };
    (0..n).map(|_| next()).collect()
}

fn feed(model: &mut ModelWeights, tokens: &[u32], at: usize) -> Result<()> {
    let x = Tensor::new(tokens, &Device::Cpu)?.unsqueeze(0)?;
    // Its best form: with candle's own threads awake.
    let y = Device::Cpu.with_context(|| model.forward(&x, at))?;
    y.flatten_all()?.to_vec1::<f32>().map(drop)
}

fn report(test: &str, threads: usize, rates: &[f64]) {
    let rates: Vec<String> = rates.iter().map(|r| format!("{r:.2}")).collect();
    println!(r#"{{"test":"{test}","threads":{threads},"tokens_per_second":[{}]}}"#, rates.join(","));
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, rest @ ..] = arguments.as_slice() else {
        return Err("MODEL.gguf THREADS PROMPT GENERATE DEPTH REPEAT".into());
    };
    let numbers = rest.iter().map(|a| a.parse::<usize>()).collect::<std::result::Result<Vec<_>, _>>()?;
    let &[threads, prompt, generate, depth, repeat] = numbers.as_slice() else {
        return Err("MODEL.gguf THREADS PROMPT GENERATE DEPTH REPEAT".into());
    };
    let mut file = std::fs::File::open(path)?;
    let content = gguf_file::Content::read(&mut file)?;
    let mut model = ModelWeights::from_gguf(content, &mut file, &Device::Cpu)?;
    let mut seed = 1;
    if prompt > 0 {
        let mut rates = Vec::new();
        for _ in 0..=repeat {
            let text = tokens(prompt, &mut seed);
            let start = Instant::now();
            feed(&mut model, &text, 0)?;
            rates.push(prompt as f64 / start.elapsed().as_secs_f64());
        }
        report(&format!("pp{prompt}"), threads, &rates[1..]);
    }
    if generate > 0 {
        let mut rates = Vec::new();
        // Filling the depth warms it up; from an empty cache the first run does.
        let warm = usize::from(depth == 0);
        feed(&mut model, &tokens(depth.max(1), &mut seed), 0)?;
        for _ in 0..repeat + warm {
            // Shares the weights and the filled cache, which grows by copying.
            let mut model = model.clone();
            let start = Instant::now();
            for (i, token) in tokens(generate, &mut seed).iter().enumerate() {
                feed(&mut model, std::slice::from_ref(token), depth.max(1) + i)?;
            }
            rates.push(generate as f64 / start.elapsed().as_secs_f64());
        }
        let at = if depth > 0 { format!("@{depth}") } else { String::new() };
        report(&format!("tg{generate}{at}"), threads, &rates[warm..]);
    }
    Ok(())
}
