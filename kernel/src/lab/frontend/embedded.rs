//! The files that are part of the program.
//!
//! `kernel/lab/pack.sh` compressed them one by one. A name that ends in `.br` is the name of a file under brotli; what
//! brotli makes no smaller (pictures, fonts) lies there as it is.

use include_dir::{Dir, include_dir};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::sync::LazyLock;

static JUPYTERLAB: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/lab/jupyterlab");
static EXTENSION: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/lab/extension");

/// Below which name our extension is found.
pub const EXTENSION_NAME: &str = "@minerva/lab-extension";

/// A file as it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Packed {
    /// What is kept.
    pub bytes: &'static [u8],
    /// Whether these bytes are under brotli.
    pub brotli: bool,
}

impl Packed {
    /// The file's content.
    pub fn content(&self) -> io::Result<Cow<'static, [u8]>> {
        if !self.brotli {
            return Ok(Cow::Borrowed(self.bytes));
        }
        let mut content = Vec::with_capacity(self.bytes.len().saturating_mul(4));
        let mut packed = self.bytes;
        brotli_decompressor::BrotliDecompress(&mut packed, &mut content)?;
        Ok(Cow::Owned(content))
    }
}

static FILES: LazyLock<HashMap<String, Packed>> = LazyLock::new(|| {
    let mut files = HashMap::new();
    gather(&JUPYTERLAB, "", &mut files);
    gather(&EXTENSION, &format!("extensions/{EXTENSION_NAME}/"), &mut files);
    files
});

fn gather(folder: &'static Dir<'static>, prefix: &str, files: &mut HashMap<String, Packed>) {
    for file in folder.files() {
        let path = file.path().to_string_lossy().replace('\\', "/");
        let (path, brotli) = match path.strip_suffix(".br") {
            Some(plain) => (plain, true),
            None => (path.as_str(), false),
        };
        files.insert(format!("{prefix}{path}"), Packed { bytes: file.contents(), brotli });
    }
    folder.dirs().for_each(|inner| gather(inner, prefix, files));
}

/// The file of this name: `static/…`, `schemas/…`, `themes/…` or `extensions/…`.
pub fn file(name: &str) -> Option<Packed> {
    FILES.get(name).copied()
}

/// All names, in no order.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.keys().map(String::as_str)
}

/// The script that starts JupyterLab; its name carries a hash that changes with each version.
pub fn main_script() -> Option<&'static str> {
    names().find(|name| name.starts_with("static/main.") && name.ends_with(".js"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_file_can_be_unpacked() {
        let mut count = 0;
        for name in names() {
            let content = file(name).unwrap().content().unwrap_or_else(|e| panic!("{name}: {e}"));
            // The wheel has one empty file in each theme.
            assert!(
                !content.is_empty() || name.starts_with("themes/") && name.ends_with("/index.js"),
                "{name} is empty"
            );
            count += 1;
        }
        assert!(count > 390, "only {count} files");
    }

    #[test]
    fn jupyterlab_and_our_extension_are_there() {
        assert!(main_script().is_some());
        assert!(file("static/third-party-licenses.json").is_some());
        assert!(file("themes/@jupyterlab/theme-light-extension/index.css").is_some());
        assert!(file("extensions/@minerva/lab-extension/static/remote.js").is_some());
        assert!(file("../Cargo.toml").is_none());
    }

    #[test]
    fn scripts_are_text() {
        let script = file(main_script().unwrap()).unwrap();
        assert!(script.brotli);
        assert!(std::str::from_utf8(&script.content().unwrap()).unwrap().contains("_JUPYTERLAB"));
    }
}
