//! Copies of files and folders.

use super::manager::Contents;
use super::model::Model;
use super::places::{self, Place, folder_of};
use super::reading::{Kind, Wanted, metadata, must_be_file};
use crate::lab::error::{ApiError, ApiResult};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::path::{Path, PathBuf};

/// The largest folder that is copied, in bytes: as in Jupyter Server.
const LARGEST: u64 = 500 << 20;

impl Contents {
    /// POST with `copy_from`: a copy in a folder, under a name that is not taken, or under the name that `to` is.
    pub(super) fn copy(&self, from: &str, to: &str) -> ApiResult<Model> {
        self.refuse_hidden(from, "copy")?;
        self.refuse_hidden(to, "copy")?;
        let (source, target) = (places::locate(&self.root, from)?, places::locate(&self.root, to)?);
        let about = metadata(&source)?;
        let kind = if about.is_dir() { Kind::Directory } else { Kind::of_name(source.name()) };
        if kind == Kind::Directory {
            check_folder(&source, &target)?;
        } else {
            must_be_file(&source, &about)?;
        }
        if kind == Kind::Directory && !target.path.exists() {
            // As in Jupyter Server: a folder comes into another, which is made where it is missing.
            fs::create_dir_all(&target.path).map_err(|e| ApiError::file(&target.api, &e))?;
        }
        let copy = if target.path.is_dir() {
            self.reserve(&target, &without_copy(source.name()), "-Copy", kind)?
        } else {
            self.reserve_exactly(target, kind)?
        };
        fill(&source.path, &copy.path, kind, &mut Vec::new()).map_err(|e| {
            let _ = if kind == Kind::Directory { fs::remove_dir_all(&copy.path) } else { fs::remove_file(&copy.path) };
            ApiError::file(&format!("Cannot copy {} to {}", source.api, copy.api), &e)
        })?;
        let model = self.look(&copy, Wanted::default())?;
        self.emit("copy", &copy.api, Some(&source.api));
        Ok(model)
    }

    fn reserve_exactly(&self, target: Place, kind: Kind) -> ApiResult<Place> {
        let parent = places::locate(&self.root, folder_of(&target.api))?;
        if !parent.path.is_dir() {
            return Err(ApiError::not_found(format!("No such parent directory: {} to copy file in", parent.api)));
        }
        if fs::symlink_metadata(&target.path).is_ok() {
            return Err(ApiError::conflict(format!("File already exists: {}", target.api)));
        }
        self.reserve(&parent, target.name(), "-Copy", kind)
    }
}

fn check_folder(source: &Place, target: &Place) -> ApiResult<()> {
    if target.path.starts_with(&source.path) {
        return Err(ApiError::bad_request(format!("Cannot copy {} into itself", source.api)));
    }
    let size = size_of(&source.path).map_err(|e| ApiError::file(&source.api, &e))?;
    if size > LARGEST {
        let (largest, size) = (LARGEST >> 20, size >> 20);
        return Err(ApiError::bad_request(format!(
            "Can't copy folders larger than {largest} MB, {} has {size} MB",
            source.api
        )));
    }
    Ok(())
}

fn size_of(folder: &Path) -> io::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        size += if about.is_dir() { size_of(&entry.path())? } else { about.len() };
        if size > LARGEST {
            break;
        }
    }
    Ok(size)
}

/// Fills a new, empty file or folder, for whom the source is and for nobody else, from its first byte on. What was copied
/// is added to `done`: a folder after what is in it.
pub(super) fn fill(from: &Path, to: &Path, kind: Kind, done: &mut Vec<PathBuf>) -> io::Result<()> {
    if kind == Kind::Directory {
        return fill_folder(from, to, done);
    }
    let source = File::open(from)?;
    let out = OpenOptions::new().write(true).truncate(true).open(to)?;
    let permissions = source.metadata()?.permissions();
    pour(source, out, permissions)?;
    done.push(from.to_owned());
    Ok(())
}

/// Puts a copy of a file in the place of another, whole or not at all. A link in that place is replaced, not followed.
pub(super) fn replace(from: &Path, to: &Path, permissions: Permissions) -> io::Result<()> {
    let source = File::open(from)?;
    let folder = to.parent().unwrap_or(Path::new("."));
    // Such a file is its owner's only, until it gets its permissions.
    let new = tempfile::Builder::new().prefix(".minerva-").suffix(".part").tempfile_in(folder)?;
    pour(source, new.as_file().try_clone()?, permissions)?;
    new.persist(to).map(drop).map_err(|e| e.error)
}

fn pour(mut from: File, mut to: File, permissions: Permissions) -> io::Result<()> {
    if cfg!(unix) {
        to.set_permissions(permissions)?;
    }
    io::copy(&mut from, &mut to)?;
    to.sync_data()
}

/// Links are copied as links: following them could lead outside the root. Pipes and devices are left out.
fn fill_folder(from: &Path, to: &Path, done: &mut Vec<PathBuf>) -> io::Result<()> {
    let permissions = fs::metadata(from)?.permissions();
    close_to_others(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() {
            fs::create_dir(&target)?;
            fill_folder(&source, &target, done)?;
        } else if kind.is_file() {
            OpenOptions::new().write(true).create_new(true).open(&target)?;
            fill(&source, &target, Kind::File, done)?;
        } else if kind.is_symlink() && cfg!(unix) {
            copy_link(&source, &target)?;
            done.push(source);
        }
    }
    if cfg!(unix) {
        // Last: it may be one that nothing can be put into.
        fs::set_permissions(to, permissions)?;
    }
    done.push(from.to_owned());
    Ok(())
}

#[cfg(unix)]
fn close_to_others(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))
}

#[cfg(not(unix))]
fn close_to_others(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
pub(super) fn copy_link(from: &Path, to: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(fs::read_link(from)?, to)
}

/// Elsewhere links need rights that people do not have.
#[cfg(not(unix))]
pub(super) fn copy_link(_from: &Path, _to: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A copy of a copy is named after the original.
fn without_copy(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("-Copy") {
        out.push_str(before);
        let tail = after.trim_start_matches(|c: char| c.is_ascii_digit());
        if tail.starts_with('.') {
            rest = tail;
        } else {
            out.push_str("-Copy");
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_copy_of_a_copy_is_named_after_the_original() {
        assert_eq!(without_copy("a-Copy1.ipynb"), "a.ipynb");
        assert_eq!(without_copy("a-Copy.ipynb"), "a.ipynb");
        assert_eq!(without_copy("a-Copy1b.txt"), "a-Copy1b.txt");
        assert_eq!(without_copy("folder-Copy1"), "folder-Copy1");
        assert_eq!(without_copy("plain"), "plain");
    }

    #[cfg(unix)]
    #[test]
    fn links_in_folders_stay_links() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("deep")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("deep/a"), "a").unwrap();
        std::os::unix::fs::symlink("/etc", from.join("link")).unwrap();
        let mut done = Vec::new();
        fill(&from, &to, Kind::Directory, &mut done).unwrap();
        assert_eq!(fs::read(to.join("deep/a")).unwrap(), b"a");
        assert!(to.join("link").is_symlink());
        let place = |path: &str| done.iter().position(|p| *p == from.join(path)).unwrap();
        assert!(place("deep/a") < place("deep") && place("deep") < place("") && place("link") < place(""));
    }

    #[cfg(unix)]
    #[test]
    fn a_copy_is_for_whom_the_original_is() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mode = |name: &str| fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
        let set = |name: &str, mode| fs::set_permissions(path(name), Permissions::from_mode(mode)).unwrap();
        fs::create_dir_all(path("from/deep")).unwrap();
        fs::create_dir(path("to")).unwrap();
        fs::write(path("from/deep/a"), "a").unwrap();
        fs::write(path("b"), "").unwrap();
        set("from/deep/a", 0o600);
        set("from/deep", 0o500);
        set("from", 0o750);
        fill(&path("from"), &path("to"), Kind::Directory, &mut Vec::new()).unwrap();
        assert_eq!((mode("to"), mode("to/deep"), mode("to/deep/a")), (0o750, 0o500, 0o600));
        fill(&path("from/deep/a"), &path("b"), Kind::File, &mut Vec::new()).unwrap();
        assert_eq!((mode("b"), fs::read(path("b")).unwrap().as_slice()), (0o600, b"a".as_slice()));
        set("from/deep", 0o700);
        set("to/deep", 0o700);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("new"), "new").unwrap();
        fs::write(path("other"), "other").unwrap();
        std::os::unix::fs::symlink("other", path("link")).unwrap();
        replace(&path("new"), &path("link"), fs::metadata(path("new")).unwrap().permissions()).unwrap();
        assert_eq!(
            (fs::read(path("link")).unwrap(), fs::read(path("other")).unwrap()),
            (b"new".into(), b"other".into())
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
