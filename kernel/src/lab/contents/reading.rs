//! Files, notebooks and folders as front ends see them.

use super::lenient::without_nan;
use super::manager::{Contents, no_such};
use super::model::{Content, Model, sha256, sha256_of};
use super::notebook::normalize;
use super::places::{self, Place, child};
use super::trust::take_marks;
use super::validation;
use crate::lab::error::{ApiError, ApiResult};
use crate::lab::routes::MAX_BODY;
use crate::run::notebook::Notebook;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};

/// So much of a file says in most cases whether it is text.
const START: u64 = 1024;

/// What a front end takes a path for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Directory,
    /// A notebook.
    Notebook,
    /// Any other file.
    File,
}

impl Kind {
    /// From its name in the API. What has another name is a file.
    pub fn named(name: &str) -> Self {
        match name {
            "directory" => Self::Directory,
            "notebook" => Self::Notebook,
            _ => Self::File,
        }
    }

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Notebook => "notebook",
            Self::File => "file",
        }
    }

    /// What the name of a file suggests.
    pub fn of_name(name: &str) -> Self {
        if name.ends_with(".ipynb") { Self::Notebook } else { Self::File }
    }
}

/// How the content of a file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As text, which must be UTF-8.
    Text,
    /// As bytes in base64.
    Base64,
}

/// What is asked of a path.
#[derive(Debug, Default, Clone, Copy)]
pub struct Wanted {
    /// What it must be.
    pub kind: Option<Kind>,
    /// The form of a file's content. Without it: text where it is UTF-8.
    pub format: Option<Format>,
    /// Whether its content is wanted.
    pub content: bool,
    /// Whether its hash is wanted.
    pub hash: bool,
}

impl Contents {
    /// GET: what a path is, and what is in it.
    pub(super) fn get(&self, api: &str, wanted: Wanted) -> ApiResult<Model> {
        let place = self.place(api)?;
        let model = self.look(&place, wanted)?;
        self.emit("get", &place.api, None);
        Ok(model)
    }

    /// The same without an event.
    pub(super) fn look(&self, place: &Place, wanted: Wanted) -> ApiResult<Model> {
        let about = metadata(place)?;
        let kind = match wanted.kind {
            None | Some(Kind::Directory) if about.is_dir() => return self.folder(place, &about, wanted.content),
            Some(kind) if about.is_dir() => {
                return Err(ApiError::bad_request(format!("{} is a directory, not a {}", place.api, kind.name())));
            }
            Some(Kind::Directory) => return Err(ApiError::bad_request(format!("{} is not a directory", place.api))),
            None => Kind::of_name(place.name()),
            Some(kind) => kind,
        };
        let mut model = Model::new(place, kind.name(), &about);
        if wanted.content {
            must_be_file(place, &about)?;
            must_fit(place, about.len())?;
            if kind == Kind::Notebook || wanted.format == Some(Format::Text) {
                must_begin_as_text(place)?;
            }
            let bytes = read(place, &about)?;
            if wanted.hash {
                model.set_hash(sha256(&bytes));
            }
            match kind {
                Kind::Notebook => self.fill_notebook(&mut model, bytes)?,
                _ => fill_file(&mut model, bytes, wanted.format)?,
            }
        } else if wanted.hash {
            must_be_file(place, &about)?;
            model.set_hash(sha256_of(&place.path).map_err(|e| ApiError::file(&place.api, &e))?);
        }
        Ok(model)
    }

    /// POST of `trust`: the person has seen what is in this notebook, and all of its output may run.
    pub(super) fn trust(&self, api: &str) -> ApiResult<()> {
        let place = self.place(api)?;
        let about = metadata(&place)?;
        let (mut notebook, _) = parse(&place.api, read(&place, &about)?)?;
        take_marks(notebook.fields_mut());
        self.notary.sign(notebook.fields_mut()).map_err(|e| ApiError::file("the signature cannot be kept", &e))
    }

    fn fill_notebook(&self, model: &mut Model, bytes: Vec<u8>) -> ApiResult<()> {
        let (mut notebook, problem) = parse(&model.path, bytes)?;
        self.notary.mark(notebook.fields_mut());
        model.message = problem;
        model.format = Some("json");
        model.content = Content::Notebook(notebook.into_fields());
        Ok(())
    }

    fn folder(&self, place: &Place, about: &Metadata, content: bool) -> ApiResult<Model> {
        let mut model = Model::new(place, "directory", about);
        if content {
            let entries = fs::read_dir(&place.path).map_err(|e| ApiError::file(&place.api, &e))?;
            let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
            let mut names: Vec<String> = names.filter(|name| self.is_listed(name)).collect();
            names.sort_unstable();
            let entry = |name: String| Place { api: child(&place.api, &name), path: place.path.join(name) };
            model.content = Content::List(names.into_iter().filter_map(|name| self.entry_model(entry(name))).collect());
            model.format = Some("json");
        }
        Ok(model)
    }

    /// An entry of a folder without its content: what a link names, where that may be opened. Another link is shown as
    /// the file that it is, so that it can be removed. Pipes and devices are not shown.
    pub(super) fn entry_model(&self, entry: Place) -> Option<Model> {
        let mut about = fs::symlink_metadata(&entry.path).ok()?;
        if about.is_symlink()
            && !self.is_hidden(&entry.api)
            && let Ok(place) = places::locate(&self.root, &entry.api)
        {
            about = fs::metadata(&place.path).ok()?;
        }
        let kind = if about.is_dir() {
            Kind::Directory
        } else if about.is_file() {
            Kind::of_name(entry.name())
        } else if about.is_symlink() {
            Kind::File
        } else {
            return None;
        };
        Some(Model::new(&entry, kind.name(), &about))
    }

    fn is_listed(&self, name: &str) -> bool {
        let clutter = matches!(name, "__pycache__" | ".DS_Store");
        let clutter = clutter || [".pyc", ".pyo", "~"].iter().any(|end| name.ends_with(end));
        !clutter && (self.hidden || !name.starts_with('.'))
    }
}

/// What the system says of a place. What is not there is a 404.
pub fn metadata(place: &Place) -> ApiResult<Metadata> {
    fs::metadata(&place.path).map_err(|e| match e.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => no_such(&place.api),
        _ => ApiError::file(&place.api, &e),
    })
}

/// Opening a pipe would wait for ever.
pub fn must_be_file(place: &Place, about: &Metadata) -> ApiResult<()> {
    if about.is_file() {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("Cannot read non-file {}", place.api)))
}

/// All bytes of a file that is not larger than what can be saved.
pub fn read(place: &Place, about: &Metadata) -> ApiResult<Vec<u8>> {
    must_be_file(place, about)?;
    must_fit(place, about.len())?;
    // It may grow, and some files say that they are empty and are not.
    let bytes = first_bytes(place, MAX_BODY as u64 + 1).map_err(|e| ApiError::file(&place.api, &e))?;
    must_fit(place, bytes.len() as u64)?;
    Ok(bytes)
}

fn first_bytes(place: &Place, count: u64) -> io::Result<Vec<u8>> {
    let file = File::open(&place.path)?;
    let length = file.metadata()?.len().min(count);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(count).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn must_fit(place: &Place, length: u64) -> ApiResult<()> {
    if length <= MAX_BODY as u64 {
        return Ok(());
    }
    let (limit, size) = (MAX_BODY >> 20, length >> 20);
    let help = "download it, or read it in a kernel";
    let message =
        format!("{} is too large to be opened: expected up to {limit} MB, found {size} MB; {help}", place.api);
    Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message))
}

/// Tells what is no text before all of it is read.
fn must_begin_as_text(place: &Place) -> ApiResult<()> {
    let start = first_bytes(place, START).map_err(|e| ApiError::file(&place.api, &e))?;
    match std::str::from_utf8(&start) {
        // The last letter may be cut.
        Err(e) if e.error_len().is_some() => Err(not_utf8(&place.api)),
        _ => Ok(()),
    }
}

/// A notebook as front ends get it, and what is wrong with it.
fn parse(api: &str, bytes: Vec<u8>) -> ApiResult<(Notebook, Option<String>)> {
    let text = String::from_utf8(bytes).map_err(|_| not_utf8(api))?;
    let mut note = None;
    let parsed = Notebook::parse(&text).or_else(|problem| {
        let text = without_nan(&text).ok_or(problem)?;
        note = Some("NaN and Infinity in it, which JSON does not have, were read as null".to_owned());
        Notebook::parse(&text)
    });
    let mut notebook = parsed.map_err(|e| ApiError::bad_request(format!("Unreadable Notebook: {api} {e}")))?;
    drop(text);
    normalize(notebook.fields_mut());
    let problem = validation::problem(notebook.fields_mut());
    Ok((notebook, problem.or(note)))
}

fn fill_file(model: &mut Model, bytes: Vec<u8>, format: Option<Format>) -> ApiResult<()> {
    let text = match format {
        Some(Format::Base64) => Err(bytes),
        _ => String::from_utf8(bytes).map_err(std::string::FromUtf8Error::into_bytes),
    };
    let (content, name, mime) = match text {
        Ok(text) => (text, "text", "text/plain"),
        Err(_) if format == Some(Format::Text) => return Err(not_utf8(&model.path)),
        Err(bytes) => (STANDARD.encode(bytes), "base64", "application/octet-stream"),
    };
    model.content = Content::Text(content);
    model.format = Some(name);
    model.mimetype.get_or_insert_with(|| mime.to_owned());
    Ok(())
}

fn not_utf8(api: &str) -> ApiError {
    ApiError::bad_request(format!("{api} is not UTF-8 encoded"))
}
