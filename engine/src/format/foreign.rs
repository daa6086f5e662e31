//! What the files that cannot be opened are, and how to turn them into ones that can.

use crate::error::{Error, bytes as size};
use crate::format::pytorch::{LEGACY_MAGIC, RESAVE};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

const TO_SAFETENSORS: &str = "convert it to safetensors: in Python, transformers' AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(OUT) writes them; many models on the hub already have a .safetensors version";
const TO_GGUF: &str = "take the model's safetensors or GGUF version, or convert its original weights with llama.cpp's convert_hf_to_gguf.py";
const FROM_TENSORFLOW: &str = "load it in Python with transformers' from_pretrained(FOLDER, from_tf=True) and save_pretrained(OUT), which writes safetensors; or take the model's safetensors version";
const FROM_ONNX: &str =
    "ONNX is an export of a graph, not of a checkpoint: take the original model's safetensors or GGUF version";
const FROM_KERAS: &str = "load it in Python with keras, then save the weights with safetensors.numpy.save_file; or take the model's safetensors version";
const FROM_NUMPY: &str = "save the arrays with safetensors.numpy.save_file(dict, \"x.safetensors\") in Python";
const DOWNLOAD: &str = "the link led to a page instead of the file: use the hub's \"resolve\" link (…/resolve/main/FILE), and sign in if the model is gated";
const AGAIN: &str = "download it again, and compare its size with the source's";

/// A kind of file: what it is, and the way out.
type Kind = (String, &'static str);

/// Marks at fixed offsets, most specific first.
const MARKS: &[(usize, &[u8], &str, &str)] = &[
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras .h5 or similar)", FROM_KERAS),
    (0, b"\x93NUMPY", "a NumPy array (.npy)", FROM_NUMPY),
    (0, LEGACY_MAGIC, "a PyTorch checkpoint of the old kind (a bare pickle, from before PyTorch 1.6)", RESAVE),
    (0, b"\x80\x02", "a Python pickle (PyTorch, scikit-learn or similar)", TO_SAFETENSORS),
    (0, b"\x80\x03", "a Python pickle (PyTorch, scikit-learn or similar)", TO_SAFETENSORS),
    (0, b"\x80\x04", "a Python pickle (PyTorch, scikit-learn or similar)", TO_SAFETENSORS),
    (0, b"\x80\x05", "a Python pickle (PyTorch, scikit-learn or similar)", TO_SAFETENSORS),
    // ggml wrote these as little-endian words, so they stand backwards in the file.
    (0, b"tjgg", "a ggjt file (llama.cpp's format until August 2023)", TO_GGUF),
    (0, b"fmgg", "a ggmf file (llama.cpp's format of March 2023)", TO_GGUF),
    (0, b"lmgg", "a ggml file (the format before GGUF)", TO_GGUF),
    (0, b"algg", "a ggla file (a LoRA adapter from before GGUF)", TO_GGUF),
    (4, b"TFL3", "a TensorFlow Lite model", FROM_TENSORFLOW),
    (4, b"ORTM", "an ONNX Runtime model (.ort)", FROM_ONNX),
    (0, b"\x08\x01\x12", "a TensorFlow SavedModel (saved_model.pb)", FROM_TENSORFLOW),
    (0, b"\x1f\x8b", "a gzip archive", "unpack it (tar -xzf or gunzip) and open what is inside"),
    (0, b"BZh", "a bzip2 archive", "unpack it (tar -xjf or bunzip2) and open what is inside"),
    (0, b"\xfd7zXZ\0", "an xz archive", "unpack it (tar -xJf or unxz) and open what is inside"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive", "unpack it (tar --zstd -xf or unzstd) and open what is inside"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it (7z x) and open what is inside"),
    (0, b"Rar!", "a RAR archive", "unpack it and open what is inside"),
    (257, b"ustar", "a tar archive", "unpack it (tar -xf) and open what is inside"),
    (
        0,
        b"version https://git-lfs.github.com/spec/",
        "a git-lfs pointer, not the file itself",
        "fetch the file: git lfs install, then git lfs pull in the clone; or download it from the hub",
    ),
    (0, b"MZqFpD", "a llamafile (a program with a model inside)", "unpack it with unzip and open the .gguf inside"),
    (0, b"\x7fELF", "a program or library (ELF)", TO_GGUF),
    (0, b"MZ", "a program or library (Windows)", TO_GGUF),
    (0, b"%PDF", "a PDF document", DOWNLOAD),
    (0, b"\x89PNG", "an image (PNG)", DOWNLOAD),
    (0, b"\xff\xd8\xff", "an image (JPEG)", DOWNLOAD),
];

/// The error for a file that is none of ours: `head` is its first few kilobytes.
pub(super) fn file(path: &Path, head: &[u8], rest: &mut File, length: u64) -> Error {
    let (found, help) = kind(path, head, rest, length);
    Error::format(path, format!("expected a GGUF, safetensors or PyTorch file, found {found}")).with_help(help)
}

fn kind(path: &Path, head: &[u8], rest: &mut File, length: u64) -> Kind {
    if length == 0 {
        return ("an empty file".to_owned(), AGAIN);
    }
    if head.starts_with(ZIP) {
        return zip(head, rest, length);
    }
    let at = |offset: usize, mark: &[u8]| head.get(offset..).is_some_and(|h| h.starts_with(mark));
    if let Some((_, _, what, help)) = MARKS.iter().find(|(offset, mark, ..)| at(*offset, mark)) {
        return ((*what).to_owned(), help);
    }
    if head.iter().all(|b| *b == 0) {
        let what = format!("zeros in its first {}: a download that was cut off", size(head.len() as u64));
        return (what, AGAIN);
    }
    if let Some(kind) = onnx(head).or_else(|| text(path, head)) {
        return kind;
    }
    match extension(path).as_str() {
        "pb" => ("a TensorFlow graph, by its name".to_owned(), FROM_TENSORFLOW),
        "onnx" => ("an ONNX model, by its name".to_owned(), FROM_ONNX),
        "pt" | "pth" | "bin" | "ckpt" => {
            (format!("an unknown file that starts with {}, PyTorch's by its name", start(head)), TO_SAFETENSORS)
        }
        "gguf" | "safetensors" => (format!("an unknown one that starts with {}", start(head)), AGAIN),
        _ => (format!("an unknown one that starts with {}", start(head)), TO_GGUF),
    }
}

/// ONNX is a bare protobuf: field 1 is a small version, then a producer, a graph or an operator set.
fn onnx(head: &[u8]) -> Option<Kind> {
    match head {
        [0x08, 3..=20, 0x12 | 0x1a | 0x22 | 0x3a | 0x42, ..] => Some(("an ONNX model".to_owned(), FROM_ONNX)),
        _ => None,
    }
}

/// Pages and messages that were saved under a model's name, and JSON files that stand beside one.
fn text(path: &Path, head: &[u8]) -> Option<Kind> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The cut after 4 kB may have gone through a character.
        Err(e) if e.error_len().is_none() => std::str::from_utf8(head.get(..e.valid_up_to())?).ok()?,
        Err(_) => return None,
    };
    if text.contains(|c: char| c.is_ascii_control() && !c.is_ascii_whitespace()) {
        return None;
    }
    let text = text.trim_start();
    let lower: String = text.chars().take(256).collect::<String>().to_lowercase();
    if ["<!doctype html", "<html", "<head", "<body"].iter().any(|tag| lower.starts_with(tag)) {
        return Some(("a web page (HTML)".to_owned(), DOWNLOAD));
    }
    if lower.starts_with("<?xml") || lower.starts_with('<') {
        return Some(("an XML or HTML document".to_owned(), DOWNLOAD));
    }
    if lower.starts_with("{\"error\"")
        || lower.starts_with("entry not found")
        || lower.starts_with("repository not found")
    {
        let message: String = text.chars().take(80).collect();
        return Some((format!("a server's message: {:?}", message.trim_end()), DOWNLOAD));
    }
    if lower.starts_with('{') {
        let what = match path.file_name().map(|n| n.to_string_lossy().into_owned()).as_deref() {
            Some("config.json") => "a model's config",
            Some("tokenizer.json" | "tokenizer_config.json") => "a tokenizer",
            _ => "a JSON file",
        };
        return Some((what.to_owned(), "open the folder that holds it, with the weights beside it"));
    }
    let line: String = text.lines().next().unwrap_or_default().chars().take(60).collect();
    Some((format!("text: {line:?}"), "give the path of a .gguf, .safetensors or PyTorch file, or of a model folder"))
}

const ZIP: &[u8] = b"PK\x03\x04";
const TORCHSCRIPT: &[u8] = b"constants.pkl";

/// Whether a file is a zip that `torch.save` wrote, by the names inside.
pub(super) fn is_pytorch(head: &[u8], rest: &mut File, length: u64) -> bool {
    if !head.starts_with(ZIP) {
        return false;
    }
    let tail = tail(rest, length);
    let has = |mark: &[u8]| has([head, &tail], mark);
    has(b"/data.pkl") && !has(TORCHSCRIPT)
}

/// The end of a zip: the names that stand in its local headers stand there again.
fn tail(rest: &mut File, length: u64) -> Vec<u8> {
    let mut tail = Vec::new();
    let from = length.saturating_sub(64 << 10);
    if rest.seek(SeekFrom::Start(from)).is_ok() {
        // A tail that cannot be read leaves the head to judge by.
        rest.take(64 << 10).read_to_end(&mut tail).ok();
    }
    tail
}

fn has(parts: [&[u8]; 2], mark: &[u8]) -> bool {
    parts.iter().any(|part| part.windows(mark.len()).any(|w| w == mark))
}

/// Zip archives by the names inside: NumPy, Keras and Core ML use zip too.
fn zip(head: &[u8], rest: &mut File, length: u64) -> Kind {
    let tail = tail(rest, length);
    let has = |mark: &[u8]| has([head, &tail], mark);
    if has(TORCHSCRIPT) {
        return ("a TorchScript archive".to_owned(), TO_SAFETENSORS);
    }
    if has(b"model.weights.h5") {
        return ("a Keras model (.keras)".to_owned(), FROM_KERAS);
    }
    if has(b".npy") {
        return ("a set of NumPy arrays (.npz)".to_owned(), FROM_NUMPY);
    }
    if has(b".gguf") || has(b".safetensors") {
        return ("a zip archive with a model inside".to_owned(), "unpack it (unzip) and open what is inside");
    }
    ("a zip archive".to_owned(), "unpack it (unzip) and open what is inside")
}

/// The error for a folder that holds nothing that can be opened; `names` are the names in it.
pub(super) fn folder(path: &Path, names: &[String]) -> Error {
    let any = |test: &dyn Fn(&str) -> bool| names.iter().any(|n| test(n));
    let ends = |end: &'static str| any(&|n| n.ends_with(end));
    let (found, help): (&str, &str) = if names.is_empty() {
        ("an empty folder", AGAIN)
    } else if ends(".pt") || ends(".pth") {
        ("PyTorch files under names of their own", "name the file to open")
    } else if any(&|n| n == "saved_model.pb") {
        ("a TensorFlow SavedModel", FROM_TENSORFLOW)
    } else if any(&|n| n.starts_with("tf_model")) || ends(".h5") || ends(".keras") {
        ("TensorFlow or Keras weights", FROM_TENSORFLOW)
    } else if any(&|n| n.starts_with("flax_model")) {
        (
            "Flax weights",
            "load it in Python with transformers' from_pretrained(FOLDER, from_flax=True) and save_pretrained(OUT), which writes safetensors",
        )
    } else if any(&|n| n.contains(".ckpt")) {
        ("a TensorFlow checkpoint", FROM_TENSORFLOW)
    } else if ends(".onnx") {
        ("an ONNX model", FROM_ONNX)
    } else if any(&|n| n == "config.json") {
        ("a config without weights", "download the whole model folder, the .safetensors files included")
    } else {
        ("none", "give the path of a .gguf or .safetensors file, or of a folder that holds one")
    };
    let problem = format!("expected a folder with a .gguf or .safetensors file or pytorch_model.bin, found {found}");
    Error::format(path, problem).with_help(help)
}

fn extension(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// The first bytes, as text where they are text and in hexadecimal where not.
fn start(head: &[u8]) -> String {
    let first = head.get(..8.min(head.len())).unwrap_or_default();
    if first.iter().all(|b| b.is_ascii_graphic() || *b == b' ') {
        format!("{:?}", String::from_utf8_lossy(first))
    } else {
        first.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
    }
}
