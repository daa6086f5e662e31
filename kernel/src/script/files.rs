//! Text files, in and out.

use super::define;
use super::error::{ScriptResult, guard, raise_text};
use minerva_engine::Error;
use minerva_engine::format::atomic::write_small;
use rhai::Engine;

/// Registers the functions of this file.
pub fn register(engine: &mut Engine) {
    let doc = "The text of a file (UTF-8).";
    define("read_text", &["path: string", "string"], doc)
        .example("read_text(\"text.txt\").len() > 0 // → true")
        .register_into_engine(engine, |path: &str| -> ScriptResult<String> {
            let bytes = guard(|| std::fs::read(path).map_err(|e| Error::io(path, e)))?;
            String::from_utf8(bytes).map_err(|_| raise_text("FormatError", format!("{path}: not UTF-8 text")))
        });
    let doc = "Writes a file; what it held before is gone.";
    define("write_text", &["path: string", "text: string"], doc)
        .example("write_text(\"notes.txt\", \"first line\\n\");")
        .register_into_engine(engine, |path: &str, text: &str| -> ScriptResult<()> {
            // Replaced, not rewritten: the file may be a model that is mapped right now.
            guard(|| write_small(std::path::Path::new(path), text.as_bytes()))
        });
    let doc = "Whether a file or folder of this name exists.";
    define("file_exists", &["path: string", "bool"], doc)
        .example("file_exists(\"no-such-file\") // → false")
        .register_into_engine(engine, |path: &str| std::path::Path::new(path).exists());
}
