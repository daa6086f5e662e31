//! Saving files, notebooks and folders: whole or not at all. Where nothing can be put beside a file, as in a folder of
//! somebody else, it is written in place. That is weaker: what fails is undone, but not when the power or the process goes.

use super::manager::Contents;
use super::model::{Model, writable};
use super::notebook::{Fields, denormalize, empty, normalize};
use super::places::{self, Place, folder_of};
use super::reading::{Kind, Wanted};
use super::trust::take_marks;
use super::validation;
use crate::lab::error::{ApiError, ApiResult};
use crate::run::notebook::Notebook;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minerva_engine::Error;
use minerva_engine::format::atomic::write_small;
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, Write};
use std::path::Path;

impl Contents {
    /// PUT: saves what `model` holds. Says whether it is new, and what was saved, without its content.
    pub(super) fn save(&self, api: &str, mut model: Fields) -> ApiResult<(bool, Model)> {
        if model.get("copy_from").and_then(Value::as_str).is_some_and(|from| !from.is_empty()) {
            return Err(ApiError::bad_request("Cannot copy with PUT, only POST"));
        }
        let further = is_further_piece(&model)?;
        self.refuse_hidden(api, "create")?;
        self.refuse_hidden(model.get("path").and_then(Value::as_str).unwrap_or_default(), "create")?;
        let place = places::locate(&self.root, api)?;
        let _held = self.locks.hold(&[&place.path]);
        let new = !place.path.is_file();
        let kind = kind_of(&model, &place, new)?;
        let content = model.remove("content").filter(|content| !content.is_null());
        let problem = match (kind, content) {
            (Kind::Directory, _) => make_folder(&place).map(|()| None)?,
            (Kind::Notebook, None) if new => self.save_notebook(&place, empty())?,
            (Kind::File, None) if new => self.write(&place, b"").map(|()| None)?,
            (_, None) => return Err(ApiError::bad_request("No file content provided")),
            (Kind::Notebook, Some(content)) => self.save_notebook(&place, content)?,
            (Kind::File, Some(content)) => self.save_file(&place, &model, content, further).map(|()| None)?,
        };
        let mut saved = self.look(&place, Wanted::default())?;
        saved.message = problem;
        self.emit("save", &place.api, None);
        Ok((new, saved))
    }

    /// Saves a notebook, and signs it where the front end trusts all of it. Says what is wrong with it.
    pub(super) fn save_notebook(&self, place: &Place, content: Value) -> ApiResult<Option<String>> {
        let failed = |e: String| ApiError::bad_request(format!("Cannot save {}: {e}", place.api));
        let mut notebook = Notebook::from_value(content).map_err(failed)?;
        let fields = notebook.fields_mut();
        let trusted = take_marks(fields);
        normalize(fields);
        let problem = validation::problem(fields);
        if trusted {
            // Without its signature it is still worth saving; it must be trusted again.
            let _ = self.notary.sign(fields);
        }
        denormalize(fields);
        self.write(place, notebook.to_json().as_bytes())?;
        self.first_checkpoint(place);
        Ok(problem)
    }

    fn save_file(&self, place: &Place, model: &Fields, content: Value, further: bool) -> ApiResult<()> {
        let bytes = decode(model, content).map_err(|e| ApiError::bad_request(e.replace("{}", &place.api)))?;
        if further { append(place, &bytes) } else { self.write(place, &bytes) }
    }

    /// Replaces a file, or makes it.
    pub(super) fn write(&self, place: &Place, bytes: &[u8]) -> ApiResult<()> {
        if place.path.exists() && !writable(&place.path) {
            return Err(ApiError::forbidden(format!("Permission denied: {}", place.api)));
        }
        let Err(error) = write_small(&place.path, bytes) else { return Ok(()) };
        let Error::Io { source, .. } = &error else {
            return Err(ApiError::bad_request(format!("Cannot save {}: {error}", place.api)));
        };
        match source.kind() {
            // A file may be writable where nothing can be put beside it: in a folder of somebody else, or where it was
            // mounted by itself.
            ErrorKind::PermissionDenied | ErrorKind::ResourceBusy if place.path.is_file() => {
                write_in_place(&place.path, |file| file.write_all(bytes)).map_err(|e| ApiError::file(&place.api, &e))
            }
            ErrorKind::NotFound => Err(no_folder(folder_of(&place.api))),
            ErrorKind::PermissionDenied => Err(ApiError::forbidden(format!("Permission denied: {}", place.api))),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                let mut error = ApiError::file(&place.api, source);
                error.message.push_str("; nothing was changed: make room and save again");
                Err(error)
            }
            _ => Err(ApiError::file(&place.api, source)),
        }
    }
}

/// Writes over a file. What fails is undone.
fn write_in_place(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let old = fs::read(path)?;
    let mut file = OpenOptions::new().write(true).open(path)?;
    // Nothing is cut off before all is written: a full disk has room for what was there.
    let mut put = |write: &mut dyn FnMut(&mut File) -> io::Result<()>| {
        file.rewind()?;
        write(&mut file)?;
        let end = file.stream_position()?;
        file.set_len(end)?;
        file.sync_data()
    };
    let mut write = Some(write);
    let done = put(&mut |file| write.take().map_or(Ok(()), |write| write(file)));
    if done.is_err() {
        let _ = put(&mut |file| file.write_all(&old));
    }
    done
}

/// 404 for a folder that is to hold something.
pub fn no_folder(api: &str) -> ApiError {
    ApiError::not_found(format!("No such directory: {api}"))
}

/// Whether this is a piece of a file after the first. Pieces are counted from 1, and the last one is -1.
fn is_further_piece(model: &Fields) -> ApiResult<bool> {
    match model.get("chunk") {
        None | Some(Value::Null) => Ok(false),
        Some(chunk) => chunk.as_i64().map(|chunk| chunk != 1).ok_or_else(|| {
            ApiError::bad_request(format!("expected the number of a piece as \"chunk\": 1, 2, … or -1, found {chunk}"))
        }),
    }
}

/// What is saved. A new file may leave it to its name.
fn kind_of(model: &Fields, place: &Place, new: bool) -> ApiResult<Kind> {
    let chunk = model.get("chunk").is_some_and(|chunk| !chunk.is_null());
    match model.get("type").and_then(Value::as_str) {
        Some("directory" | "notebook") if chunk => {
            Err(ApiError::bad_request("expected a file: only files are uploaded in pieces"))
        }
        Some(name) if !name.is_empty() => Ok(Kind::named(name)),
        _ if new && !chunk => Ok(Kind::of_name(place.name())),
        _ => Err(ApiError::bad_request("No file type provided")),
    }
}

fn make_folder(place: &Place) -> ApiResult<()> {
    match fs::create_dir(&place.path) {
        Ok(()) => Ok(()),
        Err(_) if place.path.is_dir() => Ok(()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            Err(ApiError::bad_request(format!("Not a directory: {}", place.api)))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Err(no_folder(folder_of(&place.api))),
        Err(e) => Err(ApiError::file(&place.api, &e)),
    }
}

/// The bytes of a file; in an error `{}` stands for its name.
fn decode(model: &Fields, content: Value) -> Result<Vec<u8>, String> {
    let Value::String(content) = content else {
        return Err("Encoding error saving {}: expected the content as a string".to_owned());
    };
    match model.get("format").and_then(Value::as_str) {
        Some("text") => Ok(content.into_bytes()),
        Some("base64") => {
            let packed: Vec<u8> = content.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            STANDARD.decode(packed).map_err(|e| format!("Encoding error saving {{}}: {e}"))
        }
        _ => Err("Must specify format of file contents as 'text' or 'base64'".to_owned()),
    }
}

/// A further piece of a large file. A piece that does not fit leaves the file as it was.
fn append(place: &Place, bytes: &[u8]) -> ApiResult<()> {
    if place.path.exists() && !place.path.is_file() {
        return Err(ApiError::bad_request(format!("Cannot save {}: expected a file", place.api)));
    }
    let failed = |e: std::io::Error| ApiError::file(&place.api, &e);
    let mut file = OpenOptions::new().append(true).create(true).open(&place.path).map_err(failed)?;
    let before = file.metadata().map_err(failed)?.len();
    file.write_all(bytes).map_err(|e| {
        let _ = file.set_len(before);
        failed(e)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn fields(value: Value) -> Fields {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn contents_are_decoded() {
        let decoded = |format: &str, content: &str| decode(&fields(json!({"format": format})), json!(content));
        assert_eq!(decoded("text", "é").unwrap(), "é".as_bytes());
        assert_eq!(decoded("base64", "/2Js\nb2I=\n").unwrap(), b"\xffblob");
        assert!(decoded("base64", "é").unwrap_err().starts_with("Encoding error"));
        assert!(decoded("json", "1").unwrap_err().starts_with("Must specify format"));
        assert!(decode(&fields(json!({"format": "text"})), json!(1)).is_err());
    }

    #[test]
    fn pieces_are_appended() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { api: "a".to_owned(), path: folder.path().join("a") };
        append(&place, b"one").unwrap();
        append(&place, b"two").unwrap();
        assert_eq!(fs::read(&place.path).unwrap(), b"onetwo");
        let root = Place { api: String::new(), path: folder.path().to_owned() };
        assert_eq!(append(&root, b"x").unwrap_err().status.as_u16(), 400);
    }

    #[test]
    fn a_piece_has_a_whole_number() {
        let further = |chunk: Value| is_further_piece(&fields(json!({ "chunk": chunk })));
        assert!(
            !further(json!(1)).unwrap() && !further(Value::Null).unwrap() && !is_further_piece(&Fields::new()).unwrap()
        );
        assert!(further(json!(2)).unwrap() && further(json!(-1)).unwrap());
        for chunk in [json!("2"), json!(2.5), json!(1.0), json!([]), json!(true)] {
            assert_eq!(further(chunk).unwrap_err().status.as_u16(), 400);
        }
    }

    #[test]
    fn what_fails_in_place_is_undone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "the old text").unwrap();
        let failed = write_in_place(&path, |file| {
            file.write_all(b"a new text that is longer than")?;
            Err(ErrorKind::StorageFull.into())
        });
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"the old text");
        write_in_place(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn the_kind_is_said_or_follows_from_the_name() {
        let place = Place { api: "a.ipynb".to_owned(), path: "a.ipynb".into() };
        let kind = |model: Value, new: bool| kind_of(&fields(model), &place, new);
        assert_eq!(kind(json!({}), true).unwrap(), Kind::Notebook);
        assert!(kind(json!({}), false).is_err());
        assert_eq!(kind(json!({"type": "unheard of"}), false).unwrap(), Kind::File);
        assert!(kind(json!({"type": "notebook", "chunk": 1}), true).is_err());
    }
}
