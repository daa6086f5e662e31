//! What a path holds, told by its content. Reads a few kilobytes at most, whatever the file's size.

use crate::error::{Error, Result, bytes as size, nearest};
use crate::format::{foreign, gguf, hub, safetensors};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// A GGUF file of version 2 or 3.
    Gguf,
    /// A safetensors file.
    Safetensors,
    /// A PyTorch checkpoint, as `torch.save` writes them since 1.6.
    PyTorch,
    /// The index of a sharded set, `model.safetensors.index.json` or `pytorch_model.bin.index.json`.
    ShardIndex,
    /// A folder with safetensors or PyTorch weights.
    HubFolder,
}

/// A path and what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detected {
    /// Its format.
    pub format: Format,
    /// The path to open: the one asked for, or the only GGUF file of the folder asked for.
    pub path: PathBuf,
}

/// Bytes looked at from the start of a file: every mark of every format but zip is within them.
const HEAD: u64 = 4096;

/// Says what a path holds, by content. A folder with exactly one GGUF file and no safetensors resolves to that
/// file; PyTorch weights count where there is neither.
///
/// # Errors
/// Nothing is there (the nearest name in its folder is suggested), or it is nothing that can be opened: the error says
/// what it is, as far as that can be told, and how to convert it.
pub fn detect(path: impl AsRef<Path>) -> Result<Detected> {
    let path = path.as_ref();
    let about = match std::fs::metadata(path) {
        Ok(about) => about,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(missing(path)),
        Err(e) => return Err(Error::io(path, e)),
    };
    if about.is_dir() {
        return folder(path);
    }
    if !about.is_file() {
        return Err(Error::format(path, "expected a file or a folder, found a pipe or a device"));
    }
    let mut head = Vec::new();
    let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
    file.by_ref().take(HEAD).read_to_end(&mut head).map_err(|e| Error::io(path, e))?;
    match sniff(&head, about.len()) {
        Some(Ok(format)) => Ok(Detected { format, path: path.to_owned() }),
        Some(Err(problem)) => Err(Error::format(path, problem)
            .with_help("the file is damaged or was not downloaded whole; download it again")),
        None if foreign::is_pytorch(&head, &mut file, about.len()) => {
            Ok(Detected { format: Format::PyTorch, path: path.to_owned() })
        }
        None => Err(foreign::file(path, &head, &mut file, about.len())),
    }
}

/// Our formats by their marks; `Some(Err)` is one of ours that cannot be whole.
fn sniff(head: &[u8], length: u64) -> Option<Result<Format, String>> {
    if head.starts_with(b"GGUF") {
        let raw = head.get(4..8).and_then(|v| <[u8; 4]>::try_from(v).ok());
        return match raw.map(|raw| gguf::Version::of(u32::from_le_bytes(raw))) {
            // Versions that cannot be read get their own advice from the reader.
            Some(_) => Some(Ok(Format::Gguf)),
            None => Some(Err(format!("a GGUF file of {length} bytes: the header ends early"))),
        };
    }
    if let Some((raw, [b'{', ..])) = head.split_first_chunk::<8>() {
        let header = u64::from_le_bytes(*raw);
        if (2..=safetensors::MAX_HEADER).contains(&header) {
            let whole = header.checked_add(8).is_some_and(|end| end <= length);
            let cut =
                || format!("a safetensors file whose header takes {}, and the file has {}", size(header), size(length));
            return Some(if whole { Ok(Format::Safetensors) } else { Err(cut()) });
        }
    }
    let text = head.trim_ascii_start();
    let has = |mark: &[u8]| head.windows(mark.len()).any(|w| w == mark);
    if text.starts_with(b"{") && (has(b"\"weight_map\"") || has(b".safetensors\"")) {
        return Some(Ok(Format::ShardIndex));
    }
    None
}

fn folder(path: &Path) -> Result<Detected> {
    let names = hub::file_names(path)?;
    let ending = |end: &str| names.iter().filter(|n| n.ends_with(end)).collect::<Vec<_>>();
    if !ending(".safetensors").is_empty() || names.iter().any(|n| n == "model.safetensors.index.json") {
        return Ok(Detected { format: Format::HubFolder, path: path.to_owned() });
    }
    match ending(".gguf").as_slice() {
        [only] => detect(path.join(only)),
        [] if names.iter().any(|n| hub::is_pytorch_weights(n)) => {
            Ok(Detected { format: Format::HubFolder, path: path.to_owned() })
        }
        [] => Err(foreign::folder(path, &names)),
        several => {
            let list: Vec<&str> = several.iter().map(|n| n.as_str()).take(12).collect();
            let problem = format!("expected one model, found {} GGUF files: {}", several.len(), list.join(", "));
            Err(Error::format(path, problem).with_help("name the file to open"))
        }
    }
}

fn missing(path: &Path) -> Error {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names = hub::file_names(folder).unwrap_or_default();
    let near = nearest(&name, names.iter().map(String::as_str));
    let near = near.map(|n| path.with_file_name(n).display().to_string());
    let help = if folder.is_dir() { String::new() } else { format!("there is no folder {}", folder.display()) };
    Error::NotFound { kind: "model file", name: path.display().to_string(), nearest: near, help }
}
