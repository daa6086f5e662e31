//! A set of shards, safetensors or PyTorch checkpoints, that reads as one file.

use crate::error::{Error, Result};
use crate::format::pytorch::PyTorchFile;
use crate::format::safetensors::SafetensorsFile;
use crate::format::{Format, Metadata, TensorFile, TensorInfo, detect, small_json};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};

/// Shards, in the order of their names, behind one listing.
#[derive(Debug)]
pub struct ShardedFile {
    path: PathBuf,
    shards: Vec<Box<dyn TensorFile>>,
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
    /// Shard and position in it, for each tensor.
    places: Vec<(usize, usize)>,
    names: HashMap<String, usize>,
}

impl ShardedFile {
    /// Opens every shard that an index (`model.safetensors.index.json`, `pytorch_model.bin.index.json`) names, in its own folder.
    ///
    /// # Errors
    /// The index is not one, a shard is missing or broken, or a shard lacks a tensor that the index puts in it.
    pub fn open_index(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let index = small_json::object(path)?;
        let map = match index.get("weight_map") {
            Some(Value::Object(map)) => map,
            Some(_) => {
                return Err(Error::format(path, "expected \"weight_map\" to be an object of tensor to file name"));
            }
            None => return Err(Error::format(path, "expected an index of shards, found no \"weight_map\" in it")),
        };
        let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (tensor, shard) in map {
            let Some(shard) = shard.as_str().filter(|s| is_plain_name(s)) else {
                let problem =
                    format!("weight_map: expected the name of a file beside the index for {tensor:?}, found {shard}");
                return Err(Error::format(path, problem));
            };
            wanted.entry(shard).or_default().push(tensor);
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        let missing: Vec<_> = wanted.keys().filter(|s| !folder.join(s).is_file()).copied().collect();
        if let Some(first) = missing.first() {
            let problem = format!("{} of the {} shards are missing, {first:?} first", missing.len(), wanted.len());
            return Err(Error::format(path, problem).with_help("download the whole model folder"));
        }
        let shards: Vec<_> = wanted.keys().map(|s| folder.join(s)).collect();
        let opened = Self::open_shards(path, &shards)?;
        for (shard, tensors) in wanted {
            if let Some(lost) = tensors.iter().find(|t| !opened.names.contains_key(**t)) {
                return Err(Error::format(
                    path,
                    format!("the index puts {lost:?} in {shard:?}, which does not have it"),
                ));
            }
        }
        Ok(Self { metadata: index.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default(), ..opened })
    }

    /// Opens these shards as one file known as `path`.
    ///
    /// # Errors
    /// A shard is broken, or two shards have a tensor of the same name.
    pub fn open_shards(path: &Path, shards: &[PathBuf]) -> Result<Self> {
        let shards = shards.iter().map(|s| open_one(s)).collect::<Result<Vec<_>>>()?;
        let mut out = Self {
            path: path.to_owned(),
            shards: Vec::new(),
            metadata: Metadata::new(),
            tensors: Vec::new(),
            places: Vec::new(),
            names: HashMap::new(),
        };
        for (s, shard) in shards.iter().enumerate() {
            for (i, info) in shard.tensors().iter().enumerate() {
                if out.names.insert(info.name.clone(), out.tensors.len()).is_some() {
                    return Err(Error::format(shard.path(), format!("tensor {:?} is in another shard too", info.name)));
                }
                out.tensors.push(info.clone());
                out.places.push((s, i));
            }
        }
        out.shards = shards;
        Ok(out)
    }
}

/// One file of safetensors or of PyTorch, whatever its name, and never an index.
pub(super) fn open_one(path: &Path) -> Result<Box<dyn TensorFile>> {
    match detect(path)?.format {
        Format::Safetensors => Ok(Box::new(SafetensorsFile::open(path)?)),
        Format::PyTorch => Ok(Box::new(PyTorchFile::open(path)?)),
        _ => Err(Error::format(path, "expected weights in safetensors or of PyTorch, found another kind of file")),
    }
}

/// A file name and nothing else: an index must not lead out of its folder.
fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

impl TensorFile for ShardedFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn format(&self) -> &'static str {
        self.shards.first().map_or("safetensors", |s| s.format())
    }

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn index_of(&self, name: &str) -> Result<usize> {
        let known = || self.tensors.iter().map(|t| t.name.as_str());
        self.names.get(name).copied().ok_or_else(|| Error::no_tensor(name, known()))
    }

    fn data(&self, index: usize) -> Result<&[u8]> {
        match self.places.get(index).and_then(|(s, i)| Some((self.shards.get(*s)?, *i))) {
            Some((shard, i)) => shard.data(i),
            None => {
                Err(Error::argument("tensor index", format!("less than {}", self.tensors.len()), index.to_string()))
            }
        }
    }
}
