//! The vocabulary of a GGUF file made of a hub folder.

use minerva_engine::Control;
use minerva_engine::convert::{GgufOptions, hub_to_gguf};
use minerva_engine::format::gguf::GgufFile;
use minerva_engine::format::hub::HubFolder;
use minerva_engine::format::{DType, TensorFile};
use minerva_engine::sample::{self, Form};
use minerva_engine::tokenizer::{Encode, Tokenizer};
use std::path::Path;

#[test]
fn the_sample_folder_becomes_the_sample_file() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("sample.gguf");
    let folder = HubFolder::open(sample::path(Form::Hub).unwrap()).unwrap();
    let report = hub_to_gguf(&folder, &path, DType::F16, &GgufOptions::default(), &Control::default()).unwrap();
    assert_eq!(report.differences, Vec::<String>::new());
    let (made, shipped) = (GgufFile::open(&path).unwrap(), GgufFile::open(sample::path(Form::Gguf).unwrap()).unwrap());
    for key in shipped.keys().filter(|k| k.starts_with("tokenizer.")) {
        assert_eq!(made.value(key), shipped.value(key), "{key}");
    }
    for (i, tensor) in shipped.tensors().iter().enumerate() {
        let at = made.index_of(&tensor.name).unwrap();
        assert_eq!(made.tensors()[at], *tensor);
        assert!(made.data(at).unwrap() == shipped.data(i).unwrap(), "{}", tensor.name);
    }
    let hub = Tokenizer::from_file(folder.tokenizer_json.as_ref().unwrap(), folder.tokenizer_config.as_ref()).unwrap();
    let gguf = Tokenizer::from_gguf(made.metadata(), &path).unwrap();
    for text in ["ROMEO:\nO, she doth teach the torches to burn bright!", "", "<|endoftext|> 1234 ééé  x"] {
        assert_eq!(hub.encode(text, Encode::PROMPT).unwrap(), gguf.encode(text, Encode::PROMPT).unwrap());
    }
    assert_eq!(hub.chat_template(), gguf.chat_template());
}

#[test]
fn a_folder_without_a_tokenizer_is_an_error_unless_allowed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/reference-models/llama");
    let folder = HubFolder::open(root).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("llama.gguf");
    let error = hub_to_gguf(&folder, &path, DType::F16, &GgufOptions::default(), &Control::default()).unwrap_err();
    assert!(error.to_string().contains("expected tokenizer.json"), "{error}");
    assert!(!path.exists());
    let options = GgufOptions { without_vocabulary: true, ..GgufOptions::default() };
    hub_to_gguf(&folder, &path, DType::Q8_0, &options, &Control::default()).unwrap();
    let file = GgufFile::open(&path).unwrap();
    assert_eq!(file.get_str("tokenizer.ggml.model"), Some("none"));
    assert_eq!(file.get_u64("llama.vocab_size"), Some(320));
}
