//! From what a person writes to a path: a file, a folder, or a name on the hub.

use crate::control::Control;
use crate::error::{Error, Result, nearest};
use crate::hub::{Hub, HubName, HubOptions};
use std::path::{Path, PathBuf};

/// The path that `name` stands for. `~` is expanded; what is no path here and reads as a name on the hub (`org/model`,
/// `org/model/file.gguf`, either with `@revision`) is taken from the local cache of Hugging Face tools, or downloaded into it.
///
/// # Errors
/// `NotFound` with the nearest name in the same folder; those of [`Hub::find`]; a revision of what is a path.
pub fn resolve(name: &str, options: &HubOptions, control: &Control) -> Result<PathBuf> {
    resolve_with(name, options, control, Hub::from_env)
}

fn resolve_with(name: &str, options: &HubOptions, control: &Control, hub: impl FnOnce() -> Hub) -> Result<PathBuf> {
    let path = expand_home(name);
    if path.exists() {
        return match &options.revision {
            None => Ok(path),
            Some(_) => Err(Error::unsupported(
                format!("the option revision is for models on the hub, and {name} is a path here"),
                "leave revision out, or load from another folder",
            )),
        };
    }
    // Who names a revision, or wants local files of the hub, means the hub.
    let means_hub = |wanted: &HubName| wanted.revision.is_some() || *options != HubOptions::default();
    match HubName::parse(name).filter(|wanted| means_hub(wanted) || !is_slip(&path)) {
        Some(wanted) => hub().find(&of_revision(wanted, options)?, options.local_files_only, control),
        None => Err(missing(name, &path)),
    }
}

/// The name with the revision that the options ask for.
fn of_revision(name: HubName, options: &HubOptions) -> Result<HubName> {
    let Some(given) = &options.revision else { return Ok(name) };
    if name.revision.as_ref().is_some_and(|r| r != given) {
        let found = format!("{name} and revision: {given:?}");
        return Err(Error::argument("load", "one revision", found));
    }
    let whole = HubName::parse(&format!("{}@{given}", HubName { revision: None, ..name }));
    whole.ok_or_else(|| Error::argument("load: option revision", "a branch, a tag or a commit", format!("{given:?}")))
}

/// Whether a path that reads as a name on the hub is more likely one with a slip in it: its folder is here, and has
/// something of nearly that name, or it goes further down.
fn is_slip(path: &Path) -> bool {
    let mut parts = path.components();
    let (Some(first), Some(second)) = (parts.next(), parts.next()) else { return true };
    let first = Path::new(first.as_os_str());
    let second = second.as_os_str().to_string_lossy();
    let here = names_in(first);
    first.is_dir() && (parts.next().is_some() || nearest(&second, here.iter().map(String::as_str)).is_some())
}

fn names_in(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder)
        .map(|entries| entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect())
        .unwrap_or_default()
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
    let siblings = names_in(folder);
    let file = path.file_name().and_then(|f| f.to_str()).unwrap_or(name);
    let error = Error::not_found("model", name, []);
    match nearest(file, siblings.iter().map(String::as_str)) {
        Some(near) => error.with_help(format!("did you mean {:?}?", folder.join(near).display().to_string())),
        None if !folder.exists() => error.with_help(format!("the folder {} does not exist", folder.display())),
        None => error.with_help(
            "give the path of a .gguf or .safetensors file or of a folder with a config.json, a name on the hub such as \"HuggingFaceTB/SmolLM2-135M\", or \"sample\" for the built-in model",
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn offline(cache: &Path) -> Hub {
        Hub { offline: true, ..Hub::new(cache, "http://127.0.0.1:9") }
    }

    fn revision(revision: &str) -> HubOptions {
        HubOptions { revision: Some(revision.to_owned()), ..HubOptions::default() }
    }

    #[test]
    fn the_cache_of_the_hub_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("models--org--m");
        std::fs::create_dir_all(model.join("refs")).unwrap();
        std::fs::create_dir_all(model.join("snapshots/abc")).unwrap();
        std::fs::write(model.join("refs/main"), "abc\n").unwrap();
        std::fs::write(model.join("snapshots/abc/m.gguf"), "").unwrap();
        let find =
            |name: &str, options: &HubOptions| resolve_with(name, options, &Control::default(), || offline(dir.path()));
        let file = model.join("snapshots/abc/m.gguf");
        assert_eq!(find("org/m", &HubOptions::default()).unwrap(), file);
        assert_eq!(find("org/m", &revision("abc")).unwrap(), file);
        assert_eq!(find("org/m@abc", &HubOptions::default()).unwrap(), file);
        assert_eq!(find("org/m/m.gguf", &HubOptions::default()).unwrap(), file);
        let e = find("org/other", &HubOptions::default()).unwrap_err().to_string();
        assert!(e.contains("HF_HUB_OFFLINE"), "{e}");
        assert!(find("org/m@abc", &revision("main")).unwrap_err().to_string().contains("one revision"));
        assert!(find("org/m", &revision("../x")).unwrap_err().to_string().contains("option revision"));
        let e = find(dir.path().to_str().unwrap(), &revision("main")).unwrap_err().to_string();
        assert!(e.contains("is a path here"), "{e}");
    }

    #[test]
    fn a_slip_in_a_file_name_is_suggested() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("model.gguf"), "x").unwrap();
        let path = dir.path().join("modl.gguf");
        let e = resolve(path.to_str().unwrap(), &HubOptions::default(), &Control::default()).unwrap_err().to_string();
        assert!(e.contains("model.gguf"), "{e}");
    }

    #[test]
    fn a_slip_in_a_folder_that_is_here_is_not_asked_of_the_hub() {
        // Tests run in the folder of their package.
        assert!(is_slip(Path::new("src/modle")) && is_slip(Path::new("src/x/y.gguf")));
        assert!(!is_slip(Path::new("HuggingFaceTB/SmolLM2-135M")));
    }
}
