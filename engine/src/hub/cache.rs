//! The local cache, as the hub's own tools lay it out: `models--org--name` with the contents in `blobs`, named by their
//! etags, and for each commit a folder in `snapshots` whose files are links to them. `refs` says which commit a branch is.

use super::name::{is_plain, is_safe_path};
use super::settings::Hub;
use crate::error::{Error, Result};
use crate::format::atomic::write_small;
use std::path::{Path, PathBuf};

/// The names of the models that are in the local cache.
pub fn cached_names() -> Vec<String> {
    names_in(&Hub::from_env().cache)
}

pub(super) fn names_in(cache: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(cache).into_iter().flatten().flatten();
    let names = entries.filter_map(|e| e.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter_map(|n| Some(n.strip_prefix("models--")?.replace("--", "/"))).collect();
    names.sort();
    names
}

/// The folder of one model.
#[derive(Debug)]
pub(super) struct Repo {
    folder: PathBuf,
    locks: PathBuf,
}

impl Repo {
    pub(super) fn new(cache: &Path, name: &str) -> Self {
        let folder = format!("models--{}", name.replace('/', "--"));
        Self { locks: cache.join(".locks").join(&folder), folder: cache.join(folder) }
    }

    /// The folder of a revision, a branch or a commit, where there is one.
    pub(super) fn snapshot(&self, revision: &str) -> Option<PathBuf> {
        if !is_safe_path(revision) {
            return None;
        }
        let commit = std::fs::read_to_string(self.folder.join("refs").join(revision));
        let commit = commit.as_deref().map_or(revision, str::trim);
        let folder = self.folder.join("snapshots").join(commit);
        (is_plain(commit) && folder.is_dir()).then_some(folder)
    }

    /// The folder of a commit, there or not.
    pub(super) fn commit(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    /// Where a blob grows before it is whole.
    pub(super) fn incomplete(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(format!("{etag}.incomplete"))
    }

    /// Bytes of downloads that have begun.
    pub(super) fn begun(&self) -> u64 {
        let entries = std::fs::read_dir(self.folder.join("blobs")).into_iter().flatten().flatten();
        let begun = entries.filter(|e| e.path().extension().is_some_and(|x| x == "incomplete"));
        begun.filter_map(|e| e.metadata().ok()).map(|m| m.len()).sum()
    }

    /// What whoever writes a blob locks.
    pub(super) fn lock(&self, etag: &str) -> PathBuf {
        self.locks.join(format!("{etag}.lock"))
    }

    /// Makes the folders that a download writes to.
    pub(super) fn create(&self) -> Result<()> {
        let blobs = self.folder.join("blobs");
        std::fs::create_dir_all(&blobs).map_err(|e| Error::io(&blobs, e))
    }

    /// Puts `file` into the folder of a commit: a link to its blob.
    pub(super) fn link(&self, commit: &str, file: &str, etag: &str) -> Result<()> {
        let pointer = self.commit(commit).join(file);
        let folder = pointer.parent().unwrap_or(&self.folder);
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        // Under another name first: a link that leads nowhere may lie there.
        let target = self.link_target(file, etag);
        let link = tempfile::Builder::new().prefix(".minerva-").make_in(folder, |at| link_to(&target, at));
        let link = link.map_err(|e| Error::io(&pointer, e))?;
        link.into_temp_path().persist(&pointer).map_err(|e| Error::io(&pointer, e.error))
    }

    #[cfg(unix)]
    fn link_target(&self, file: &str, etag: &str) -> PathBuf {
        let up = "../".repeat(2 + file.matches('/').count());
        PathBuf::from(format!("{up}blobs/{etag}"))
    }

    #[cfg(not(unix))]
    fn link_target(&self, _: &str, etag: &str) -> PathBuf {
        self.blob(etag)
    }

    /// Takes note that `revision` is `commit`.
    pub(super) fn write_ref(&self, revision: &str, commit: &str) -> Result<()> {
        let path = self.folder.join("refs").join(revision);
        if revision == commit || std::fs::read_to_string(&path).is_ok_and(|found| found.trim() == commit) {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(&self.folder);
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        write_small(&path, commit.as_bytes())
    }
}

#[cfg(unix)]
fn link_to(target: &Path, at: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, at)
}

/// Symbolic links need a privilege elsewhere.
#[cfg(not(unix))]
fn link_to(target: &Path, at: &Path) -> std::io::Result<()> {
    std::fs::hard_link(target, at).or_else(|_| std::fs::copy(target, at).map(drop))
}

/// The files below a folder, as sorted paths with `/`; links that lead nowhere are none.
pub(super) fn files(folder: &Path) -> Vec<String> {
    const DEPTH: usize = 16;
    fn walk(folder: &Path, before: &str, depth: usize, all: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(name) = entry.file_name().into_string() else { continue };
            let name = format!("{before}{name}");
            if path.is_file() {
                all.push(name);
            } else if depth > 0 && path.is_dir() {
                walk(&path, &format!("{name}/"), depth - 1, all);
            }
        }
    }
    let mut all = Vec::new();
    walk(folder, "", DEPTH, &mut all);
    all.sort();
    all
}

/// Bytes that can be written below `folder`; `None` where the system does not say.
pub(super) fn free_space(folder: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let about = rustix::fs::statvfs(folder).ok()?;
        about.f_bavail.checked_mul(about.f_frsize)
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn revisions_lead_to_folders() {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repo::new(dir.path(), "org/m");
        let model = dir.path().join("models--org--m");
        std::fs::create_dir_all(model.join("snapshots/abc")).unwrap();
        repo.write_ref("main", "abc").unwrap();
        repo.write_ref("refs/pr/1", "abc").unwrap();
        assert_eq!(std::fs::read_to_string(model.join("refs/main")).unwrap(), "abc");
        for revision in ["main", "refs/pr/1", "abc"] {
            assert_eq!(repo.snapshot(revision).unwrap(), model.join("snapshots/abc"));
        }
        std::fs::write(model.join("refs/v2"), "../..\n").unwrap();
        for revision in ["v2", "v3", "../snapshots/abc"] {
            assert_eq!(repo.snapshot(revision), None, "{revision}");
        }
    }

    #[test]
    fn links_replace_links_that_lead_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repo::new(dir.path(), "org/m");
        repo.create().unwrap();
        std::fs::write(repo.blob("e1"), "one").unwrap();
        std::fs::write(repo.blob("e2"), "two").unwrap();
        repo.link("abc", "deep/er/x.json", "e1").unwrap();
        let path = repo.commit("abc").join("deep/er/x.json");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
        repo.link("abc", "deep/er/x.json", "e2").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(files(&repo.commit("abc")), ["deep/er/x.json"]);
        #[cfg(unix)]
        {
            std::fs::remove_file(repo.blob("e2")).unwrap();
            assert!(files(&repo.commit("abc")).is_empty());
            repo.link("abc", "deep/er/x.json", "e1").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
        }
    }

    #[test]
    fn a_disk_has_room() {
        let room = free_space(&std::env::temp_dir());
        assert!(cfg!(not(unix)) || room.is_some_and(|bytes| bytes > 0));
    }
}
