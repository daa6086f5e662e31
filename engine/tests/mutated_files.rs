//! Three thousand damaged model files: no crash, no hang, no allocation beyond the file's size and a constant.
//!
//! One test in a binary of its own, because the allocator counts the whole process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use minerva_engine::Control;
use minerva_engine::convert::requantize;
use minerva_engine::format::gguf::{Value, ValueType, Writer};
use minerva_engine::format::{DType, Metadata, dequantize, detect, open, quantize, safetensors};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The system's allocator, with a count of live bytes, their peak, and the largest request.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a header may cost beyond its file: its names, shapes and values as structures, and errors.
const SLACK: usize = 1 << 20;
const FILES: usize = 3_000;

fn gguf(path: &Path) {
    let mut writer = Writer::new();
    writer.metadata("general.architecture", "llama").unwrap();
    writer.metadata("general.alignment", 32_u32).unwrap();
    writer.metadata("llama.block_count", 2_u32).unwrap();
    writer.metadata("llama.rope.freq_base", 10_000.0_f32).unwrap();
    let tokens: Vec<String> = (0..300).map(|i| format!("token{i}")).collect();
    writer.metadata("tokenizer.ggml.tokens", tokens).unwrap();
    writer.metadata("tokenizer.ggml.scores", vec![0.5_f32; 300]).unwrap();
    let bytes = Value::Array { of: ValueType::U8, values: (0..200).map(Value::U8).collect() };
    writer.metadata("bytes", bytes).unwrap();
    let values: Vec<f32> = (0..512).map(|i| (i as f32).sin()).collect();
    for (i, dtype) in [DType::F32, DType::F16, DType::Q4_0, DType::Q8_0, DType::Q4_K, DType::Q6_K].iter().enumerate() {
        let data = quantize(&values, *dtype).unwrap();
        writer.tensor(&format!("blk.{i}.attn_q.weight"), *dtype, &[2, 256], data).unwrap();
    }
    writer.write(path).unwrap();
}

fn safe(path: &Path) {
    let (wide, narrow) = ([1_u8; 4096], [2_u8; 600]);
    let mut tensors: Vec<safetensors::SaveTensor> =
        vec![("model.embed_tokens.weight", DType::F32, &[32, 32], &wide), ("b", DType::BF16, &[300], &narrow)];
    let names: Vec<String> = (0..20).map(|i| format!("model.layers.{i}.mlp.up_proj.weight")).collect();
    tensors.extend(names.iter().map(|n| (n.as_str(), DType::U8, &[2_usize, 3][..], &narrow[..6])));
    let metadata: Metadata = [("format".to_owned(), "pt".into())].into_iter().collect();
    safetensors::save(path, &tensors, &metadata).unwrap();
}

/// One to four of: flipped bits, a cut, an inflated length, a piece copied elsewhere, a piece removed or inserted.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], rng: &mut ChaCha8Rng) {
    for _ in 0..rng.random_range(1..=4) {
        if bytes.is_empty() {
            return;
        }
        // Most damage goes where it hurts: to the header.
        let reach = if rng.random_bool(0.8) { bytes.len().min(6_000) } else { bytes.len() };
        let at = rng.random_range(0..reach);
        let n = rng.random_range(1..=64).min(bytes.len() - at);
        match rng.random_range(0..7) {
            0 => (0..rng.random_range(1..=8)).for_each(|_| {
                let i = rng.random_range(0..reach);
                bytes[i] ^= 1 << rng.random_range(0..8);
            }),
            1 => bytes.truncate(at),
            2 => {
                // A length, a count, a dimension or an offset becomes an edge value.
                let edges =
                    [0, 1, 0xFF, 1 << 16, 1 << 31, 1 << 32, 1 << 40, 1 << 62, 1 << 63, u64::MAX, rng.next_u64()];
                let value = edges[rng.random_range(0..edges.len())].to_le_bytes();
                let width = [1, 2, 4, 8][rng.random_range(0..4)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&value[..width]);
            }
            3 => {
                let from = rng.random_range(0..=bytes.len() - n);
                bytes.copy_within(from..from + n, at);
            }
            4 => drop(bytes.drain(at..at + n)),
            5 => {
                let piece = bytes[at..at + n].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let from = rng.random_range(0..other.len());
                let piece = &other[from..other.len().min(from + 200)];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
}

/// Everything that reading can do with a file. Returns whether it opened.
fn use_file(path: &Path) -> bool {
    if detect(path).is_err() {
        return false;
    }
    let Ok(file) = open(path) else { return false };
    let _ = file.metadata().len();
    for (i, info) in file.tensors().iter().enumerate() {
        let bytes = file.data(i).expect("an opened file has its data");
        assert_eq!(bytes.len() as u64, info.bytes);
        assert_eq!(file.index_of(&info.name).expect("listed"), i);
        assert_eq!(info.dtype.bytes_for(info.elements()), Some(info.bytes));
        if info.dtype.computable().is_ok() && info.elements() <= 1 << 16 {
            let mut out = vec![0.0; info.elements()];
            dequantize(info.dtype, bytes, &mut out).expect("a computable tensor of the right length");
        }
    }
    true
}

#[test]
fn damaged_files_are_refused_or_read_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    gguf(&at("whole.gguf"));
    safe(&at("whole.safetensors"));
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/pytorch");
    std::fs::copy(fixtures.join("views.pt"), at("whole.pt")).unwrap();
    let whole = ["whole.gguf", "whole.safetensors", "whole.pt"].map(at);
    assert!(whole.iter().all(|path| use_file(path)), "the whole files open");
    let originals = whole.map(|path| std::fs::read(path).unwrap());

    let (mut opened, mut slowest, mut largest) = (0, Duration::ZERO, 0);
    for seed in 0..FILES {
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let kind = seed % originals.len();
        let mut bytes = originals[kind].clone();
        mutate(&mut bytes, &originals[(kind + 1) % originals.len()], &mut rng);
        let path = at("damaged");
        std::fs::write(&path, &bytes).unwrap();
        let size = bytes.len();
        drop(bytes);

        let before = LIVE.load(Relaxed);
        PEAK.store(before, Relaxed);
        let start = Instant::now();
        let whole = use_file(&path);
        let (took, peak) = (start.elapsed(), PEAK.load(Relaxed).saturating_sub(before));
        assert!(peak <= size + SLACK, "seed {seed}: {peak} bytes allocated for a file of {size}");
        // Thousands of times what it takes; what would go on for ever is found.
        assert!(took < Duration::from_secs(20), "seed {seed}: took {took:?}");
        opened += usize::from(whole);
        slowest = slowest.max(took);
        largest = largest.max(peak);
        if whole && kind == 0 && seed % 20 == 0 {
            // Rewriting may refuse values that are not finite; it must not do anything worse.
            let _ = requantize(&path, at("again"), DType::Q8_0, &Control::default());
        }
    }
    // Damage to weights and names leaves a file readable, damage to structure does not: both must have been tried.
    println!("{opened} of {FILES} opened; slowest {slowest:?}, largest allocation {largest} bytes");
    assert!((FILES / 50..FILES / 2).contains(&opened), "{opened} of {FILES} opened");
}
