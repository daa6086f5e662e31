//! What is said of a file or folder.

use super::places::Place;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// A file, notebook or folder, as Jupyter's contents API describes it.
#[derive(Debug, Serialize)]
pub struct Model {
    pub name: String,
    pub path: String,
    pub last_modified: String,
    pub created: String,
    pub content: Content,
    pub format: Option<&'static str>,
    pub mimetype: Option<String>,
    pub size: Option<u64>,
    pub writable: bool,
    pub hash: Option<String>,
    pub hash_algorithm: Option<&'static str>,
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What is wrong with a notebook that could be read nevertheless.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(skip)]
    pub modified: Timestamp,
}

/// What is in it.
#[derive(Debug, Default, Serialize)]
#[serde(untagged)]
pub enum Content {
    /// Nobody asked.
    #[default]
    None,
    /// A file: text, or bytes in base64.
    Text(String),
    /// A folder.
    List(Vec<Model>),
    /// A notebook.
    Notebook(Map<String, Value>),
}

impl Model {
    /// What can be said without opening it.
    pub fn new(place: &Place, kind: &'static str, about: &Metadata) -> Self {
        let modified = about.modified().map(moment).unwrap_or_default();
        Self {
            name: place.name().to_owned(),
            path: place.api.clone(),
            last_modified: iso(modified),
            created: iso(created(about)),
            content: Content::None,
            format: None,
            mimetype: if kind == "file" { mime_of(place.name()).map(str::to_owned) } else { None },
            size: (kind != "directory").then_some(about.len()),
            writable: writable(&place.path),
            hash: None,
            hash_algorithm: None,
            kind,
            message: None,
            modified,
        }
    }

    /// Writes down the hash of the file's bytes.
    pub fn set_hash(&mut self, hash: String) {
        self.hash = Some(hash);
        self.hash_algorithm = Some("sha256");
    }
}

/// A time of the file system; the start of 1970 where it makes no sense.
pub fn moment(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or_default()
}

/// RFC 3339 in UTC, with microseconds.
pub fn iso(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// As HTTP's headers write a time.
pub fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn created(about: &Metadata) -> Timestamp {
    if let Ok(at) = about.created() {
        return moment(at);
    }
    #[cfg(unix)]
    {
        Timestamp::from_second(std::os::unix::fs::MetadataExt::ctime(about)).unwrap_or_default()
    }
    #[cfg(not(unix))]
    {
        about.modified().map(moment).unwrap_or_default()
    }
}

/// Whether this process may write a file, or into a folder.
#[cfg(unix)]
pub fn writable(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: the text ends with a NUL and lives until the call has returned.
    unsafe { libc::access(path.as_ptr(), libc::W_OK) == 0 }
}

/// Whether this process may write a file, or into a folder.
#[cfg(not(unix))]
pub fn writable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| about.is_dir() || !about.permissions().readonly())
}

/// The MIME type that the name suggests.
pub fn mime_of(name: &str) -> Option<&'static str> {
    // Next to notebooks `.ts` is TypeScript, not a video.
    mime_guess::from_path(name).first_raw().filter(|mime| *mime != "video/vnd.dlna.mpeg-tts")
}

/// The hash that front ends compare to see whether a file has changed.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The same of a file that is not needed otherwise.
pub fn sha256_of(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hex::encode(hasher.finalize()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn times_are_written_as_python_and_http_write_them() {
        let at: Timestamp = "2026-11-21T22:40:01.25Z".parse().unwrap();
        assert_eq!(iso(at), "2026-11-21T22:40:01.250000Z");
        assert_eq!(http_date(at), "Sat, 21 Nov 2026 22:40:01 GMT");
    }

    #[test]
    fn a_model_has_all_fields() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, "abc").unwrap();
        let place = Place { api: "x/a.txt".to_owned(), path };
        let about = std::fs::metadata(&place.path).unwrap();
        let mut model = Model::new(&place, "file", &about);
        model.set_hash(sha256_of(&place.path).unwrap());
        let json = serde_json::to_value(&model).unwrap();
        let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = "name path last_modified created content format mimetype size writable hash hash_algorithm type";
        assert_eq!(keys.join(" "), expected);
        assert_eq!(
            (json["content"].is_null(), &json["size"], &json["mimetype"]),
            (true, &3.into(), &"text/plain".into())
        );
        assert_eq!(json["hash"], sha256(b"abc"));
    }

    #[test]
    fn names_suggest_types() {
        assert_eq!(mime_of("a.html"), Some("text/html"));
        assert_eq!(mime_of("a.ts"), None);
        assert_eq!(mime_of("a.rhai"), None);
    }
}
