//! What `Backend` and `Sequence` promise.

use super::tiny::{Noise, TINY};
use super::{load_file, nmse, tiny_model};
use minerva_engine::backend::llama_cpp::{CacheType, Device, FlashAttention, LlamaOptions, load, memory_needs};
use minerva_engine::backend::{BackendKind, Rows, Sequence};
use minerva_engine::{Control, Error, Event, Interrupt, format};
use std::sync::{Arc, Mutex};

/// The same tokens in other batches go through other kernels, and with a cache of 16-bit floats that shows.
const SAME: f64 = 1e-4;

fn all(sequence: &mut dyn Sequence, tokens: &[u32]) -> Vec<f32> {
    sequence.feed(tokens, Rows::All, &Control::default()).unwrap().into_data()
}

#[test]
fn a_load_says_what_it_loaded_and_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TINY.write(&path);
    let file = format::open(&path).unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = events.clone();
    let control = Control::new(Interrupt::default(), move |e| {
        if let Event::Progress { label, done, total, unit } = e {
            seen.lock().unwrap().push((label, done, total, unit));
        }
    });
    let options = LlamaOptions { device: Device::Cpu, threads: Some(2), ..Default::default() };
    let model = load(&*file, &options, &control).unwrap();
    let weights: u64 = file.tensors().iter().map(|t| t.bytes).sum();
    let events = events.lock().unwrap();
    assert!(events.iter().all(|(label, done, ..)| label == "load tiny.gguf" && *done <= weights), "{events:?}");
    assert_eq!(events.iter().filter(|(_, done, total, _)| done == total).count(), 1);
    assert_eq!(events.last().unwrap(), &("load tiny.gguf".to_owned(), weights, weights, "B"));

    let info = model.info();
    assert_eq!(model.kind(), BackendKind::LlamaCpp);
    assert_eq!((info.architecture.as_str(), info.name.as_str()), ("llama", "Tiny"));
    assert_eq!((info.vocab_size, info.hidden_size, info.layers), (101, 64, 2));
    assert_eq!((info.heads, info.kv_heads), (4, 2));
    assert_eq!((info.context, info.context_trained), (2048, 2048));
    assert_eq!((info.dtype.as_str(), info.device.as_str(), info.threads), ("F32", "cpu", 2));
    assert_eq!(info.parameters, weights / 4);
    // two layers of keys and values, 2 heads of 16 each, f16
    assert_eq!(info.kv_bytes_per_token, 2 * 2 * 32 * 2);
    // llama.cpp tells its buffers in hundredths of a MiB, and maps whole pages
    assert!(info.bytes_mapped.abs_diff(weights) < 12_000, "{} of {weights}", info.bytes_mapped);
    assert_eq!(info.bytes_allocated, 0);

    let needs = memory_needs(&*file, &options).unwrap();
    assert_eq!((needs.weights, needs.kv), (weights, info.kv_bytes_per_token * 2048));
    assert!(needs.total() > needs.weights + needs.kv);
}

#[test]
fn an_interrupt_stops_a_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TINY.write(&path);
    let control = Control::default();
    control.interrupt.raise();
    let result = load(&*format::open(&path).unwrap(), &LlamaOptions::default(), &control);
    assert!(matches!(result, Err(Error::Interrupted)), "{result:?}");
    // in the middle, from the progress callback itself
    let interrupt = Interrupt::default();
    let flag = interrupt.clone();
    let control = Control::new(interrupt, move |_| flag.raise());
    let result = load(&*format::open(&path).unwrap(), &LlamaOptions::default(), &control);
    assert!(matches!(result, Err(Error::Interrupted)), "{result:?}");
}

#[test]
fn rows_are_those_asked_for_however_the_tokens_are_fed() {
    let model = tiny_model(1024);
    let tokens = Noise(7).tokens(600, TINY.vocab);
    let control = Control::default();
    let mut whole = model.sequence().unwrap();
    let every = whole.feed(&tokens, Rows::All, &control).unwrap();
    assert_eq!((every.rows(), every.vocab()), (600, 101));
    assert_eq!(whole.tokens(), tokens);
    let mut last = model.sequence().unwrap();
    let row = last.feed(&tokens, Rows::Last, &control).unwrap();
    assert_eq!(row.rows(), 1);
    let error = nmse(row.data(), every.last().unwrap());
    assert!(error < SAME, "{error:e}");
    let mut none = model.sequence().unwrap();
    assert_eq!(none.feed(&tokens[..599], Rows::None, &control).unwrap().rows(), 0);
    let row = none.feed(&tokens[599..], Rows::Last, &control).unwrap();
    let error = nmse(row.data(), every.last().unwrap());
    assert!(error < SAME, "{error:e}");
    let mut single = model.sequence().unwrap();
    for (i, token) in tokens.iter().take(40).enumerate() {
        let row = single.feed(&[*token], Rows::Last, &control).unwrap();
        assert!(nmse(row.data(), every.row(i).unwrap()) < SAME, "row {i}");
    }
    assert_eq!(single.feed(&[], Rows::Last, &control).unwrap().rows(), 0);
}

#[test]
fn truncating_is_as_if_the_tokens_had_never_come() {
    let model = tiny_model(512);
    let tokens = Noise(8).tokens(200, TINY.vocab);
    let mut sequence = model.sequence().unwrap();
    all(&mut *sequence, &tokens[..100]);
    let straight = all(&mut *sequence, &tokens[100..120]);
    sequence.truncate(100).unwrap();
    all(&mut *sequence, &tokens[150..170]);
    sequence.truncate(100).unwrap();
    assert_eq!(sequence.tokens(), &tokens[..100]);
    assert_eq!(all(&mut *sequence, &tokens[100..120]), straight);
    let e = sequence.truncate(121).unwrap_err().to_string();
    assert!(e.contains("120") && e.contains("121"), "{e}");
    sequence.truncate(0).unwrap();
    assert!(sequence.is_empty());
    let mut fresh = model.sequence().unwrap();
    assert_eq!(all(&mut *sequence, &tokens[..50]), all(&mut *fresh, &tokens[..50]));
}

#[test]
fn forks_go_their_own_ways() {
    let model = tiny_model(512);
    let tokens = Noise(9).tokens(300, TINY.vocab);
    let mut root = model.sequence().unwrap();
    all(&mut *root, &tokens[..100]);
    let mut a = root.fork().unwrap();
    let mut b = a.fork().unwrap();
    let of_a = all(&mut *a, &tokens[100..140]);
    let of_b = all(&mut *b, &tokens[200..240]);
    root.truncate(50).unwrap();
    let of_root = all(&mut *root, &tokens[260..290]);
    assert_eq!((root.len(), a.len(), b.len()), (80, 140, 140));
    for (prefix, more, found) in
        [(100, &tokens[100..140], of_a), (100, &tokens[200..240], of_b), (50, &tokens[260..290], of_root)]
    {
        let mut alone = model.sequence().unwrap();
        alone.feed(&tokens[..prefix], Rows::None, &Control::default()).unwrap();
        assert!(nmse(&all(&mut *alone, more), &found) < SAME);
    }
    drop(root);
    assert!(nmse(&all(&mut *a, &tokens[..10]), &all(&mut *b, &tokens[..10])) > 1e-3, "different pasts");
}

#[test]
fn forks_that_outgrow_their_common_cache_move_out() {
    // 256 cells: three sequences of 250 tokens, 100 of them common, need 550.
    let model = tiny_model(256);
    let mut noise = Noise(10);
    let common = noise.tokens(100, TINY.vocab);
    let mut root = model.sequence().unwrap();
    all(&mut *root, &common);
    let mut sequences = [root.fork().unwrap(), root.fork().unwrap(), root];
    let tails: Vec<_> = sequences.iter().map(|_| noise.tokens(150, TINY.vocab)).collect();
    for part in 0..3 {
        for (sequence, tail) in sequences.iter_mut().zip(&tails) {
            sequence.feed(&tail[part * 50..(part + 1) * 50], Rows::None, &Control::default()).unwrap();
        }
    }
    for (sequence, tail) in sequences.iter_mut().zip(&tails) {
        assert_eq!(sequence.len(), 250);
        let found = all(&mut **sequence, &[5, 6]);
        let mut alone = model.sequence().unwrap();
        alone.feed(&[&common[..], tail].concat(), Rows::None, &Control::default()).unwrap();
        let error = nmse(&found, &all(&mut *alone, &[5, 6]));
        assert!(error < SAME, "{error:e}");
    }
}

#[test]
fn more_forks_than_a_cache_can_tell_apart() {
    let model = tiny_model(256);
    let mut root = model.sequence().unwrap();
    all(&mut *root, &[1, 2, 3]);
    let mut forks: Vec<_> = (0..40).map(|_| root.fork().unwrap()).collect();
    let expected = all(&mut *root, &[4]);
    let mut last = forks.pop().unwrap();
    assert_eq!(last.tokens(), &[1, 2, 3]);
    assert!(nmse(&all(&mut *last, &[4]), &expected) < SAME);
    // ids come back
    forks.clear();
    assert_eq!(root.fork().unwrap().len(), 4);
}

#[test]
fn bad_tokens_and_a_full_context_are_refused_and_nothing_changes() {
    let model = tiny_model(100);
    let control = Control::default();
    let mut sequence = model.sequence().unwrap();
    sequence.feed(&[1; 90], Rows::None, &control).unwrap();
    let e = sequence.feed(&[1; 11], Rows::Last, &control).unwrap_err();
    assert!(matches!(e, Error::ContextOverflow { tokens: 101, context: 100 }), "{e}");
    let e = sequence.feed(&[1, 101], Rows::Last, &control).unwrap_err().to_string();
    assert!(e.contains("101"), "{e}");
    assert!(sequence.feed(&[u32::MAX], Rows::Last, &control).is_err());
    assert_eq!(sequence.len(), 90);
    assert_eq!(sequence.feed(&[1; 10], Rows::Last, &control).unwrap().rows(), 1);
    let mut fresh = model.sequence().unwrap();
    assert!(matches!(fresh.feed(&[0; 101], Rows::None, &control), Err(Error::ContextOverflow { .. })));
}

#[test]
fn logits_that_are_not_numbers_are_an_error_and_the_model_lives_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nan.gguf");
    let poison = |name: &str, values: &mut Vec<f32>| {
        if name == "token_embd.weight" {
            values[13 * TINY.hidden..14 * TINY.hidden].fill(f32::NAN);
        }
    };
    TINY.write_with(&path, |_| {}, poison);
    let model = load_file(&path, &LlamaOptions::default()).unwrap();
    let mut sequence = model.sequence().unwrap();
    all(&mut *sequence, &[1, 2]);
    let e = sequence.feed(&[3, 13], Rows::All, &Control::default()).unwrap_err();
    assert!(matches!(&e, Error::Numeric(text) if text.contains("position 3")), "{e}");
    assert_eq!(sequence.tokens(), &[1, 2]);
    let after = all(&mut *sequence, &[4]);
    let mut fresh = model.sequence().unwrap();
    all(&mut *fresh, &[1, 2]);
    assert_eq!(after, all(&mut *fresh, &[4]));
}

#[test]
fn sequences_of_one_model_run_on_many_threads() {
    let model = tiny_model(512);
    let tokens = Noise(11).tokens(200, TINY.vocab);
    let mut alone = model.sequence().unwrap();
    let expected = all(&mut *alone, &tokens);
    let root = model.sequence().unwrap();
    std::thread::scope(|scope| {
        for i in 0..6 {
            // half of them share one context, half have their own
            let mut sequence = if i % 2 == 0 { root.fork().unwrap() } else { model.sequence().unwrap() };
            let (tokens, expected) = (&tokens, &expected);
            scope.spawn(move || {
                for _ in 0..5 {
                    let found = all(&mut *sequence, tokens);
                    assert!(nmse(&found, expected) < SAME);
                    sequence.truncate(0).unwrap();
                }
            });
        }
    });
}

#[test]
fn the_cache_type_changes_the_numbers_a_little_and_the_memory_as_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    // q8_0 needs heads of whole blocks
    super::tiny::Tiny { heads: 2, kv_heads: 1, ..TINY }.write(&path);
    let tokens = Noise(12).tokens(100, TINY.vocab);
    let run = |cache_type| {
        // Flash attention would round a cache of f32 to f16.
        let flash_attention = if cache_type == CacheType::F32 { FlashAttention::Off } else { FlashAttention::Auto };
        let options = LlamaOptions { cache_type, flash_attention, ..Default::default() };
        let model = load_file(&path, &options).unwrap();
        (all(&mut *model.sequence().unwrap(), &tokens), model.info().kv_bytes_per_token)
    };
    let (exact, bytes) = run(CacheType::F32);
    assert_eq!(bytes, 2 * 2 * 32 * 4);
    for (cache_type, limit, expected) in [
        (CacheType::F16, SAME, 2 * 2 * 32 * 2),
        (CacheType::BF16, 1e-3, 2 * 2 * 32 * 2),
        (CacheType::Q8_0, 1e-3, 2 * 2 * 34),
    ] {
        let (found, bytes) = run(cache_type);
        let error = nmse(&found, &exact);
        assert!(error < limit && error > 0.0, "{cache_type:?}: {error:e}");
        assert_eq!(bytes, expected, "{cache_type:?}");
    }
}
