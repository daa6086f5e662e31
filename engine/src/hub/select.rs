//! Which files of a repository make the model: configuration, tokenizer, and the weights in one format.

use super::name::is_safe_path;
use crate::error::{Error, Result};
use crate::format::small_json;
use std::collections::BTreeSet;
use std::path::Path;

/// What stands beside weights in the hub's layout.
const BESIDE: [&str; 11] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
    "spiece.model",
    "chat_template.jinja",
];

/// Names that an error lists.
const MOST_LISTED: usize = 24;

/// Files to take, and what to open once they are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    /// Paths in the repository, small ones first.
    pub(super) files: Vec<String>,
    /// The index that names the weights; one of `files`, and the weights are not.
    pub(super) index: Option<String>,
    /// The file to open; `None` is the folder.
    pub(super) open: Option<String>,
}

/// The model among `all` files of a repository: a folder with `config.json`, safetensors before PyTorch; else its only GGUF
/// model.
///
/// # Errors
/// There are several GGUF models, or no weights at all.
pub(super) fn select(repo: &str, all: &[String]) -> Result<Selection> {
    let top = |name: &str| all.iter().any(|n| n == name);
    if top("config.json") {
        for (ending, stem) in [(".safetensors", "model"), (".bin", "pytorch_model")] {
            let index = format!("{stem}{ending}.index.json");
            if top(&index) {
                return Ok(folder(all, Some(index), Vec::new()));
            }
            if let Some(weights) = weights(all, stem, ending) {
                return Ok(folder(all, None, weights));
            }
        }
    }
    let models = gguf_models(all);
    match models.as_slice() {
        [only] => one_gguf(repo, only, all),
        [] => Err(no_weights(repo, all)),
        several => {
            let mut list: Vec<&str> = several.iter().map(String::as_str).take(MOST_LISTED).collect();
            if several.len() > MOST_LISTED {
                list.push("…");
            }
            let problem = format!("{repo} has {} GGUF models:\n  {}", several.len(), list.join("\n  "));
            let example = several.first().map_or("FILE.gguf", String::as_str);
            Err(Error::unsupported(problem, format!("name one of them: load(\"{repo}/{example}\")")))
        }
    }
}

/// A file of weights that was asked for by its name: a GGUF model with all its parts, other weights with what belongs to them.
///
/// # Errors
/// There is no such file.
pub(super) fn named(repo: &str, file: &str, all: &[String]) -> Result<Selection> {
    if !all.iter().any(|n| n == file) {
        let ending = ending(file);
        let known = || all.iter().map(String::as_str).filter(move |n| n.ends_with(ending));
        let error = Error::not_found("file", &format!("{repo}/{file}"), []);
        let list: Vec<&str> = known().take(MOST_LISTED).collect();
        return Err(match (crate::error::nearest(file, known()), list.is_empty()) {
            (Some(near), _) => error.with_help(format!("did you mean \"{repo}/{near}\"?")),
            (None, false) => error.with_help(format!("the repository has {}", list.join(", "))),
            (None, true) => error.with_help(format!("the repository has no {ending} files")),
        });
    }
    if file.ends_with(".gguf") {
        return one_gguf(repo, file, all);
    }
    let mut files = beside(all);
    files.push(file.to_owned());
    Ok(Selection { files, index: None, open: Some(file.to_owned()) })
}

/// The weights that an index names.
///
/// # Errors
/// The index is broken, or names files elsewhere.
pub(super) fn in_index(path: &Path) -> Result<Vec<String>> {
    let index = small_json::object(path)?;
    let map = index.get("weight_map").and_then(|m| m.as_object());
    let map = map.ok_or_else(|| Error::format(path, "expected an index of shards, found no \"weight_map\" in it"))?;
    let mut names = BTreeSet::new();
    for shard in map.values() {
        match shard.as_str().filter(|s| is_safe_path(s)) {
            Some(name) => names.insert(name.to_owned()),
            None => return Err(Error::format(path, format!("expected names of files in weight_map, found {shard}"))),
        };
    }
    Ok(names.into_iter().collect())
}

/// The parts of a GGUF model: itself alone, or all of `x-00001-of-00003.gguf`. `None` where a part is not among `all`.
pub(super) fn parts(file: &str, all: &[String]) -> Option<Vec<String>> {
    let wanted: Vec<String> = match split(file) {
        Some((stem, total)) => (1..=total).map(|n| format!("{stem}-{n:05}-of-{total:05}.gguf")).collect(),
        None => vec![file.to_owned()],
    };
    wanted.iter().all(|w| all.contains(w)).then_some(wanted)
}

fn ending(file: &str) -> &str {
    file.rfind('.').and_then(|n| file.get(n..)).unwrap_or_default()
}

fn beside(all: &[String]) -> Vec<String> {
    BESIDE.iter().filter(|n| all.iter().any(|a| a == *n)).map(|n| (*n).to_owned()).collect()
}

fn folder(all: &[String], index: Option<String>, weights: Vec<String>) -> Selection {
    let mut files = beside(all);
    files.extend(index.clone());
    files.extend(weights);
    Selection { files, index, open: None }
}

/// Weights without an index, in the order in which [`crate::format::hub`] looks for them.
fn weights(all: &[String], stem: &str, ending: &str) -> Option<Vec<String>> {
    let single = format!("{stem}{ending}");
    if all.contains(&single) {
        return Some(vec![single]);
    }
    let named: Vec<&String> = all.iter().filter(|n| !n.contains('/') && n.ends_with(ending)).collect();
    let shard = |n: &&&String| n.starts_with(&format!("{stem}-")) && n.contains("-of-");
    let shards: Vec<String> = named.iter().filter(shard).map(|n| (*n).clone()).collect();
    let total = |n: &String| n.rsplit_once("-of-")?.1.strip_suffix(ending)?.parse::<usize>().ok();
    match (shards.first(), named.as_slice()) {
        (Some(first), _) => (total(first) == Some(shards.len())).then_some(shards),
        // Optimizers and training arguments are .bin files too.
        (None, [only]) if ending == ".safetensors" && !only.starts_with("adapter_") => Some(vec![(*only).clone()]),
        _ => None,
    }
}

/// The GGUF models, each by its first part. Projectors of images and importance matrices are none.
fn gguf_models(all: &[String]) -> Vec<String> {
    let is_part = |n: &str| split(n).is_some_and(|(stem, total)| n != format!("{stem}-00001-of-{total:05}.gguf"));
    let aside = |n: &str| {
        let name = n.rsplit('/').next().unwrap_or(n).to_lowercase();
        name.contains("mmproj") || name.contains("imatrix")
    };
    all.iter().filter(|n| n.ends_with(".gguf") && !is_part(n) && !aside(n)).cloned().collect()
}

fn one_gguf(repo: &str, file: &str, all: &[String]) -> Result<Selection> {
    let files = parts(file, all).ok_or_else(|| {
        Error::unsupported(format!("{repo}: parts of {file} are missing"), "take another file of the repository")
    })?;
    Ok(Selection { files, index: None, open: Some(file.to_owned()) })
}

/// `x-00002-of-00003.gguf` → `x`, 3.
fn split(file: &str) -> Option<(&str, usize)> {
    let (rest, total) = file.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (stem, part) = rest.rsplit_once('-')?;
    let number = |s: &str| (s.len() == 5).then(|| s.parse::<usize>().ok()).flatten();
    number(part)?;
    Some((stem, number(total)?)).filter(|(_, total)| *total > 0)
}

fn no_weights(repo: &str, all: &[String]) -> Error {
    let list: Vec<&str> = all.iter().map(String::as_str).take(MOST_LISTED).collect();
    let found = if list.is_empty() { "no file".to_owned() } else { list.join(", ") };
    let adapter = all.iter().any(|n| n.starts_with("adapter_"));
    let help = if adapter {
        "this is an adapter (LoRA): load its base model, or a version that it was merged into"
    } else {
        "look for a version of the model in safetensors or GGUF"
    };
    let problem =
        format!("{repo}: expected a config.json with safetensors or PyTorch weights, or a GGUF file, found {found}");
    Error::unsupported(problem, help)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(names: &[&str]) -> Result<Selection> {
        select("org/m", &names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_folder_gives_one_set_of_weights_and_nothing_else() {
        let all = [
            "README.md",
            "config.json",
            "model.safetensors",
            "onnx/model.onnx",
            "pytorch_model.bin",
            "tokenizer.json",
            "optimizer.bin",
        ];
        let found = of(&all).unwrap();
        assert_eq!(found.files, ["config.json", "tokenizer.json", "model.safetensors"]);
        assert_eq!((found.index, found.open), (None, None));
        let found = of(&["config.json", "pytorch_model.bin", "training_args.bin", "flax_model.msgpack"]).unwrap();
        assert_eq!(found.files, ["config.json", "pytorch_model.bin"]);
        let found = of(&["config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors"]).unwrap();
        assert_eq!(found.files, ["config.json", "model.safetensors.index.json"]);
        assert_eq!(found.index.unwrap(), "model.safetensors.index.json");
        let found =
            of(&["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]).unwrap();
        assert_eq!(found.files.len(), 3);
        assert!(of(&["config.json", "model-00001-of-00002.safetensors"]).is_err());
    }

    #[test]
    fn one_gguf_model_is_taken_and_several_are_listed() {
        let found = of(&["README.md", "x-Q4_0.gguf", "mmproj-f16.gguf"]).unwrap();
        assert_eq!((found.files, found.open), (vec!["x-Q4_0.gguf".to_owned()], Some("x-Q4_0.gguf".to_owned())));
        let found = of(&["q/x-00002-of-00002.gguf", "q/x-00001-of-00002.gguf"]).unwrap();
        assert_eq!(found.files, ["q/x-00001-of-00002.gguf", "q/x-00002-of-00002.gguf"]);
        assert_eq!(found.open.unwrap(), "q/x-00001-of-00002.gguf");
        let e = of(&["x-Q4_0.gguf", "x-Q8_0.gguf"]).unwrap_err().to_string();
        assert!(
            e.contains("2 GGUF models") && e.contains("x-Q8_0.gguf") && e.contains("load(\"org/m/x-Q4_0.gguf\")"),
            "{e}"
        );
        assert!(of(&["x-00001-of-00002.gguf"]).unwrap_err().to_string().contains("parts of"));
        assert!(of(&["adapter_model.safetensors"]).unwrap_err().to_string().contains("adapter"));
        assert!(of(&[]).unwrap_err().to_string().contains("found no file"));
    }

    #[test]
    fn a_file_by_name() {
        let all = ["config.json", "model.safetensors", "x-Q4_0.gguf"].map(str::to_owned);
        let files = |file: &str| named("org/m", file, &all).map(|s| s.files);
        assert_eq!(files("x-Q4_0.gguf").unwrap(), ["x-Q4_0.gguf"]);
        assert_eq!(files("model.safetensors").unwrap(), ["config.json", "model.safetensors"]);
        let e = files("x-Q4_1.gguf").unwrap_err().to_string();
        assert!(e.contains("did you mean \"org/m/x-Q4_0.gguf\"?"), "{e}");
    }
}
