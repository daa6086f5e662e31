//! From paths of the API to paths of the file system, none of them outside the root.

use crate::lab::error::{ApiError, ApiResult};
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A path of the API and where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Below the root: names with `/` between them. The root is "".
    pub api: String,
    /// In the file system, existing or not.
    pub path: PathBuf,
}

impl Place {
    /// The last part of the path.
    pub fn name(&self) -> &str {
        name_of(&self.api)
    }
}

/// The last part of a path of the API.
pub fn name_of(api: &str) -> &str {
    api.rsplit_once('/').map_or(api, |(_, name)| name)
}

/// A path of the API without its last part.
pub fn folder_of(api: &str) -> &str {
    api.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A path of the API one step deeper.
pub fn child(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Whether a part of the path begins with a point.
pub fn is_hidden(api: &str) -> bool {
    api.split('/').any(|part| part.starts_with('.'))
}

/// Whether this can be one part of a path.
pub fn is_name(part: &str) -> bool {
    let foreign = |c: char| matches!(c, '\0' | '/') || (cfg!(windows) && r#"\:*?"<>|"#.contains(c));
    !matches!(part, "" | "." | "..") && !part.contains(foreign)
}

/// Where a path leads when every link on it is followed. `root` is canonical.
pub fn locate(root: &Path, api: &str) -> ApiResult<Place> {
    let api = clean(api)?;
    Ok(Place { api: api.to_owned(), path: inside(root, &join(root, api), api)? })
}

/// Where the entry of this name stands: links on the way to it are followed, not one that the entry itself is.
pub fn entry(root: &Path, api: &str) -> ApiResult<Place> {
    let api = clean(api)?;
    let folder = inside(root, &join(root, folder_of(api)), api)?;
    let path = if api.is_empty() { folder } else { folder.join(name_of(api)) };
    Ok(Place { api: api.to_owned(), path })
}

fn clean(api: &str) -> ApiResult<&str> {
    let api = api.trim_matches('/');
    if api.is_empty() || api.split('/').all(is_name) {
        return Ok(api);
    }
    Err(ApiError::not_found(format!(
        "{api} is not a path below the served folder: expected names with '/' between them"
    )))
}

fn join(root: &Path, api: &str) -> PathBuf {
    let mut path = root.to_owned();
    path.extend(api.split('/').filter(|part| !part.is_empty()));
    path
}

/// The path with its links followed as far as it exists. What does not exist is no link, so what is checked here holds
/// until somebody else changes the folder.
fn inside(root: &Path, path: &Path, api: &str) -> ApiResult<PathBuf> {
    let outside = || ApiError::not_found(format!("{api} is outside root contents directory"));
    let mut missing: Vec<&OsStr> = Vec::new();
    let mut at = path;
    loop {
        match fs::canonicalize(at) {
            Ok(real) if real.starts_with(root) => {
                return Ok(missing.iter().rev().fold(real, |path, name| path.join(name)));
            }
            Ok(_) => return Err(outside()),
            Err(_) if at.is_symlink() => {
                return Err(ApiError::not_found(format!("{api}: a link on this path leads nowhere")));
            }
            Err(e) if e.kind() == ErrorKind::NotADirectory => {
                return Err(ApiError::not_found(format!("No such file or directory: {api}")));
            }
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(ApiError::file(api, &e)),
            Err(_) => {}
        }
        let (Some(folder), Some(name)) = (at.parent(), at.file_name()) else { return Err(outside()) };
        missing.push(name);
        at = folder;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn root() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap().join("root");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("sub/a.txt"), "a").unwrap();
        fs::write(folder.path().join("secret"), "s").unwrap();
        (folder, root)
    }

    #[test]
    fn names_lead_below_the_root_whether_they_exist_or_not() {
        let (_folder, root) = root();
        let place = locate(&root, "/sub/a.txt").unwrap();
        assert_eq!((place.api.as_str(), place.name()), ("sub/a.txt", "a.txt"));
        assert_eq!(place.path, root.join("sub").join("a.txt"));
        assert_eq!(locate(&root, "new/deep/b").unwrap().path, root.join("new").join("deep").join("b"));
        assert_eq!(locate(&root, "/").unwrap().path, root);
        assert_eq!(entry(&root, "").unwrap().path, root);
    }

    #[test]
    fn tricks_are_refused() {
        let (_folder, root) = root();
        for path in ["..", "../secret", "sub/../../secret", "sub/./a.txt", "sub//a.txt", "a\0b", "sub/a.txt/b"] {
            assert_eq!(locate(&root, path).unwrap_err().status.as_u16(), 404, "{path:?}");
        }
    }

    #[test]
    fn hidden_is_what_begins_with_a_point() {
        assert!(is_hidden(".a") && is_hidden("a/.b/c") && is_hidden("a/../b"));
        assert!(!is_hidden("") && !is_hidden("a.b/c"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_inside_and_nowhere_else() {
        use std::os::unix::fs::symlink;
        let (folder, root) = root();
        symlink("sub", root.join("inner")).unwrap();
        symlink(folder.path(), root.join("outer")).unwrap();
        symlink(folder.path().join("secret"), root.join("file")).unwrap();
        symlink(folder.path().join("nothing"), root.join("dangling")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        assert_eq!(locate(&root, "inner/a.txt").unwrap().path, root.join("sub/a.txt"));
        for path in ["outer", "outer/secret", "outer/new", "file", "dangling", "dangling/x", "loop"] {
            assert_eq!(locate(&root, path).unwrap_err().status.as_u16(), 404, "{path}");
        }
        assert_eq!(entry(&root, "file").unwrap().path, root.join("file"));
        assert!(entry(&root, "outer/secret").is_err());
    }
}
