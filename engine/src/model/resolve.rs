//! From what a person writes to a path: a file, a folder, `"sample"`, or a name in the local Hugging Face cache.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// The path that `name` stands for. `~` is expanded; a hub name (`org/model`, optionally `@revision`) is looked up in
/// the local cache of Hugging Face tools and never downloaded.
///
/// # Errors
/// `NotFound` with the nearest name in the same folder, or with how to get a hub model.
pub fn resolve(name: &str) -> Result<PathBuf> {
    let path = expand_home(name);
    if path.exists() {
        return Ok(path);
    }
    if let Some((repo, revision)) = hub_name(name) {
        return cached(&repo, revision.as_deref(), &hub_cache());
    }
    Err(missing(name, &path))
}

/// The names of the models that the hub's tools have put in the local cache.
pub fn cached_names() -> Vec<String> {
    let entries = std::fs::read_dir(hub_cache()).into_iter().flatten().flatten();
    let names = entries.filter_map(|e| e.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter_map(|n| Some(n.strip_prefix("models--")?.replace("--", "/"))).collect();
    names.sort();
    names
}

fn expand_home(name: &str) -> PathBuf {
    match (name.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(name),
    }
}

fn missing(name: &str, path: &Path) -> Error {
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let siblings: Vec<String> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    let file = path.file_name().and_then(|f| f.to_str()).unwrap_or(name);
    let error = Error::not_found("model", name, []);
    match crate::error::nearest(file, siblings.iter().map(String::as_str)) {
        Some(near) => error.with_help(format!("did you mean {:?}?", folder.join(near).display().to_string())),
        None if !folder.exists() => error.with_help(format!("the folder {} does not exist", folder.display())),
        None => error.with_help(
            "give the path of a .gguf or .safetensors file or of a folder with a config.json, or \"sample\" for the built-in model",
        ),
    }
}

/// `org/model[@revision]`: one slash, no extension of a file, no leading dot.
fn hub_name(name: &str) -> Option<(String, Option<String>)> {
    let (repo, revision) = match name.split_once('@') {
        Some((repo, revision)) => (repo, Some(revision.to_owned())),
        None => (name, None),
    };
    let (owner, model) = repo.split_once('/')?;
    let word = |s: &str| {
        !s.is_empty() && !s.starts_with('.') && s.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let file = [".gguf", ".safetensors", ".bin", ".pt", ".pth", ".json"].iter().any(|e| model.ends_with(e));
    (word(owner) && word(model) && !file).then(|| (repo.to_owned(), revision))
}

fn hub_cache() -> PathBuf {
    let var = |name| std::env::var_os(name).map(PathBuf::from);
    var("HF_HUB_CACHE").or_else(|| var("HF_HOME").map(|h| h.join("hub"))).unwrap_or_else(|| {
        let cache =
            var("XDG_CACHE_HOME").or_else(|| std::env::home_dir().map(|h| h.join(".cache"))).unwrap_or_default();
        cache.join("huggingface/hub")
    })
}

fn cached(repo: &str, revision: Option<&str>, cache: &Path) -> Result<PathBuf> {
    let folder = cache.join(format!("models--{}", repo.replace('/', "--")));
    let revision = revision.unwrap_or("main");
    let commit = std::fs::read_to_string(folder.join("refs").join(revision));
    let snapshot = folder.join("snapshots").join(commit.as_deref().map_or(revision, str::trim));
    if snapshot.is_dir() {
        return Ok(snapshot);
    }
    Err(Error::not_found("model", repo, []).with_help(format!(
        "neither a file here nor in the local hub cache ({}); Minerva downloads nothing by itself: fetch it with `hf download {repo}` and load it again",
        cache.display()
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hub_names_are_told_from_paths() {
        assert_eq!(hub_name("org/model"), Some(("org/model".into(), None)));
        assert_eq!(hub_name("org/model@v1"), Some(("org/model".into(), Some("v1".into()))));
        assert_eq!(hub_name("models/x.gguf"), None);
        assert_eq!(hub_name("../x"), None);
        assert_eq!(hub_name("a/b/c"), None);
    }

    #[test]
    fn the_cache_of_the_hub_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("models--org--m");
        std::fs::create_dir_all(model.join("refs")).unwrap();
        std::fs::create_dir_all(model.join("snapshots/abc")).unwrap();
        std::fs::write(model.join("refs/main"), "abc\n").unwrap();
        assert_eq!(cached("org/m", None, dir.path()).unwrap(), model.join("snapshots/abc"));
        let e = cached("org/other", None, dir.path()).unwrap_err().to_string();
        assert!(e.contains("hf download org/other"), "{e}");
    }

    #[test]
    fn a_slip_in_a_file_name_is_suggested() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("model.gguf"), "x").unwrap();
        let e = resolve(dir.path().join("modl.gguf").to_str().unwrap()).unwrap_err().to_string();
        assert!(e.contains("model.gguf"), "{e}");
    }
}
