//! Writes a GGUF file of Llama 3.2 1B's shape with random weights: to measure a size for which there is no download.
//!
//!     cargo run --release --workspace --example random_model -- OUT.gguf Q4_0
//!
//! With `mixed` instead of a type: Q4_K, and Q6_K for the embedding, as Q4_K_M files are in the main. The values of one
//! stretch of normal numbers are repeated, so that the file takes seconds to make; speed does not depend on them.

use minerva_engine::format::gguf::{Value, Writer};
use minerva_engine::format::{DType, quantize};
use minerva_engine::transformer::bindings::expected;
use minerva_engine::transformer::{Names, Naming, Norm, Rope, RopeScaling, RopeStyle, Sizes, Spec};
use minerva_engine::{Error, Result};
use rand::{RngExt, SeedableRng};

/// Values that are repeated.
const STRETCH: usize = 1 << 20;

fn spec() -> Result<Spec> {
    let sizes = Sizes {
        vocab: 128_256,
        hidden: 2048,
        mlp: 8192,
        layers: 16,
        heads: 32,
        kv_heads: 8,
        head_dim: 64,
        context: 4096,
    };
    let mut spec = Spec::plain(sizes, Norm::rms(1e-5))?;
    spec.use_rope(Rope { theta: 500_000.0, dims: 64, style: RopeStyle::Interleaved, scaling: RopeScaling::None });
    spec.architecture = "llama".into();
    spec.tied = true;
    Ok(spec)
}

fn write(path: &str, kind: &str) -> Result<()> {
    let (blocks, embedding) = match kind {
        "mixed" => (DType::Q4_K, DType::Q6_K),
        other => {
            let dtype = DType::from_name(other).ok_or_else(|| Error::argument("type", "a storage type", other))?;
            (dtype, dtype)
        }
    };
    let spec = spec()?;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    // Sums of twelve uniform numbers are normal enough.
    let values: Vec<f32> =
        (0..STRETCH).map(|_| (0..12).map(|_| rng.random::<f32>() - 0.5).sum::<f32>() * 0.02).collect();
    let stretches = [blocks, embedding].map(|dtype| quantize(&values, dtype));
    let [in_blocks, in_embedding] = stretches;
    let (in_blocks, in_embedding) = (in_blocks?, in_embedding?);

    let mut file = Writer::new();
    let size = |n: usize| Value::U32(n as u32);
    file.metadata("general.architecture", Value::String("llama".into()))?;
    file.metadata("tokenizer.ggml.model", Value::String("none".into()))?;
    for (key, value) in [
        ("vocab_size", size(spec.vocab_size)),
        ("context_length", size(spec.context_trained)),
        ("embedding_length", size(spec.hidden_size)),
        ("block_count", size(spec.layers.len())),
        ("feed_forward_length", size(spec.mlp.size)),
        ("attention.head_count", size(spec.heads)),
        ("attention.head_count_kv", size(spec.kv_heads)),
        ("attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("rope.dimension_count", size(spec.head_dim)),
        ("rope.freq_base", Value::F32(500_000.0)),
    ] {
        file.metadata(&format!("llama.{key}"), value)?;
    }
    for e in expected(&spec, &Names::of(&spec, Naming::Gguf)) {
        let count: usize = e.shape.iter().product();
        if e.shape.len() == 1 {
            file.tensor(&e.name, DType::F32, &e.shape, quantize(&vec![1.0; count], DType::F32)?)?;
            continue;
        }
        let (dtype, stretch) =
            if e.name.starts_with("token_embd") { (embedding, &in_embedding) } else { (blocks, &in_blocks) };
        let length = dtype.bytes_for(count).unwrap_or(0) as usize;
        let bytes = stretch.iter().copied().cycle().take(length).collect::<Vec<u8>>();
        file.tensor(&e.name, dtype, &e.shape, bytes)?;
    }
    file.write(path)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [path, kind] => write(path, kind),
        _ => Err(Error::argument("arguments", "OUT.gguf TYPE", format!("{arguments:?}"))),
    };
    if let Err(e) = done {
        eprintln!("error: {e}");
        std::process::exit(1);
    }
}
