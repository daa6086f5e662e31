//! Names of models, files and revisions on the hub.

/// `org/name`, one file in it, and a revision: what `load` is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubName {
    /// `org/name`.
    pub repo: String,
    /// A file of weights inside, as a path with `/`.
    pub file: Option<String>,
    /// A branch, a tag or a commit; `None` is `main`.
    pub revision: Option<String>,
}

/// Files that can be asked for by name.
const WEIGHTS: [&str; 5] = [".gguf", ".safetensors", ".bin", ".pt", ".pth"];

impl HubName {
    /// Reads `org/name` or `org/name/path/of/weights.gguf`, each with `@revision` behind it or not, or the address of either
    /// as a browser shows it. `None` for anything that is only a path.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_end_matches('/');
        match page(text) {
            Some(page) => Self::of_page(page),
            None => Self::of_name(text),
        }
    }

    /// `org/name`, `org/name/tree/REVISION`, `org/name/blob/REVISION/FILE`.
    fn of_page(page: &str) -> Option<Self> {
        let path = page.split(['?', '#']).next().unwrap_or_default();
        let mut parts = path.splitn(5, '/');
        let repo = format!("{}/{}", parts.next()?, parts.next()?);
        match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => Self::of_name(&repo),
            (Some("tree"), Some(revision), None) => Self::of_name(&format!("{repo}@{revision}")),
            (Some("blob" | "resolve"), Some(revision), Some(file)) => {
                Self::of_name(&format!("{repo}/{file}@{revision}"))
            }
            _ => None,
        }
    }

    fn of_name(text: &str) -> Option<Self> {
        let (path, revision) = match text.split_once('@') {
            Some((path, revision)) => (path, Some(revision.to_owned())),
            None => (text, None),
        };
        if revision.as_deref().is_some_and(|r| !is_safe_path(r)) {
            return None;
        }
        let mut parts = path.splitn(3, '/');
        let (owner, name, file) = (parts.next()?, parts.next()?, parts.next());
        let weights = |n: &str| WEIGHTS.iter().any(|e| n.ends_with(e));
        let good = match file {
            None => !weights(name) && !name.ends_with(".json"),
            Some(file) => weights(file) && is_safe_path(file),
        };
        (good && is_word(owner) && is_word(name)).then(|| Self {
            repo: format!("{owner}/{name}"),
            file: file.map(str::to_owned),
            revision,
        })
    }
}

/// What stands behind the hub's own host in an address.
fn page(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    ["huggingface.co/", "hf.co/"].iter().find_map(|host| rest.strip_prefix(host))
}

/// As it is written.
impl std::fmt::Display for HubName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.repo)?;
        self.file.iter().try_for_each(|file| write!(f, "/{file}"))?;
        self.revision.iter().try_for_each(|revision| write!(f, "@{revision}"))
    }
}

fn is_word(s: &str) -> bool {
    !s.is_empty() && !s.starts_with('.') && s.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// A relative path with `/` that stays where it is put, on every system: names from a server go through this.
pub(super) fn is_safe_path(path: &str) -> bool {
    let part = |p: &str| !p.is_empty() && p != "." && p != ".." && !p.ends_with([' ', '.']);
    let letter = |c: char| !c.is_control() && !"\\:*?\"<>|".contains(c);
    path.len() <= 512 && path.split('/').all(part) && path.chars().all(letter)
}

/// A word that can be the name of a file in the cache: what an etag and a commit must be.
pub(super) fn is_plain(word: &str) -> bool {
    is_word(word) && word.len() <= 128
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hub_names_are_told_from_paths() {
        let name = |repo: &str, file: Option<&str>, revision: Option<&str>| {
            Some(HubName { repo: repo.into(), file: file.map(Into::into), revision: revision.map(Into::into) })
        };
        assert_eq!(HubName::parse("org/model"), name("org/model", None, None));
        assert_eq!(HubName::parse("org/model@v1"), name("org/model", None, Some("v1")));
        assert_eq!(HubName::parse("org/model@refs/pr/1"), name("org/model", None, Some("refs/pr/1")));
        assert_eq!(HubName::parse("org/model/Q4/x.gguf"), name("org/model", Some("Q4/x.gguf"), None));
        for address in ["https://huggingface.co/org/model", "hf.co/org/model/", "org/model/"] {
            assert_eq!(HubName::parse(address), name("org/model", None, None), "{address}");
        }
        let file = "https://huggingface.co/org/model/resolve/main/Q4/x.gguf?download=true";
        assert_eq!(HubName::parse(file), name("org/model", Some("Q4/x.gguf"), Some("main")));
        assert_eq!(HubName::parse("https://hf.co/org/model/tree/v1"), name("org/model", None, Some("v1")));
        assert_eq!(HubName::parse("https://example.org/org/model"), None);
        for path in [
            "models/x.gguf",
            "../x",
            "/a/b",
            "a/b/c",
            "~/a/b.gguf",
            "./a/b.gguf",
            "org/m/../x.gguf",
            "sample",
            "org/m@../x",
        ] {
            assert_eq!(HubName::parse(path), None, "{path}");
        }
    }

    #[test]
    fn paths_that_lead_elsewhere_are_not_safe() {
        for path in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a\\b", "C:/x", "a/.", "x\n"] {
            assert!(!is_safe_path(path), "{path:?}");
        }
        assert!(is_safe_path("Q4_K_M/model-00001-of-00002.gguf") && is_safe_path("a b/ü.json"));
        assert!(is_plain("abc-1.2_3") && !is_plain("..") && !is_plain("a/b") && !is_plain(""));
    }
}
