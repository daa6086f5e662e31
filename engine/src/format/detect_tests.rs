#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::gguf::Writer;
use super::safetensors::save;
use super::{DType, Format, Metadata, detect, hub::HubFolder, open};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn gguf(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        let mut writer = Writer::new();
        writer.metadata("general.architecture", "llama").unwrap();
        writer.tensor("w", DType::F32, &[2], vec![0; 8]).unwrap();
        writer.write(&path).unwrap();
        path
    }

    fn safetensors(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        save(&path, &[("w", DType::F32, &[2], &[0; 8])], &Metadata::new()).unwrap();
        path
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

fn refusal(path: impl AsRef<Path>) -> String {
    let text = detect(path.as_ref()).unwrap_err().to_string();
    assert_eq!(text, open(path).unwrap_err().to_string());
    text
}

#[test]
fn content_decides_and_names_do_not() {
    let folder = Folder::new();
    let gguf = folder.gguf("model.bin");
    let safetensors = folder.safetensors("model.gguf");
    assert_eq!(detect(&gguf).unwrap().format, Format::Gguf);
    assert_eq!(detect(&safetensors).unwrap().format, Format::Safetensors);
    assert_eq!(open(&gguf).unwrap().format(), "gguf");
    assert_eq!(open(&safetensors).unwrap().format(), "safetensors");
}

#[test]
fn foreign_files_are_named_with_a_way_out() {
    let folder = Folder::new();
    // Each mark as its own format's specification or writer has it.
    let zip = |inner: &str| [b"PK\x03\x04\x14\0\0\0\0\0".to_vec(), vec![0; 20], inner.as_bytes().to_vec()].concat();
    let mut tar = vec![b'x'; 512];
    tar[257..262].copy_from_slice(b"ustar");
    let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("empty.gguf", vec![], "an empty file", "download it again"),
        ("zeros.gguf", vec![0; 9000], "zeros in its first 4.1 kB", "download it again"),
        ("a.pt", zip("model/code/x.py model/constants.pkl"), "TorchScript", "safetensors"),
        ("a.keras", zip("metadata.json model.weights.h5"), "Keras model", "keras"),
        ("a.npz", zip("arr_0.npy"), "NumPy arrays (.npz)", "safetensors.numpy"),
        ("a.zip", zip("readme.txt"), "a zip archive", "unzip"),
        (
            "b.bin",
            b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec(),
            "before PyTorch 1.6",
            "torch.save(torch.load(",
        ),
        ("b.pkl", b"\x80\x04\x95\x10\0\0".to_vec(), "a Python pickle", "safetensors"),
        ("a.npy", b"\x93NUMPY\x01\0v\0{'descr'".to_vec(), "a NumPy array", "safetensors.numpy"),
        ("a.h5", b"\x89HDF\r\n\x1a\n\0".to_vec(), "HDF5", "keras"),
        ("a.onnx", b"\x08\x08\x12\x07pytorch\x1a\x052.1.0".to_vec(), "an ONNX model", "safetensors or GGUF"),
        ("b.onnx", b"\x08\x07:\x80\x01".to_vec(), "an ONNX model", "safetensors or GGUF"),
        ("saved_model.pb", b"\x08\x01\x12\xc0\x01".to_vec(), "TensorFlow SavedModel", "from_tf=True"),
        ("frozen.pb", b"\x0a\x20\x0a\x05input".to_vec(), "TensorFlow graph", "from_tf=True"),
        ("a.tflite", b"\x1c\0\0\0TFL3".to_vec(), "TensorFlow Lite", "from_tf=True"),
        ("a.ggml", b"tjgg\x03\0\0\0".to_vec(), "ggjt", "convert_hf_to_gguf.py"),
        ("b.ggml", b"lmgg\x03\0\0\0".to_vec(), "before GGUF", "convert_hf_to_gguf.py"),
        ("a.tar.gz", b"\x1f\x8b\x08\0".to_vec(), "gzip", "gunzip"),
        ("a.tar", tar, "a tar archive", "tar -xf"),
        ("page.gguf", b"\n<!DOCTYPE html>\n<html lang=\"en\">".to_vec(), "a web page (HTML)", "/resolve/main/"),
        ("bom.gguf", b"\xef\xbb\xbf<html>".to_vec(), "a web page (HTML)", "/resolve/main/"),
        ("gone.gguf", b"Entry not found".to_vec(), "a server's message: \"Entry not found\"", "/resolve/main/"),
        ("denied.gguf", br#"{"error":"Access denied"}"#.to_vec(), "a server's message", "gated"),
        (
            "lfs.safetensors",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 98362432\n".to_vec(),
            "a git-lfs pointer",
            "git lfs pull",
        ),
        ("config.json", b"{\"architectures\": []}".to_vec(), "a model's config", "the folder"),
        ("notes.md", "# Ünïcode notes\n".as_bytes().to_vec(), "text: \"# Ünïcode notes\"", "a .gguf"),
        ("odd.gguf", vec![0xDE, 0xAD, 0xBE, 0xEF, 1, 2, 3, 4, 5], "starts with de ad be ef 01 02 03 04", "download it"),
        ("cut.gguf", b"GGUF\x03".to_vec(), "the header ends early", "download it again"),
        ("cut.safetensors", [&500_u64.to_le_bytes()[..], b"{\"a\":"].concat(), "header takes 500 B", "download it"),
    ];
    for (name, bytes, what, help) in cases {
        let text = refusal(folder.put(name, bytes));
        assert!(text.contains(what) && text.contains(help) && text.contains(name), "{name}: {text}");
        assert_eq!(text.lines().count(), 2, "{text}");
    }
}

#[test]
fn gguf_that_cannot_be_read_says_why() {
    let folder = Folder::new();
    for (name, version, expected) in [
        ("one", 1_u32.to_le_bytes(), "version 1"),
        ("big", 3_u32.to_be_bytes(), "big-endian (version 3)"),
        ("future", 99_u32.to_le_bytes(), "version 99"),
    ] {
        let path = folder.put(name, [b"GGUF".to_vec(), version.to_vec(), vec![0; 16]].concat());
        let text = open(&path).unwrap_err().to_string();
        assert!(text.contains(expected) && text.contains("help:"), "{text}");
    }
}

#[test]
fn folders_resolve_or_say_what_they_hold() {
    let folder = Folder::new();
    assert!(refusal(folder.path()).contains("an empty folder"));
    folder.put("config.json", "{\"model_type\": \"llama\"}");
    assert!(refusal(folder.path()).contains("a config without weights"));
    folder.put("x.pth", "x");
    assert!(refusal(folder.path()).contains("PyTorch files under names of their own\nhelp: name the file to open"));
    folder.put("pytorch_model.bin", "x");
    assert_eq!(detect(folder.path()).unwrap().format, Format::HubFolder);
    assert!(open(folder.path()).unwrap_err().to_string().contains("pytorch_model.bin"));
    let gguf = folder.gguf("a.gguf");
    assert_eq!(detect(folder.path()).unwrap().path, gguf);
    folder.gguf("b.gguf");
    assert!(refusal(folder.path()).contains("found 2 GGUF files: a.gguf, b.gguf"));
    folder.safetensors("model.safetensors");
    let found = detect(folder.path()).unwrap();
    assert_eq!((found.format, found.path.as_path()), (Format::HubFolder, folder.path()));
    let hub = HubFolder::open(folder.path()).unwrap();
    assert_eq!(hub.config["model_type"], "llama");
    assert_eq!(hub.weights.tensors().len(), 1);
    assert!(hub.tokenizer_json.is_none() && hub.tokenizer_config.is_none());
    folder.put("tokenizer_config.json", "{\"bos_token\": \"<s>\"}");
    folder.put("chat_template.jinja", "{{ bos_token }}");
    folder.put("tokenizer.json", "{}");
    let hub = HubFolder::open(folder.path()).unwrap();
    assert_eq!(hub.tokenizer_config.unwrap()["chat_template"], "{{ bos_token }}");
    assert!(hub.tokenizer_json.is_some());
    std::fs::remove_file(folder.path().join("config.json")).unwrap();
    assert!(HubFolder::open(folder.path()).unwrap_err().to_string().contains("expected config.json"));
    // A clone without git-lfs: what is called weights only says where they are.
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 98362432\n";
    std::fs::write(folder.path().join("config.json"), "{}").unwrap();
    std::fs::write(folder.path().join("model.safetensors"), pointer).unwrap();
    let e = HubFolder::open(folder.path()).unwrap_err().to_string();
    assert!(e.contains("git-lfs pointer"), "{e}");
}

#[test]
fn shards_are_found_with_and_without_an_index() {
    let folder = Folder::new();
    let shard = |i: usize, tensor: &str| {
        let path = folder.path().join(format!("model-0000{i}-of-00002.safetensors"));
        save(path, &[(tensor, DType::U8, &[1], &[i as u8])], &Metadata::new()).unwrap();
    };
    shard(1, "a");
    assert!(open(folder.path()).unwrap_err().to_string().contains("expected 2 shards, found 1"));
    shard(2, "b");
    assert_eq!(open(folder.path()).unwrap().tensors().len(), 2);
    let (one, two) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
    let index = format!(r#"{{"metadata": {{"total_size": 2}}, "weight_map": {{"a": "{one}", "b": "{two}"}}}}"#);
    let index = folder.put("model.safetensors.index.json", index);
    assert_eq!(detect(&index).unwrap().format, Format::ShardIndex);
    assert_eq!(open(&index).unwrap().metadata()["total_size"], 2);
    assert_eq!(open(folder.path()).unwrap().path(), index);
}

#[test]
fn a_missing_file_suggests_its_neighbour() {
    let folder = Folder::new();
    let gguf = folder.gguf("smollm2.gguf");
    let text = refusal(folder.path().join("smolm2.gguf"));
    assert!(text.contains(&format!("did you mean {:?}", gguf.display().to_string())), "{text}");
    assert!(refusal(folder.path().join("nowhere/x.gguf")).contains("there is no folder"));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let folder = Folder::new();
    let path = folder.path().join("pipe.gguf");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(refusal(&path).contains("found a pipe"));
    assert!(super::gguf::GgufFile::open(&path).unwrap_err().to_string().contains("a pipe"));
}

/// Whatever its size: files with a hole of 64 GB where the weights would be.
#[test]
fn detection_takes_less_than_a_millisecond() {
    let folder = Folder::new();
    let gguf = folder.gguf("big.gguf");
    let header = br#"{"w":{"dtype":"U8","shape":[68719476736],"data_offsets":[0,68719476736]}}"#;
    let safetensors = folder.put("big", [&(header.len() as u64).to_le_bytes()[..], header].concat());
    let pytorch = folder.put("big.pt", b"PK\x03\x04 archive/data.pkl");
    let foreign = folder.put("big.zip", b"PK\x03\x04 readme.txt");
    for (path, extra) in [(&gguf, 0), (&safetensors, 8 + header.len() as u64), (&pytorch, 0), (&foreign, 0)] {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        if file.set_len((64 << 30) + extra).is_err() {
            return; // a file system without holes: nothing to measure on
        }
    }
    for (path, ok) in [(&gguf, true), (&safetensors, true), (&pytorch, true), (&foreign, false)] {
        // The fastest of ten: a busy machine slows some, reading weights would slow all.
        let mut best = Duration::MAX;
        for _ in 0..10 {
            let start = Instant::now();
            assert_eq!(detect(path).is_ok(), ok);
            best = best.min(start.elapsed());
        }
        assert!(best < Duration::from_millis(1), "{}: {best:?}", path.display());
    }
    // Opening maps and does not read: 64 GB would take seconds, and do not fit in memory.
    let start = Instant::now();
    let file = open(&safetensors).unwrap();
    assert_eq!(file.data(0).unwrap().len(), 64 << 30);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}
