//! One older copy of a file, kept in a hidden folder beside it. Neither is ever a link: a folder that came from somewhere
//! could have one there that leads to any other file in it.

use super::copying::replace;
use super::manager::Contents;
use super::model::{iso, moment, writable};
use super::places::{self, Place, child, folder_of, name_of};
use super::reading::{metadata, must_be_file, read};
use crate::lab::error::{ApiError, ApiResult};
use crate::lab::paths::make_private;
use serde::Serialize;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The folder beside the file.
pub const FOLDER: &str = ".ipynb_checkpoints";

/// The only one that a file can have.
const ID: &str = "checkpoint";

/// What is said of a checkpoint.
#[derive(Debug, Serialize)]
pub struct Checkpoint {
    pub id: &'static str,
    pub last_modified: String,
}

impl Contents {
    /// GET: the checkpoint of a file, where it has one.
    pub(super) fn checkpoints(&self, api: &str) -> ApiResult<Vec<Checkpoint>> {
        let file = self.place(api)?;
        Ok(about(&self.checkpoint_of(&file.api)?.path).into_iter().collect())
    }

    /// POST: keeps the file as it is now.
    pub(super) fn create_checkpoint(&self, api: &str) -> ApiResult<Checkpoint> {
        let file = self.place(api)?;
        let _held = self.locks.hold(&[&file.path]);
        self.checkpoint(&file)
    }

    /// POST of an id: the file becomes what the checkpoint is.
    pub(super) fn restore_checkpoint(&self, api: &str, id: &str) -> ApiResult<()> {
        let file = self.place(api)?;
        let _held = self.locks.hold(&[&file.path]);
        let kept = self.existing_checkpoint(&file, id)?;
        let about = metadata(&kept)?;
        if file.path.exists() && !writable(&file.path) {
            return Err(ApiError::forbidden(format!("Permission denied: {}", file.api)));
        }
        let permissions = fs::metadata(&file.path).unwrap_or_else(|_| about.clone()).permissions();
        match replace(&kept.path, &file.path, permissions) {
            // Where nothing can be put beside the file it is written itself.
            Err(e) if matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::ResourceBusy) => {
                self.write(&file, &read(&kept, &about)?)
            }
            other => other.map_err(|e| ApiError::file(&file.api, &e)),
        }
    }

    /// DELETE of an id.
    pub(super) fn delete_checkpoint(&self, api: &str, id: &str) -> ApiResult<()> {
        let file = self.place(api)?;
        let kept = self.existing_checkpoint(&file, id)?;
        fs::remove_file(&kept.path).map_err(|e| ApiError::file(&kept.api, &e))
    }

    /// A notebook has a checkpoint from its first saving on. Whoever calls this holds the file.
    pub(super) fn first_checkpoint(&self, file: &Place) {
        if self.checkpoint_of(&file.api).is_ok_and(|kept| fs::symlink_metadata(&kept.path).is_err()) {
            // The notebook itself is saved; that counts.
            let _ = self.checkpoint(file);
        }
    }

    /// The checkpoint follows a file that was renamed.
    pub(super) fn move_checkpoint(&self, old: &str, new: &str) {
        let (Ok(from), Ok(to)) = (self.checkpoint_of(old), self.checkpoint_of(new)) else { return };
        let Some(about) = fs::symlink_metadata(&from.path).ok().filter(fs::Metadata::is_file) else { return };
        if self.make_folder(&to).is_err() {
            return;
        }
        // The two may be on different file systems.
        if fs::rename(&from.path, &to.path).is_err() && replace(&from.path, &to.path, about.permissions()).is_ok() {
            let _ = fs::remove_file(&from.path);
        }
    }

    /// The checkpoint goes with its file.
    pub(super) fn forget_checkpoint(&self, api: &str) {
        if let Ok(kept) = self.checkpoint_of(api) {
            let _ = fs::remove_file(kept.path);
        }
    }

    fn checkpoint(&self, file: &Place) -> ApiResult<Checkpoint> {
        let found = metadata(file)?;
        must_be_file(file, &found)?;
        let kept = self.checkpoint_of(&file.api)?;
        not_a_link(&kept.path, &kept.api)?;
        self.make_folder(&kept).map_err(|e| ApiError::file(folder_of(&kept.api), &e))?;
        // As private as the file.
        replace(&file.path, &kept.path, found.permissions()).map_err(|e| ApiError::file(&kept.api, &e))?;
        about(&kept.path)
            .ok_or_else(|| ApiError::internal(format!("the checkpoint {} was removed meanwhile", kept.api)))
    }

    fn existing_checkpoint(&self, file: &Place, id: &str) -> ApiResult<Place> {
        let kept = self.checkpoint_of(&file.api)?;
        not_a_link(&kept.path, &kept.api)?;
        if id == ID && kept.path.is_file() {
            return Ok(kept);
        }
        Err(ApiError::not_found(format!("Checkpoint does not exist: {}@{id}", file.api)))
    }

    /// Where the checkpoint of a file is, or would be. Its folder is no link; whether it is one itself is asked by those
    /// who would follow it.
    fn checkpoint_of(&self, api: &str) -> ApiResult<Place> {
        let (folder, name) = (folder_of(api), kept_name(name_of(api)));
        let folder_api = child(folder, FOLDER);
        not_a_link(&places::entry(&self.root, &folder_api)?.path, &folder_api)?;
        let beside = places::entry(&self.root, &child(&folder_api, &name))?;
        let there = fs::symlink_metadata(&beside.path).is_ok();
        if there || places::locate(&self.root, folder).is_ok_and(|folder| writable(&folder.path)) {
            return Ok(beside);
        }
        let mut path: PathBuf = self.aside.clone();
        path.extend(folder.split('/').filter(|part| !part.is_empty()));
        Ok(Place { path: path.join(name), api: beside.api })
    }

    fn make_folder(&self, kept: &Place) -> io::Result<()> {
        let folder = kept.path.parent().unwrap_or(Path::new("."));
        if kept.path.starts_with(&self.aside) { make_private(folder) } else { fs::create_dir_all(folder) }
    }
}

fn not_a_link(path: &Path, api: &str) -> ApiResult<()> {
    if path.is_symlink() {
        let help = "checkpoints are not kept through links: remove the link";
        return Err(ApiError::not_found(format!("{api}: expected a file or folder of its own, found a link; {help}")));
    }
    Ok(())
}

fn about(kept: &Path) -> Option<Checkpoint> {
    let about = fs::symlink_metadata(kept).ok().filter(fs::Metadata::is_file)?;
    Some(Checkpoint { id: ID, last_modified: iso(about.modified().map(moment).unwrap_or_default()) })
}

/// `a.ipynb` is kept as `a-checkpoint.ipynb`.
fn kept_name(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) if stem.contains(|c: char| c != '.') => format!("{stem}-{ID}.{extension}"),
        _ => format!("{name}-{ID}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn names_are_those_of_jupyter_server() {
        assert_eq!(kept_name("a.ipynb"), "a-checkpoint.ipynb");
        assert_eq!(kept_name("a.b.txt"), "a.b-checkpoint.txt");
        assert_eq!(kept_name("Makefile"), "Makefile-checkpoint");
        assert_eq!(kept_name(".bashrc"), ".bashrc-checkpoint");
    }

    #[cfg(unix)]
    #[test]
    fn checkpoints_away_from_their_file_are_for_their_owner_only() {
        use crate::lab::{events::Events, paths::Folders};
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("root")).unwrap();
        let folders = Folders { data: at("data"), runtime: at("run"), jupyter: Vec::new() };
        let contents = Contents::new(at("root"), false, &folders, Events::new()).unwrap();
        let kept = Place { api: "sub/a.txt".to_owned(), path: contents.aside.join("sub/a-checkpoint.txt") };
        contents.make_folder(&kept).unwrap();
        for made in [kept.path.parent().unwrap(), contents.aside.as_path(), at("data/checkpoints").as_path()] {
            assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o700, "{}", made.display());
        }
    }
}
