//! A model folder as the Hugging Face hub lays it out.

use crate::error::{Error, Result};
use crate::format::safetensors::SafetensorsFile;
use crate::format::sharded::{ShardedFile, open_one};
use crate::format::{TensorFile, detect, foreign, small_json};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder with `config.json`, safetensors or PyTorch weights and, usually, a tokenizer.
#[derive(Debug, Clone)]
pub struct HubFolder {
    /// `config.json`.
    pub config: Map<String, Value>,
    /// The weights, single or sharded.
    pub weights: Arc<dyn TensorFile>,
    /// `tokenizer.json`, where there is one.
    pub tokenizer_json: Option<PathBuf>,
    /// `tokenizer_config.json`; a `chat_template.jinja` beside it stands in it as `chat_template`.
    pub tokenizer_config: Option<Value>,
    /// `generation_config.json`.
    pub generation_config: Option<Value>,
}

impl HubFolder {
    /// Opens a folder; no weights are read.
    ///
    /// # Errors
    /// `config.json` or weights are missing or broken.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::read(path.as_ref(), weights)
    }

    /// Opens the folder of a weights file, with these weights and no others.
    ///
    /// # Errors
    /// `config.json` is missing or broken.
    pub fn around(weights: Arc<dyn TensorFile>) -> Result<Self> {
        let folder = match weights.path().parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        Self::read(&folder, |_| Ok(weights))
    }

    fn read(path: &Path, weights: impl FnOnce(&Path) -> Result<Arc<dyn TensorFile>>) -> Result<Self> {
        let config_path = path.join("config.json");
        if !config_path.is_file() {
            return Err(Error::format(path, "expected config.json in the model folder, found none")
                .with_help("download the whole folder; to look at tensors alone, open the weights file itself"));
        }
        let config = small_json::object(&config_path)?;
        let optional = |name: &str| {
            let file = path.join(name);
            file.is_file().then(|| small_json::object(&file)).transpose()
        };
        let mut tokenizer_config = optional("tokenizer_config.json")?;
        let template = path.join("chat_template.jinja");
        if template.is_file() {
            let text = std::fs::read_to_string(&template).map_err(|e| Error::io(&template, e))?;
            tokenizer_config.get_or_insert_default().insert("chat_template".to_owned(), text.into());
        }
        let tokenizer_json = Some(path.join("tokenizer.json")).filter(|p| p.is_file());
        Ok(Self {
            config,
            weights: weights(path)?,
            tokenizer_json,
            tokenizer_config: tokenizer_config.map(Value::Object),
            generation_config: optional("generation_config.json")?.map(Value::Object),
        })
    }
}

/// The weights of a folder: an index, `model.safetensors`, `model-00001-of-…` without an index, or the only file. Without
/// any safetensors: the same of `pytorch_model.bin`.
pub(crate) fn weights(folder: &Path) -> Result<Arc<dyn TensorFile>> {
    let index = folder.join("model.safetensors.index.json");
    if index.is_file() {
        return Ok(Arc::new(ShardedFile::open_index(index)?));
    }
    let single = folder.join("model.safetensors");
    if single.is_file() {
        return one(&single);
    }
    let names = file_names(folder)?;
    let all: Vec<&str> = names.iter().map(String::as_str).filter(|n| n.ends_with(".safetensors")).collect();
    let shards: Vec<PathBuf> = all.iter().filter(|n| n.contains("-of-")).map(|n| folder.join(n)).collect();
    if !shards.is_empty() {
        check_complete(folder, &all, ".safetensors")?;
        return Ok(Arc::new(ShardedFile::open_shards(folder, &shards)?));
    }
    match all.as_slice() {
        ["adapter_model.safetensors"] => {
            let problem = "expected a model, found an adapter (LoRA) without its base model";
            Err(Error::format(folder, problem)
                .with_help("merge the adapter into its base model first (peft: merge_and_unload), then save that"))
        }
        [only] => one(&folder.join(only)),
        [] => pytorch_weights(folder, &names),
        several => {
            let problem = format!("expected one set of weights, found {}", several.join(", "));
            Err(Error::format(folder, problem).with_help("name the file to open"))
        }
    }
}

/// A file of weights that is called safetensors; one that is something else (a git-lfs pointer, a web page) says what.
fn one(path: &Path) -> Result<Arc<dyn TensorFile>> {
    detect(path)?;
    Ok(Arc::new(SafetensorsFile::open(path)?))
}

const PYTORCH_INDEX: &str = "pytorch_model.bin.index.json";
const PYTORCH: &str = "pytorch_model.bin";

/// Whether a file of this name holds a hub model's weights, or says where they are. Optimizers, training arguments and
/// adapters are `.bin` files too.
pub(super) fn is_pytorch_weights(name: &str) -> bool {
    name == PYTORCH || name == PYTORCH_INDEX || is_pytorch_shard(name)
}

fn is_pytorch_shard(name: &str) -> bool {
    name.starts_with("pytorch_model-") && name.contains("-of-") && name.ends_with(".bin")
}

fn pytorch_weights(folder: &Path, names: &[String]) -> Result<Arc<dyn TensorFile>> {
    let has = |name: &str| names.iter().any(|n| n == name);
    if has(PYTORCH_INDEX) {
        return Ok(Arc::new(ShardedFile::open_index(folder.join(PYTORCH_INDEX))?));
    }
    if has(PYTORCH) {
        return Ok(Arc::from(open_one(&folder.join(PYTORCH))?));
    }
    let shards: Vec<&str> = names.iter().map(String::as_str).filter(|n| is_pytorch_shard(n)).collect();
    if shards.is_empty() {
        return Err(foreign::folder(folder, names));
    }
    check_complete(folder, &shards, ".bin")?;
    let shards: Vec<PathBuf> = shards.iter().map(|n| folder.join(n)).collect();
    Ok(Arc::new(ShardedFile::open_shards(folder, &shards)?))
}

/// `model-00002-of-00005.safetensors`: without an index, the names alone say how many there should be.
fn check_complete(folder: &Path, names: &[&str], ending: &str) -> Result<()> {
    let total = |name: &str| name.rsplit_once("-of-")?.1.strip_suffix(ending)?.parse::<usize>().ok();
    let found = names.iter().filter(|n| n.contains("-of-")).count();
    match names.iter().find_map(|n| total(n)) {
        Some(total) if total != found => {
            let problem = format!("expected {total} shards, found {found}");
            Err(Error::format(folder, problem).with_help("download the whole model folder"))
        }
        _ => Ok(()),
    }
}

/// The names in a folder, sorted.
pub(crate) fn file_names(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| Error::io(folder, e))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
