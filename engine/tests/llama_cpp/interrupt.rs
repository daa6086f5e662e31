//! An interrupt is answered in the middle of a prompt, and leaves a sequence that can be used on.

use super::load_file;
use super::nmse;
use super::tiny::{Noise, Tiny};
use minerva_engine::backend::Rows;
use minerva_engine::backend::llama_cpp::LlamaOptions;
use minerva_engine::{Control, Error};
use std::time::Duration;

#[test]
fn a_prompt_is_interrupted_and_the_sequence_goes_on() {
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

    let interrupt = control.interrupt.clone();
    let timer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(150));
        interrupt.raise();
    });
    let start = sequence.len();
    let result = sequence.feed(&tokens[start..], Rows::Last, &control);
    timer.join().unwrap();
    assert!(matches!(result, Err(Error::Interrupted)), "8,000 tokens are fed in less than 150 ms");
    control.interrupt.clear();
    assert!(sequence.len() < tokens.len());

    // Whatever was kept is a prefix of the prompt, and what follows is what a fresh sequence gives.
    let len = sequence.len();
    assert_eq!(sequence.tokens(), &tokens[..len]);
    let more = sequence.feed(&tokens[len..len + 16], Rows::All, &control).unwrap();
    let mut fresh = model.sequence().unwrap();
    fresh.feed(&tokens[..len], Rows::None, &control).unwrap();
    let expected = fresh.feed(&tokens[len..len + 16], Rows::All, &control).unwrap();
    assert!(nmse(more.data(), expected.data()) < 1e-4);
}
