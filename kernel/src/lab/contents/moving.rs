//! Renaming and deleting. A link is renamed or deleted itself, not what it names.

use super::checkpoints::FOLDER;
use super::copying::{copy_link, fill};
use super::manager::{Contents, no_such};
use super::model::{Model, writable};
use super::notebook::Fields;
use super::places::{self, Place, folder_of};
use super::reading::Kind;
use super::saving::no_folder;
use crate::lab::error::{ApiError, ApiResult};
use serde_json::Value;
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

impl Contents {
    /// PATCH: gives a file or folder the path that `model` names.
    pub(super) fn rename(&self, api: &str, model: &Fields) -> ApiResult<Model> {
        let old = api.trim_matches('/');
        let new = model.get("path").and_then(Value::as_str).map_or(old, |path| path.trim_matches('/'));
        self.refuse_hidden(old, "rename")?;
        self.refuse_hidden(new, "rename")?;
        let (from, to) = (places::entry(&self.root, old)?, places::entry(&self.root, new)?);
        if old != new {
            self.move_entry(&from, &to)?;
        }
        self.entry_model(to).ok_or_else(|| no_such(new))
    }

    fn move_entry(&self, from: &Place, to: &Place) -> ApiResult<()> {
        if from.api.is_empty() || to.api.is_empty() {
            return Err(ApiError::bad_request("Can't rename root: name a file or folder in it"));
        }
        let _held = self.locks.hold(&[&from.path, &to.path]);
        let missing = |_| ApiError::not_found(format!("File or directory does not exist: {}", from.api));
        let about = fs::symlink_metadata(&from.path).map_err(missing)?;
        if !to.path.parent().is_some_and(Path::is_dir) {
            return Err(no_folder(folder_of(&to.api)));
        }
        let moved = match fs::symlink_metadata(&to.path) {
            Ok(_) if is_same_name(from, to) => fs::rename(&from.path, &to.path),
            Ok(_) => Err(ErrorKind::AlreadyExists.into()),
            Err(_) => rename_to_new(&from.path, &to.path),
        };
        let moved = match moved {
            Err(e) if e.kind() == ErrorKind::CrossesDevices => move_bytes(from, to, &about),
            other => other,
        };
        moved.map_err(|e| match e.kind() {
            ErrorKind::AlreadyExists => ApiError::conflict(format!("File already exists: {}", to.api)),
            _ => ApiError::file(&format!("Cannot rename {} to {}", from.api, to.api), &e),
        })?;
        if !about.is_dir() {
            self.move_checkpoint(&from.api, &to.api);
        }
        self.emit("rename", &to.api, Some(&from.api));
        Ok(())
    }

    /// DELETE: to the trash, as pages promise when they ask. What the trash does not take stays where it is.
    pub(super) fn delete(&self, api: &str) -> ApiResult<()> {
        self.refuse_hidden(api, "delete")?;
        let entry = places::entry(&self.root, api)?;
        if entry.api.is_empty() {
            return Err(ApiError::bad_request("Can't delete root"));
        }
        let _held = self.locks.hold(&[&entry.path]);
        let about = fs::symlink_metadata(&entry.path).map_err(|_| no_such(&entry.api))?;
        if !about.is_symlink() && !writable(&entry.path) {
            return Err(ApiError::forbidden(format!("Permission denied: {}", entry.api)));
        }
        // There the trash removes for good what is too large for it.
        if cfg!(windows) && about.is_dir() && holds_something(&entry.path) {
            return Err(ApiError::bad_request(format!(
                "Directory {} not empty: delete first what is in it",
                entry.api
            )));
        }
        trash::delete(&entry.path).map_err(|error| not_taken(&entry.api, &error))?;
        if !about.is_dir() {
            self.forget_checkpoint(&entry.api);
        }
        self.emit("delete", &entry.api, None);
        Ok(())
    }
}

fn not_taken(api: &str, error: &dyn std::fmt::Display) -> ApiError {
    let help = "nothing was deleted; remove it in a terminal or a file manager if it is to be gone for good";
    ApiError::bad_request(format!("{api} cannot be moved to the trash ({error}): {help}"))
}

/// Whether only the case of a name changes, where that makes no difference to the file system.
fn is_same_name(from: &Place, to: &Place) -> bool {
    let alike = from.path.parent() == to.path.parent() && from.name().to_lowercase() == to.name().to_lowercase();
    alike && fs::canonicalize(&from.path).ok().is_some_and(|path| fs::canonicalize(&to.path).ok() == Some(path))
}

/// Renames and replaces nothing, not even what somebody else has just made.
#[cfg(target_os = "linux")]
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    let (old, new) = (CString::new(from.as_os_str().as_bytes())?, CString::new(to.as_os_str().as_bytes())?);
    // SAFETY: both texts end with a NUL and live until the call has returned.
    let done =
        unsafe { libc::renameat2(libc::AT_FDCWD, old.as_ptr(), libc::AT_FDCWD, new.as_ptr(), libc::RENAME_NOREPLACE) };
    if done == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        // Some file systems cannot promise it. A folder moved into itself gives EINVAL too, and gives it again.
        Some(libc::EINVAL | libc::ENOSYS | libc::ENOTSUP) => fs::rename(from, to),
        _ => Err(error),
    }
}

/// Renames what was just seen to be new.
#[cfg(not(target_os = "linux"))]
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// From one file system to another. Only what was copied is removed: not what came meanwhile, no pipes and devices.
fn move_bytes(from: &Place, to: &Place, about: &Metadata) -> io::Result<()> {
    if about.is_symlink() {
        return copy_link(&from.path, &to.path).and_then(|()| fs::remove_file(&from.path));
    }
    let kind = if about.is_dir() { Kind::Directory } else { Kind::File };
    match kind {
        Kind::Directory => fs::create_dir(&to.path)?,
        _ => drop(OpenOptions::new().write(true).create_new(true).open(&to.path)?),
    }
    let mut copied = Vec::new();
    if let Err(error) = fill(&from.path, &to.path, kind, &mut copied) {
        let _ = if kind == Kind::Directory { fs::remove_dir_all(&to.path) } else { fs::remove_file(&to.path) };
        return Err(error);
    }
    let remove = |path: &Path| match fs::symlink_metadata(path)?.is_dir() {
        true => fs::remove_dir(path),
        false => fs::remove_file(path),
    };
    let mut left = None;
    for path in &copied {
        left = remove(path).err().or(left);
    }
    left.map_or(Ok(()), |e| Err(io::Error::other(format!("all was copied, but not all could be removed here: {e}"))))
}

/// Whether there is more in a folder than checkpoints.
fn holds_something(folder: &Path) -> bool {
    fs::read_dir(folder).map_or(true, |entries| entries.flatten().any(|entry| entry.file_name() != FOLDER))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn renaming_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "a").unwrap();
        rename_to_new(&path("a"), &path("b")).unwrap();
        assert_eq!(fs::read(path("b")).unwrap(), b"a");
        #[cfg(target_os = "linux")]
        {
            fs::write(path("c"), "c").unwrap();
            assert_eq!(rename_to_new(&path("b"), &path("c")).unwrap_err().kind(), ErrorKind::AlreadyExists);
            assert_eq!(fs::read(path("c")).unwrap(), b"c");
        }
    }

    #[test]
    fn folders_are_empty_but_for_checkpoints() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::create_dir_all(path.join(FOLDER)).unwrap();
        fs::write(path.join(FOLDER).join("a-checkpoint.ipynb"), "a").unwrap();
        assert!(!holds_something(&path));
        fs::write(path.join("a"), "a").unwrap();
        assert!(holds_something(&path));
    }

    #[cfg(unix)]
    #[test]
    fn from_one_file_system_to_another_links_stay_links_and_nothing_is_lost() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| Place { api: name.to_owned(), path: folder.path().join(name) };
        let path = |name: &str| folder.path().join(name);
        let moved = |from: &str, to: &str| {
            let about = fs::symlink_metadata(path(from)).unwrap();
            move_bytes(&place(from), &place(to), &about)
        };
        fs::create_dir_all(path("from/deep")).unwrap();
        fs::write(path("from/deep/a"), "a").unwrap();
        std::os::unix::fs::symlink("from", path("link")).unwrap();
        moved("link", "moved").unwrap();
        assert_eq!(fs::read_link(path("moved")).unwrap(), Path::new("from"));
        assert!(!path("link").is_symlink() && path("from/deep/a").is_file());
        moved("from/deep/a", "b").unwrap();
        moved("b", "from/deep/a").unwrap();
        moved("from", "to").unwrap();
        assert_eq!((fs::read(path("to/deep/a")).unwrap().as_slice(), path("from").exists()), (b"a".as_slice(), false));
        let pipe = std::ffi::CString::new(path("to/pipe").as_os_str().as_bytes()).unwrap();
        // SAFETY: the path ends with a NUL and lives until the call has returned.
        assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
        assert!(moved("to", "again").unwrap_err().to_string().contains("not all could be removed"));
        assert!(path("to/pipe").exists() && path("again/deep/a").is_file() && !path("to/deep").exists());
    }

    #[test]
    fn what_the_trash_does_not_take_is_told() {
        let error = not_taken("a.txt", &"no trash here");
        assert_eq!(error.status.as_u16(), 400);
        assert!(error.message.contains("(no trash here)") && error.message.contains("nothing was deleted"));
    }
}
