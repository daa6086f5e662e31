//! `tokenizer.json`, and the same byte pair model from a GGUF vocabulary: equal tokens, equal texts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use minerva_engine::format::{Metadata, TensorFile, gguf::GgufFile};
use minerva_engine::tokenizer::{Encode, Tokenizer};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn gguf(name: &str) -> (Metadata, PathBuf) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tokenizer-vectors");
    let path = folder.join(format!("ggml-vocab-{name}.gguf"));
    (GgufFile::open(&path).unwrap().metadata().clone(), path)
}

/// The pattern of Qwen2's own `tokenizer.json`.
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A `tokenizer.json` with the vocabulary, merges and special tokens of a byte-level GGUF vocabulary.
fn byte_level_json(metadata: &Metadata, pattern: &str) -> Value {
    let list = |key: &str| metadata[key].as_array().unwrap().clone();
    let (tokens, kinds) = (list("tokenizer.ggml.tokens"), list("tokenizer.ggml.token_type"));
    let mut vocab = serde_json::Map::new();
    let mut added = Vec::new();
    for (id, (token, kind)) in tokens.iter().zip(&kinds).enumerate() {
        let token = token.as_str().unwrap();
        vocab.insert(token.to_owned(), json!(id));
        if kind.as_i64() == Some(3) {
            added.push(json!({"id": id, "content": token, "special": true, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false}));
        }
    }
    let merges: Vec<Value> = list("tokenizer.ggml.merges")
        .iter()
        .map(|m| json!(m.as_str().unwrap().split(' ').collect::<Vec<_>>()))
        .collect();
    json!({
        "version": "1.0", "truncation": {"max_length": 4, "stride": 0, "strategy": "LongestFirst", "direction": "Right"},
        "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}]},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges, "byte_fallback": false, "fuse_unk": false},
    })
}

fn random_text(rng: &mut ChaCha8Rng) -> String {
    const PARTS: &[&str] = &[
        "hello",
        " World",
        "don't",
        "WE'LL",
        "naïve",
        " Größe",
        "привет",
        "我想在",
        "日本語",
        "한국어",
        "🦙",
        "👩‍👩‍👧",
        "½",
        "12345",
        " ",
        "  ",
        "\n",
        "\n\n",
        "\t",
        "\r\n",
        "...",
        "—",
        "x=1;",
        "//",
        "e\u{301}",
        "<|im_start|>",
        "<|endoftext|>",
        "ẞ",
        "\u{3000}",
    ];
    (0..rng.random_range(1..40)).map(|_| PARTS[rng.random_range(0..PARTS.len())]).collect()
}

#[test]
fn the_same_model_from_gguf_and_from_json() {
    let (metadata, path) = gguf("qwen2");
    let ours = Tokenizer::from_gguf(&metadata, &path).unwrap();
    let bytes = serde_json::to_vec(&byte_level_json(&metadata, QWEN2)).unwrap();
    let config = json!({"eos_token": {"content": "<|im_end|>", "special": true}, "bos_token": null,
        "chat_template": [{"name": "default", "template": "D{{ eos_token }}"}, {"name": "tool_use", "template": "T"}]});
    let hub = Tokenizer::from_json_bytes(&bytes, "tokenizer.json", Some(&config)).unwrap();
    assert_eq!(hub.vocab_size(), ours.vocab_size());
    assert_eq!(hub.eos(), ours.id("<|im_end|>"));
    assert_eq!((hub.bos(), hub.add_bos()), (None, false));
    assert_eq!(hub.apply_chat_template(&[], &Default::default()).unwrap(), "D<|im_end|>");
    // By name alone, llama.cpp's rule also takes "</s>", which is ordinary text here.
    let end = ours.id("</s>").unwrap();
    assert!(ours.is_end_of_generation(end) && !hub.is_end_of_generation(end));
    assert!(hub.end_of_generation().eq(ours.end_of_generation().filter(|&id| id != end)));

    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for _ in 0..1000 {
        let text = random_text(&mut rng);
        for parse_special in [true, false] {
            let options = Encode { add_special: false, parse_special };
            let tokens = hub.encode(&text, options).unwrap();
            assert_eq!(ours.encode(&text, options).unwrap(), tokens, "{text:?} {parse_special}");
            assert_eq!(ours.decode(&tokens, false).unwrap(), text);
            assert_eq!(hub.decode(&tokens, false).unwrap(), text);
            assert_eq!(ours.decode(&tokens, true).unwrap(), hub.decode(&tokens, true).unwrap());
            for tokenizer in [&ours, &hub] {
                let mut stream = tokenizer.stream_with_special();
                let mut shown: String = tokens.iter().map(|&id| stream.push(id).unwrap()).collect();
                assert!(!shown.contains('\u{FFFD}'));
                shown += &stream.finish();
                assert_eq!(shown, text);
            }
        }
    }
    // Any tokens at all, also those that make no text.
    for _ in 0..500 {
        let tokens: Vec<u32> = (0..20).map(|_| rng.random_range(0..ours.vocab_size() as u32)).collect();
        let expected = hub.decode(&tokens, false).unwrap();
        assert_eq!(ours.decode(&tokens, false).unwrap(), expected);
        for tokenizer in [&ours, &hub] {
            let mut stream = tokenizer.stream_with_special();
            let mut shown: String = tokens.iter().map(|&id| stream.push(id).unwrap()).collect();
            shown += &stream.finish();
            assert_eq!(shown, expected);
        }
    }
    let outside = ours.vocab_size() as u32;
    assert!(hub.decode(&[outside], true).unwrap_err().to_string().contains("below"));
    assert!(hub.stream().push(outside).is_err() && hub.piece(outside).is_none());
}

#[test]
fn sentencepiece_and_wordpiece_decoders_stream() {
    let spm = json!({"version": "1.0", "truncation": null, "padding": null, "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "added_tokens": [{"id": 1, "content": "<s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
            {"id": 2, "content": "</s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}],
        "pre_tokenizer": null,
        "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "fuse_unk": true, "merges": [["▁", "a"]],
            "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "▁": 3, "a": 4, "▁a": 5, "<0xC3>": 6, "<0xA9>": 7, "b": 8}}});
    let bytes = serde_json::to_vec(&spm).unwrap();
    let tokenizer = Tokenizer::from_json_bytes(&bytes, "tokenizer.json", None).unwrap();
    // Without a configuration BOS and EOS are found by what the tokenizer adds, and by name.
    assert_eq!((tokenizer.bos(), tokenizer.eos(), tokenizer.add_bos()), (Some(1), Some(2), true));
    let tokens = tokenizer.encode("a éb", Encode::PROMPT).unwrap();
    assert_eq!(tokens, [1, 5, 3, 6, 7, 8]);
    assert_eq!(tokenizer.decode(&tokens, true).unwrap(), "a éb");
    let mut stream = tokenizer.stream();
    let shown: Vec<String> = tokens.iter().map(|&id| stream.push(id).unwrap()).collect();
    assert_eq!(shown, ["", " a", " ", "", "é", "b"]);
    assert_eq!(tokenizer.encode_chat("<s>a").unwrap(), [1, 5]);

    let wordpiece = json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": null,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": {"[UNK]": 0, "play": 1, "##ing": 2, ".": 3, "go": 4}}});
    let bytes = serde_json::to_vec(&wordpiece).unwrap();
    let tokenizer = Tokenizer::from_json_bytes(&bytes, "tokenizer.json", None).unwrap();
    let tokens = tokenizer.encode("go playing.", Encode::PROMPT).unwrap();
    let mut stream = tokenizer.stream();
    let shown: Vec<String> = tokens.iter().map(|&id| stream.push(id).unwrap()).collect();
    assert_eq!(shown, ["go", " play", "ing", "."]);
    assert_eq!(shown.concat(), tokenizer.decode(&tokens, true).unwrap());
}

#[test]
fn damaged_json_is_an_error() {
    for bytes in
        [&b""[..], b"{}", b"<html>", b"[1,2]", br#"{"version":"1.0","model":{"type":"BPE","vocab":{},"merges":[]}}"#]
    {
        let error = Tokenizer::from_json_bytes(bytes, "some/tokenizer.json", None).unwrap_err().to_string();
        assert!(error.starts_with("some/tokenizer.json: "), "{error}");
    }
    assert!(Tokenizer::from_file("/nowhere/tokenizer.json", None).is_err());
}

/// Changes one key of a vocabulary and returns the error it must then give.
fn broken(name: &str, change: impl FnOnce(&mut Metadata)) -> String {
    let (mut metadata, path) = gguf(name);
    change(&mut metadata);
    let error = Tokenizer::from_gguf(&metadata, &path).unwrap_err().to_string();
    assert!(error.contains(&format!("ggml-vocab-{name}.gguf")), "names the file: {error}");
    assert!(error.contains("help:"), "says what to do: {error}");
    error
}

#[test]
fn vocabularies_that_contradict_themselves_are_errors() {
    fn array<'a>(m: &'a mut Metadata, key: &str) -> &'a mut Vec<Value> {
        m.get_mut(key).unwrap().as_array_mut().unwrap()
    }
    let (tokens, merges) = ("tokenizer.ggml.tokens", "tokenizer.ggml.merges");
    let says = |error: String, what: &str| assert!(error.contains(what), "{error:?} does not say {what:?}");

    says(broken("gpt-2", |m| drop(m.shift_remove("tokenizer.ggml.model"))), "no vocabulary");
    says(broken("gpt-2", |m| drop(m.shift_remove(tokens))), "tokens is missing");
    says(broken("gpt-2", |m| drop(m.shift_remove(merges))), "merges is missing");
    says(broken("gpt-2", |m| array(m, tokens).clear()), "0 entries");
    says(broken("gpt-2", |m| array(m, tokens)[7] = json!(7)), "[7]");
    says(broken("gpt-2", |m| array(m, tokens)[7] = array(m, tokens)[9].clone()), "tokens 7 and 9");
    says(broken("gpt-2", |m| drop(m.insert(tokens.into(), json!("abc")))), "expected an array");
    says(broken("gpt-2", |m| array(m, merges)[5] = json!("Ġ nosuchtoken")), "\"nosuchtoken\" is not in the vocabulary");
    says(broken("gpt-2", |m| array(m, merges)[5] = json!("lonely")), "two tokens");
    says(broken("gpt-2", |m| array(m, merges)[5] = json!(null)), "two tokens");
    says(broken("gpt-2", |m| drop(m.insert("tokenizer.ggml.model".into(), json!("gpt3")))), "unknown kind");
    says(broken("gpt-2", |m| drop(m.insert("tokenizer.ggml.model".into(), json!("none")))), "no vocabulary");
    says(broken("gpt-2", |m| drop(m.insert("tokenizer.ggml.pre".into(), json!("lama3")))), "\"llama3\"");
    says(broken("gpt-2", |m| drop(m.insert("tokenizer.ggml.pre".into(), json!("zzzzzzz")))), "unknown pre-tokenizer");
    says(broken("gpt-2", |m| drop(m.insert("tokenizer.ggml.bos_token_id".into(), json!("a")))), "bos_token_id");
    says(broken("gpt-2", |m| drop(m.insert("tokenizer.ggml.add_bos_token".into(), json!(1)))), "add_bos_token");
    says(broken("gpt-2", |m| array(m, "tokenizer.ggml.token_type").truncate(5)), "5 entries");
    says(broken("llama-spm", |m| array(m, "tokenizer.ggml.scores").truncate(31_000)), "31000 entries for 32000");
    says(broken("llama-spm", |m| drop(m.shift_remove("tokenizer.ggml.scores"))), "scores is missing");
    says(broken("llama-spm", |m| array(m, "tokenizer.ggml.scores")[3] = json!("x")), "scores[3]");
    // A vocabulary too small for the tokens that BERT's frame assumes.
    let small = |m: &mut Metadata| {
        ["tokens", "token_type"].iter().for_each(|k| array(m, &format!("tokenizer.ggml.{k}")).truncate(50));
        m.retain(|key, _| !key.ends_with("_token_id"));
    };
    says(broken("bert-bge", small), "[CLS]");
}

#[test]
fn odd_vocabularies_that_llama_cpp_takes_work() {
    let (mut metadata, path) = gguf("llama-spm");
    // Ids outside the vocabulary are ignored, empty tokens get a name, longer arrays are cut.
    metadata.insert("tokenizer.ggml.bos_token_id".into(), json!(99_999_999));
    metadata["tokenizer.ggml.tokens"][31_999] = json!("");
    metadata["tokenizer.ggml.scores"][31_998] = Value::Null;
    metadata["tokenizer.ggml.scores"].as_array_mut().unwrap().push(json!(0.5));
    let tokenizer = Tokenizer::from_gguf(&metadata, &path).unwrap();
    assert_eq!(tokenizer.bos(), Some(1));
    assert_eq!(tokenizer.piece(31_999).unwrap(), "[EMPTY_31999]");
    assert_eq!(tokenizer.encode("Hello", Encode::PROMPT).unwrap(), [1, 15043]);
    // Phi-3's special tokens swallow the space after them.
    metadata.insert("general.name".into(), json!("Phi-3 mini"));
    metadata["tokenizer.ggml.token_type"][500] = json!(4);
    metadata["tokenizer.ggml.tokens"][500] = json!("<|user|>");
    let phi = Tokenizer::from_gguf(&metadata, &path).unwrap();
    assert_eq!(phi.encode("<|user|> \n Hello", Encode::PLAIN).unwrap(), [500, 15043]);
}
