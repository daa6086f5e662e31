//! llama.cpp's own tokenizer vectors: for each vocabulary, texts and the tokens that llama.cpp makes of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use minerva_engine::format::TensorFile;
use minerva_engine::format::gguf::GgufFile;
use minerva_engine::tokenizer::{Encode, Tokenizer};
use std::path::{Path, PathBuf};

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tokenizer-vectors")
}

fn vocabulary(name: &str) -> Tokenizer {
    let path = vectors().join(format!("ggml-vocab-{name}.gguf"));
    let file = GgufFile::open(&path).unwrap();
    Tokenizer::from_gguf(file.metadata(), &path).unwrap()
}

/// The cases of one vocabulary: text and expected tokens.
fn cases(name: &str) -> Vec<(String, Vec<u32>)> {
    let read = |end| std::fs::read_to_string(vectors().join(format!("ggml-vocab-{name}.gguf.{end}"))).unwrap();
    let (texts, tokens) = (read("inp"), read("out"));
    let texts: Vec<&str> = texts.split("\n__ggml_vocab_test__\n").collect();
    let tokens: Vec<&str> = tokens.lines().collect();
    // llama.cpp drops what follows the last separator.
    assert_eq!(texts.len(), tokens.len() + 1, "{name}");
    let ids = |line: &str| line.split_whitespace().map(|id| id.parse().unwrap()).collect();
    texts.iter().zip(tokens).map(|(text, line)| ((*text).to_owned(), ids(line))).collect()
}

fn check(name: &str, lossless: bool) {
    let tokenizer = vocabulary(name);
    let cases = cases(name);
    assert!(cases.len() > 40);
    for (text, expected) in cases {
        let found = tokenizer.encode(&text, Encode::PLAIN).unwrap();
        assert_eq!(found, expected, "{name}: {text:?}");
        let mut stream = tokenizer.stream();
        let mut streamed: String = found.iter().map(|&id| stream.push(id).unwrap()).collect();
        streamed.push_str(&stream.finish());
        // A stream is the middle of a text: it keeps the space that SentencePiece and BERT put in front.
        let decoded = tokenizer.decode(&found, true).unwrap();
        assert!(streamed == decoded || streamed == format!(" {decoded}"), "{name}: {streamed:?}, {decoded:?}");
        if lossless {
            assert_eq!(decoded, text, "{name}");
        }
    }
}

#[test]
fn gpt_2() {
    check("gpt-2", true);
}

#[test]
fn qwen2() {
    check("qwen2", true);
}

#[test]
fn llama_spm() {
    check("llama-spm", true);
}

#[test]
fn bert_bge() {
    check("bert-bge", false);
}

#[test]
fn special_tokens_are_added_and_read_on_request() {
    let llama = vocabulary("llama-spm");
    assert_eq!(llama.encode("Hello", Encode::PROMPT).unwrap(), [1, 15043]);
    assert_eq!(llama.encode("", Encode::PROMPT).unwrap(), [1]);
    assert_eq!(llama.encode("</s>", Encode::PART).unwrap(), [2]);
    assert_ne!(llama.encode("</s>", Encode::PLAIN).unwrap(), [2]);
    assert_eq!(llama.encode_chat("<s>Hi").unwrap(), llama.encode("Hi", Encode::PROMPT).unwrap());
    assert!(llama.add_bos() && llama.is_end_of_generation(2) && llama.is_special(1));
    assert_eq!(llama.decode(&[1, 15043], true).unwrap(), "Hello");
    assert_eq!(llama.decode(&[1, 15043], false).unwrap(), "<s>Hello");

    let bert = vocabulary("bert-bge");
    assert_eq!(bert.encode("Hello", Encode::PROMPT).unwrap(), [101, 7592, 102]);
    assert_eq!(bert.decode(&[101, 7592, 2088, 102], true).unwrap(), "hello world");

    let qwen = vocabulary("qwen2");
    let end = qwen.id("<|im_end|>").unwrap();
    assert_eq!(qwen.encode("a<|im_end|>\n", Encode::PART).unwrap()[1], end);
    assert!(qwen.is_end_of_generation(end) && !qwen.add_bos());
}

#[test]
fn ids_outside_the_vocabulary_are_errors() {
    for name in ["gpt-2", "llama-spm", "bert-bge", "qwen2"] {
        let tokenizer = vocabulary(name);
        let size = tokenizer.vocab_size() as u32;
        for id in [size, u32::MAX] {
            let error = tokenizer.decode(&[0, id], true).unwrap_err().to_string();
            assert!(error.contains("below") && error.contains(&id.to_string()), "{error}");
            assert!(tokenizer.stream().push(id).is_err());
            assert!(tokenizer.token_bytes(id).is_err());
            assert_eq!(tokenizer.piece(id), None);
        }
        tokenizer.check_fits(size as usize).unwrap();
        tokenizer.check_fits(size as usize + 64).unwrap();
        let error = tokenizer.check_fits(size as usize - 1).unwrap_err().to_string();
        assert!(error.contains("rows") && error.contains("help:"), "{error}");
    }
}

#[test]
fn every_token_has_a_piece_and_bytes() {
    for name in ["gpt-2", "llama-spm", "bert-bge", "qwen2"] {
        let tokenizer = vocabulary(name);
        for id in 0..tokenizer.vocab_size() as u32 {
            let piece = tokenizer.piece(id).unwrap();
            assert_eq!(tokenizer.id(&piece), Some(id));
            assert!(tokenizer.token_bytes(id).unwrap().is_some());
        }
    }
}

#[test]
fn a_megabyte_takes_no_time() {
    let text = "Before we proceed any further, hear me speak: 1234 things!\n\n\tYou are all resolved rather to die… "
        .repeat(10_000);
    for name in ["gpt-2", "llama-spm", "bert-bge", "qwen2"] {
        let tokenizer = vocabulary(name);
        let start = std::time::Instant::now();
        let tokens = tokenizer.encode(&text, Encode::PLAIN).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        println!("{name}: {} bytes, {} tokens, {seconds:.3} s", text.len(), tokens.len());
        // Loose enough for a busy machine, tight enough to catch an algorithm that is not near-linear.
        assert!(seconds < 5.0, "{name}: {seconds} s");
    }
}

/// A GGUF vocabulary written as the hub has it, read again by the `tokenizers` crate, makes the same tokens.
#[test]
fn the_hubs_form_of_a_vocabulary_makes_the_same_tokens() {
    for name in ["gpt-2", "llama-spm", "qwen2"] {
        let from = vocabulary(name);
        let [(_, tokenizer), (_, config), (_, generation)] = from.hub_files().unwrap();
        let bytes = serde_json::to_vec(&tokenizer).unwrap();
        let hub = Tokenizer::from_json_bytes(&bytes, "tokenizer.json", Some(&config)).unwrap();
        assert_eq!((hub.bos(), hub.eos(), hub.add_bos()), (from.bos(), from.eos(), from.add_bos()), "{name}");
        assert_eq!(generation["eos_token_id"].as_array().unwrap().len(), from.end_of_generation().count());
        let mut differing = Vec::new();
        for (text, expected) in cases(name) {
            for how in [Encode::PLAIN, Encode::PROMPT] {
                let (ours, theirs) = (from.encode(&text, how).unwrap(), hub.encode(&text, how).unwrap());
                if ours != theirs {
                    differing.push((text.clone(), ours, theirs));
                }
            }
            assert_eq!(hub.decode(&expected, true).unwrap(), text, "{name}");
        }
        assert!(differing.is_empty(), "{name}: {differing:?}");
    }
    let error = vocabulary("bert-bge").hub_files().unwrap_err().to_string();
    assert!(error.contains("tokenizer.json") && error.contains("help:"), "{error}");
}
