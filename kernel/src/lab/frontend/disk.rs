//! Small files that are written whole or not at all.

use crate::lab::error::{ApiError, ApiResult};
use crate::lab::paths::make_private;
use serde_json::Value;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

/// The text of a file; `None` where there is none.
pub fn read(path: &Path) -> ApiResult<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(ApiError::file(&path.display().to_string(), &e)),
    }
}

/// Puts `text` in the place of what the file held. Whoever reads meanwhile sees the old text or the new one.
pub fn write(path: &Path, text: &str) -> ApiResult<()> {
    let said = |e: io::Error| ApiError::file(&path.display().to_string(), &e);
    let folder = path.parent().unwrap_or(Path::new("."));
    make_private(folder).map_err(said)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(said)?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(said)?;
    file.persist(path).map(drop).map_err(|e| said(e.error))
}

/// Keeps a file that cannot be read beside the one that takes its place.
pub fn keep_aside(path: &Path) -> ApiResult<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".broken");
    fs::rename(path, path.with_file_name(name)).map_err(|e| ApiError::file(&path.display().to_string(), &e))
}

/// When a file was made and when it was changed, as JupyterLab reads it; null where that is not known.
pub fn times(path: &Path) -> (Value, Value) {
    let Ok(about) = fs::metadata(path) else { return (Value::Null, Value::Null) };
    let modified = about.modified().map_or(Value::Null, written);
    (about.created().map_or_else(|_| modified.clone(), written), modified)
}

fn written(time: SystemTime) -> Value {
    jiff::Timestamp::try_from(time).map_or(Value::Null, |t| Value::String(t.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.json");
        assert_eq!(read(&path).unwrap(), None);
        write(&path, "one").unwrap();
        write(&path, "two").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("two"));
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 1);
        assert!(times(&path).1.is_string());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&folder.path().join("a")), mode(&path)), (0o700, 0o600), "for its owner only");
        }
        keep_aside(&path).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("a/b.json.broken")).unwrap(), "two");
        assert_eq!(times(&path), (Value::Null, Value::Null));
    }
}
