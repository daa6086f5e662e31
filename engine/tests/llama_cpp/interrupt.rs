//! An interrupt is answered within 100 ms, in the middle of a prompt too, and leaves a sequence that can be used on.

use super::load_file;
use super::nmse;
use super::tiny::{Noise, Tiny};
use minerva_engine::backend::Rows;
use minerva_engine::backend::llama_cpp::LlamaOptions;
use minerva_engine::{Control, Error};
use std::time::{Duration, Instant};

#[test]
fn a_prompt_is_interrupted_in_time_and_the_sequence_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slow.gguf");
    // Slow enough on any machine: attention over 8,000 tokens in every layer.
    let slow = Tiny { hidden: 256, layers: 6, heads: 16, kv_heads: 16, feed_forward: 512, vocab: 500, context: 8192 };
    slow.write(&path);
    let options = LlamaOptions { context: Some(8192), threads: Some(2), ..Default::default() };
    let model = load_file(&path, &options).unwrap();
    let tokens = Noise(3).tokens(8192, slow.vocab);
    let mut sequence = model.sequence().unwrap();
    let control = Control::default();
    sequence.feed(&tokens[..64], Rows::None, &control).unwrap();

    let mut raised = None;
    let mut latency = Duration::MAX;
    // A machine busy with something else may be late once.
    for _ in 0..3 {
        let interrupt = control.interrupt.clone();
        let timer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(150));
            let now = Instant::now();
            interrupt.raise();
            now
        });
        let start = sequence.len();
        let result = sequence.feed(&tokens[start..], Rows::Last, &control);
        let returned = Instant::now();
        let at = timer.join().unwrap();
        assert!(matches!(result, Err(Error::Interrupted)), "8,000 tokens are fed in less than 150 ms");
        control.interrupt.clear();
        raised = Some(at);
        latency = latency.min(returned.duration_since(at));
        sequence.truncate(64.max(sequence.len() / 2)).unwrap();
        if latency < Duration::from_millis(100) {
            break;
        }
    }
    assert!(raised.is_some() && latency < Duration::from_millis(100), "answered after {latency:?}");

    // Whatever was kept is a prefix of the prompt, and what follows is what a fresh sequence gives.
    let len = sequence.len();
    assert_eq!(sequence.tokens(), &tokens[..len]);
    let more = sequence.feed(&tokens[len..len + 16], Rows::All, &control).unwrap();
    let mut fresh = model.sequence().unwrap();
    fresh.feed(&tokens[..len], Rows::None, &control).unwrap();
    let expected = fresh.feed(&tokens[len..len + 16], Rows::All, &control).unwrap();
    assert!(nmse(more.data(), expected.data()) < 1e-4);
}
