//! New files under names that the server chooses.

use super::manager::Contents;
use super::model::Model;
use super::notebook::empty;
use super::places::{self, Place, child};
use super::reading::{Kind, Wanted};
use super::saving::no_folder;
use crate::lab::error::{ApiError, ApiResult};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};

impl Contents {
    /// POST: an empty file, notebook or folder.
    pub(super) fn untitled(&self, folder: &str, kind: Option<Kind>, extension: &str) -> ApiResult<Model> {
        self.refuse_hidden(folder, "create")?;
        let folder = self.place(folder)?;
        let kind = kind.unwrap_or_else(|| Kind::of_name(extension));
        let (name, between) = match kind {
            Kind::Directory => (format!("Untitled Folder{extension}"), " "),
            Kind::Notebook => ("Untitled.ipynb".to_owned(), ""),
            Kind::File => (format!("untitled{extension}"), ""),
        };
        let place = self.reserve(&folder, &name, between, kind)?;
        if kind == Kind::Notebook
            && let Err(error) = self.save_notebook(&place, empty())
        {
            let _ = fs::remove_file(&place.path);
            return Err(error);
        }
        let model = self.look(&place, Wanted::default())?;
        self.emit("save", &place.api, None);
        Ok(model)
    }

    /// Makes an empty file or folder under the first of these names that is not taken.
    pub(super) fn reserve(&self, folder: &Place, name: &str, between: &str, kind: Kind) -> ApiResult<Place> {
        if !folder.path.is_dir() {
            return Err(no_folder(&folder.api));
        }
        if !places::is_name(name) {
            return Err(ApiError::bad_request(format!("{name:?} cannot be the name of a file: expected no '/' in it")));
        }
        let names = (0_u64..).map(|n| numbered(name, between, n));
        for name in names {
            let place = Place { api: child(&folder.api, &name), path: folder.path.join(&name) };
            match make(&place, kind) {
                Ok(()) => return Ok(place),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(ApiError::file(&place.api, &e)),
            }
        }
        Err(ApiError::conflict(format!("File already exists: {}", child(&folder.api, name))))
    }
}

fn make(place: &Place, kind: Kind) -> io::Result<()> {
    match kind {
        Kind::Directory => fs::create_dir(&place.path),
        _ => OpenOptions::new().write(true).create_new(true).open(&place.path).map(drop),
    }
}

/// The name with a number in front of its extension, which is all behind the first point; of a notebook, behind the last.
fn numbered(name: &str, between: &str, n: u64) -> String {
    let stem = match name.rsplit_once('.') {
        Some((stem, "ipynb")) => stem,
        _ => name.split_once('.').map_or(name, |(stem, _)| stem),
    };
    let extension = name.strip_prefix(stem).unwrap_or_default();
    if n == 0 { name.to_owned() } else { format!("{stem}{between}{n}{extension}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn numbers_stand_before_the_extension() {
        assert_eq!(numbered("Untitled.ipynb", "", 0), "Untitled.ipynb");
        assert_eq!(numbered("Untitled.ipynb", "", 1), "Untitled1.ipynb");
        assert_eq!(numbered("a.b.ipynb", "-Copy", 2), "a.b-Copy2.ipynb");
        assert_eq!(numbered("a.tar.gz", "-Copy", 1), "a-Copy1.tar.gz");
        assert_eq!(numbered("Untitled Folder", " ", 3), "Untitled Folder 3");
    }
}
