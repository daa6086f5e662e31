//! Against llama.cpp itself: random texts through the same vocabulary, with every pre-tokenizer name.
#![cfg(feature = "llama-cpp")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use llama_cpp_sys_2 as sys;
use minerva_engine::format::TensorFile;
use minerva_engine::format::gguf::{GgufFile, Value, ValueType, Writer};
use minerva_engine::tokenizer::{Encode, Tokenizer};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ffi::CString;
use std::path::{Path, PathBuf};

/// A vocabulary loaded by llama.cpp.
struct Reference {
    model: *mut sys::llama_model,
}

impl Reference {
    fn load(path: &Path) -> Option<Self> {
        let path = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: the parameters are llama.cpp's defaults, and the path is a NUL-terminated string that outlives the call.
        let model = unsafe {
            sys::llama_log_set(Some(quiet), std::ptr::null_mut());
            let mut parameters = sys::llama_model_default_params();
            parameters.vocab_only = true;
            sys::llama_model_load_from_file(path.as_ptr(), parameters)
        };
        (!model.is_null()).then_some(Self { model })
    }

    fn vocab(&self) -> *const sys::llama_vocab {
        // SAFETY: the model is loaded and lives as long as `self`.
        unsafe { sys::llama_model_get_vocab(self.model) }
    }

    fn encode(&self, text: &str, add_special: bool, parse_special: bool) -> Vec<u32> {
        let mut tokens = vec![0i32; text.len() * 2 + 16];
        // SAFETY: the text and the tokens are buffers of the lengths given.
        let count = unsafe {
            sys::llama_tokenize(
                self.vocab(),
                text.as_ptr().cast(),
                text.len() as i32,
                tokens.as_mut_ptr(),
                tokens.len() as i32,
                add_special,
                parse_special,
            )
        };
        tokens.truncate(usize::try_from(count).expect("the buffer is large enough"));
        tokens.into_iter().map(|t| t as u32).collect()
    }

    fn piece(&self, id: u32, special: bool) -> Vec<u8> {
        let mut buffer = vec![0u8; 512];
        // SAFETY: the buffer has the length given; the id is below the vocabulary's size.
        let length =
            unsafe { sys::llama_token_to_piece(self.vocab(), id as i32, buffer.as_mut_ptr().cast(), 512, 0, special) };
        buffer.truncate(usize::try_from(length).expect("512 bytes hold any token"));
        buffer
    }

    fn ends_generation(&self, id: u32) -> bool {
        // SAFETY: the vocabulary is loaded; any id is allowed.
        unsafe { sys::llama_vocab_is_eog(self.vocab(), id as i32) }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // SAFETY: the model was loaded by `load` and is freed once.
        unsafe { sys::llama_model_free(self.model) }
    }
}

extern "C" fn quiet(_: sys::ggml_log_level, _: *const std::ffi::c_char, _: *mut std::ffi::c_void) {}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tokenizer-vectors")
}

/// Text of the kinds that pre-tokenizers tell apart, in runs, with special tokens strewn in.
fn random_text(rng: &mut ChaCha8Rng) -> String {
    const WORDS: &[&str] = &[
        "hello",
        "World",
        "don't",
        "WE'LL",
        "it's",
        "I'M",
        "you'Ve",
        "naïve",
        "Größe",
        "straße",
        "привет",
        "МИР",
        "我想在",
        "日本語テキスト",
        "한국어",
        "สวัสดี",
        "हिन्दी",
        "कन्नड",
        "مرحبا",
        "שלום",
        "κόσμε",
        "🦙",
        "👩‍👩‍👧",
        "½",
        "²³",
        "１２３",
        "٣٤٥",
        "Ⅻ",
        "x=1;",
        "//",
        "/*",
        "```",
        "...",
        "…",
        "—",
        "$100",
        "€",
        "<|im_end|>",
        "</s>",
        "<s>",
        "[MASK]",
        "<unk>",
        "<mask>",
        "<dna>",
        "IMGIMGABZ",
        "<sentinel:12>",
        "é",
        "e\u{301}",
        "\u{200d}",
        "\u{feff}",
        "\u{a0}",
        "\u{3000}",
        "\u{2028}",
        "\u{85}",
        "\u{1680}",
        "\u{1c}",
        "\u{0}",
        "\u{7f}",
        "ǅ",
        "ʰ",
        "ª",
        "ﬁ",
        "İ",
        "ſ",
        "K",
        "。",
        "，",
        "、",
        "「」",
        "～",
        "！",
        "_",
        "__init__",
        "\\",
        "\"",
        "'",
        "'s",
        "'S",
        "’s",
        "\u{e000}",
        "\u{1c89}",
        "\u{2ffc}",
        "\u{378}",
        "ㄅㄆ",
        "ㄱ",
        "Ꭰ",
        "Ა",
        "𐐀",
        "a1b2c3",
        "1234567",
        "12",
        "007",
    ];
    let mut text = String::new();
    for _ in 0..rng.random_range(1..24) {
        match rng.random_range(0..12) {
            0 => text.push_str(&" ".repeat(rng.random_range(1..6))),
            1 => text.push_str(
                ["\n", "\n\n", "\r\n", "\t", " \n ", "\n \n", "\t\t", "\u{b}", "\u{c}"][rng.random_range(0..9)],
            ),
            2 => (0..rng.random_range(1..9)).for_each(|_| text.push(char::from(rng.random_range(b'0'..=b'9')))),
            3 => (0..rng.random_range(1..5)).for_each(|_| text.push(char::from(rng.random_range(0x20..0x7f_u8)))),
            4 => text.extend(char::from_u32(rng.random_range(0..0x3_0000))),
            5 => text.extend(char::from_u32(rng.random_range(0x80..0x3000))),
            6 => text.push(' '),
            _ => text.push_str(WORDS[rng.random_range(0..WORDS.len())]),
        }
    }
    text
}

fn compare(path: &Path, rounds: u64, seed: u64) -> bool {
    compare_on(path, rounds, seed, random_text)
}

fn compare_on(path: &Path, rounds: u64, seed: u64, random_text: fn(&mut ChaCha8Rng) -> String) -> bool {
    let Some(reference) = Reference::load(path) else { return false };
    let file = GgufFile::open(path).unwrap();
    let ours = Tokenizer::from_gguf(file.metadata(), path).unwrap();
    let pre = file.get_str("tokenizer.ggml.pre").unwrap_or("none");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..rounds {
        let text = random_text(&mut rng);
        let (add_special, parse_special) = (rng.random(), rng.random());
        let expected = reference.encode(&text, add_special, parse_special);
        let found = ours.encode(&text, Encode { add_special, parse_special }).unwrap();
        assert_eq!(found, expected, "pre {pre}, {text:?}, special {add_special} {parse_special}");
    }
    true
}

/// The bytes of every token, and which ends a generation.
fn compare_tokens(path: &Path) {
    let reference = Reference::load(path).unwrap();
    let file = GgufFile::open(path).unwrap();
    let ours = Tokenizer::from_gguf(file.metadata(), path).unwrap();
    for id in 0..ours.vocab_size() as u32 {
        assert_eq!(ours.token_bytes(id).unwrap().unwrap(), reference.piece(id, true), "piece {id}");
        assert_eq!(ours.is_end_of_generation(id), reference.ends_generation(id), "end of generation {id}");
    }
}

#[test]
fn random_texts_through_the_vocabularies() {
    for (seed, name) in (0..).zip(["gpt-2", "llama-spm", "bert-bge", "qwen2"]) {
        let path = vectors().join(format!("ggml-vocab-{name}.gguf"));
        assert!(compare(&path, 3000, seed), "{name}");
        compare_tokens(&path);
    }
}

/// Every name that our table knows; llama.cpp must know it too, and cut the same words.
#[test]
fn random_texts_through_every_pre_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let source = GgufFile::open(vectors().join("ggml-vocab-gpt-2.gguf")).unwrap();
    let names = minerva_engine::tokenizer::pre_tokenizers().collect::<Vec<_>>();
    assert!(names.len() > 80);
    let mut failed = Vec::new();
    for (seed, name) in (100..).zip(names) {
        let path = folder.path().join("vocab.gguf");
        let mut writer = Writer::new();
        writer.copy_metadata(&source);
        writer.metadata("tokenizer.ggml.pre", Value::from(name)).unwrap();
        if name == "whitespace" {
            writer.metadata("tokenizer.ggml.model", Value::from(name)).unwrap();
        }
        writer.write(&path).unwrap();
        match std::panic::catch_unwind(|| compare(&path, 300, seed)) {
            Ok(true) => {}
            Ok(false) => failed.push(format!("llama.cpp does not know {name}")),
            Err(_) => failed.push(name.to_owned()),
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// The vocabulary of a file with other metadata.
fn variant(source: &str, path: &Path, pairs: &[(&str, Value)]) {
    let source = GgufFile::open(vectors().join(format!("ggml-vocab-{source}.gguf"))).unwrap();
    let mut writer = Writer::new();
    writer.copy_metadata(&source);
    for (key, value) in pairs {
        writer.metadata(&format!("tokenizer.ggml.{key}"), value.clone()).unwrap();
    }
    writer.write(path).unwrap();
}

/// SentencePiece's character map, a double array whose children lie at `base ^ byte`, from pairs in any order.
fn charsmap(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut replacements = Vec::new();
    let mut keys: Vec<(Vec<u8>, u32)> = Vec::new();
    for (from, to) in pairs {
        keys.push((from.bytes().collect(), replacements.len() as u32));
        replacements.extend_from_slice(to.as_bytes());
        replacements.push(0);
    }
    let mut nodes: Vec<Option<u32>> = vec![None; 4096];
    nodes[0] = Some(0);
    let mut todo = vec![(0usize, Vec::new(), 0u32)];
    while let Some((node, prefix, label)) = todo.pop() {
        let below = |k: &(Vec<u8>, u32)| k.0.starts_with(&prefix);
        let mut children: Vec<u8> =
            keys.iter().filter(|k| below(k)).filter_map(|k| k.0.get(prefix.len()).copied()).collect();
        children.sort_unstable();
        children.dedup();
        let value = keys.iter().find(|k| k.0 == prefix).map(|k| k.1);
        let slots: Vec<u32> = children.iter().map(|&c| u32::from(c)).chain(value.map(|_| 0)).collect();
        let free = |base: u32| slots.iter().all(|c| nodes[(node as u32 ^ base ^ c) as usize].is_none());
        let base = (1..2048).find(|&base| free(base)).unwrap();
        for &child in &children {
            let at = node ^ base as usize ^ usize::from(child);
            nodes[at] = Some(0);
            let next = prefix.iter().copied().chain([child]).collect();
            todo.push((at, next, u32::from(child)));
        }
        if let Some(value) = value {
            nodes[node ^ base as usize] = Some(value | 1 << 31);
        }
        nodes[node] = Some(base << 10 | u32::from(value.is_some()) << 8 | label);
    }
    let mut out = (nodes.len() as u32 * 4).to_le_bytes().to_vec();
    // Free places have a label that no byte has.
    out.extend(nodes.iter().flat_map(|n| n.unwrap_or(1 << 31).to_le_bytes()));
    out.extend(replacements);
    out
}

#[test]
fn random_texts_through_the_unigram_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t5.gguf");
    let map = charsmap(&[
        ("Größe", "groesse"),
        ("A", "a"),
        ("\u{3000}", " "),
        ("ﬁ", "fi"),
        ("ﬁﬁ", "X"),
        ("½", ""),
        ("\t", " "),
    ]);
    let map = Value::Array { of: ValueType::U8, values: map.into_iter().map(Value::U8).collect() };
    for (seed, (prefix, merge)) in (500..).zip([(false, false), (true, false), (false, true), (true, true)]) {
        let mut pairs = vec![
            ("model", Value::from("t5")),
            ("add_space_prefix", Value::from(prefix)),
            ("remove_extra_whitespaces", Value::from(merge)),
        ];
        if seed % 2 == 0 {
            pairs.push(("precompiled_charsmap", map.clone()));
        }
        variant("llama-spm", &path, &pairs);
        assert!(compare(&path, 1000, seed));
        compare_tokens(&path);
    }
}

#[test]
fn random_texts_through_sentencepiece_without_its_space() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spm.gguf");
    variant("llama-spm", &path, &[("add_space_prefix", Value::from(false)), ("add_eos_token", Value::from(true))]);
    assert!(compare(&path, 1000, 600));
}

#[test]
fn random_texts_through_wordpiece_with_case() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bert.gguf");
    for (seed, accents) in [(700, true), (701, false)] {
        let pairs = [("normalizer.lowercase", Value::from(false)), ("normalizer.strip_accents", Value::from(accents))];
        variant("bert-bge", &path, &pairs);
        assert!(compare(&path, 1000, seed));
    }
}

#[test]
fn random_words_through_rwkv() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rwkv.gguf");
    variant("llama-spm", &path, &[("model", Value::from("rwkv"))]);
    // llama.cpp does not come back from bytes that start a token and are none.
    let letters = |rng: &mut ChaCha8Rng| (0..rng.random_range(1..60)).map(|_| rng.random_range('a'..='z')).collect();
    assert!(compare_on(&path, 1000, 800, letters));
    compare_tokens(&path);
}
