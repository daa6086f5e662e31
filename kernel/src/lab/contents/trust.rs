//! Which output may run script: only that of notebooks that this user has seen through, and that nobody changed since.
//!
//! What a file says of itself counts for nothing. A notebook is trusted when the signature of all it holds, made with a
//! key of this user, is in a store of this user.

use super::notebook::{Fields, cells, cells_mut, is_code};
use super::signatures::{Signatures, key};
use hmac::{Hmac, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;
use std::io::{self, Write};
use std::path::Path;

/// Signs notebooks and knows signatures.
pub struct Notary {
    mac: Hmac<Sha256>,
    store: Signatures,
}

impl Notary {
    /// The key and the store in this folder. Makes them where there are none.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", folder.join("notebook_secret").display());
        let key = key(folder).map_err(|e| failed(&e))?;
        let mac = Hmac::new_from_slice(&key).map_err(|e| failed(&e))?;
        Ok(Self { mac, store: Signatures::new(folder) })
    }

    /// Marks code cells as trusted or not, for a front end. The notebook is in its normal form.
    pub fn mark(&self, fields: &mut Fields) {
        take_marks(fields);
        // Where nothing could run, nobody needs to know the signature.
        let known = cells(fields).any(|cell| is_code(cell) && !is_harmless(cell)) && self.knows(fields);
        for cell in cells_mut(fields).filter(|cell| is_code(cell)) {
            let trusted = known || is_harmless(cell);
            let metadata = cell.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.insert("trusted".to_owned(), Value::Bool(trusted));
            }
        }
    }

    /// Keeps the signature of a notebook in its normal form, without marks.
    pub fn sign(&self, fields: &Fields) -> io::Result<()> {
        if cells(fields).all(|cell| !is_code(cell) || is_harmless(cell)) {
            return Ok(());
        }
        self.store.add(&self.signature(fields))
    }

    fn knows(&self, fields: &Fields) -> bool {
        self.store.contains(&self.signature(fields))
    }

    /// Over the canonical JSON: unlike a mere row of texts, no two notebooks share it.
    fn signature(&self, fields: &Fields) -> String {
        let mut sink = Sink(self.mac.clone());
        write_object(&mut sink, fields);
        hex::encode(sink.0.finalize().into_bytes())
    }
}

/// Takes the marks off all cells. Says whether every code cell was marked as trusted or holds nothing that could run:
/// what a front end sends of a notebook that it trusts.
pub fn take_marks(fields: &mut Fields) -> bool {
    let mut trusted = true;
    for cell in cells_mut(fields) {
        let metadata = cell.get_mut("metadata").and_then(Value::as_object_mut);
        let marked = metadata.and_then(|metadata| metadata.shift_remove("trusted")) == Some(Value::Bool(true));
        trusted &= marked || !is_code(cell) || is_harmless(cell);
    }
    trusted
}

/// Whether a cell has no output but plain text.
fn is_harmless(cell: &Fields) -> bool {
    match cell.get("outputs") {
        None => true,
        Some(Value::Array(outputs)) => outputs.iter().all(is_plain),
        Some(_) => false,
    }
}

fn is_plain(output: &Value) -> bool {
    match output.get("output_type").and_then(Value::as_str) {
        Some("stream" | "error") => true,
        _ => output.as_object().is_some_and(|fields| {
            fields.keys().all(|key| matches!(key.as_str(), "output_type" | "execution_count" | "metadata"))
        }),
    }
}

/// Takes bytes into the signature.
struct Sink(Hmac<Sha256>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_object(sink: &mut Sink, fields: &Fields) {
    let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
    fields.sort_unstable_by_key(|(key, _)| *key);
    sink.0.update(b"{");
    for (key, value) in fields {
        write_leaf(sink, key);
        sink.0.update(b":");
        write_value(sink, value);
        sink.0.update(b",");
    }
    sink.0.update(b"}");
}

fn write_value(sink: &mut Sink, value: &Value) {
    match value {
        Value::Object(fields) => write_object(sink, fields),
        Value::Array(items) => {
            sink.0.update(b"[");
            for item in items {
                write_value(sink, item);
                sink.0.update(b",");
            }
            sink.0.update(b"]");
        }
        leaf => write_leaf(sink, leaf),
    }
}

fn write_leaf<T: serde::Serialize + ?Sized>(sink: &mut Sink, leaf: &T) {
    // The sink takes everything, and texts and numbers can always be written.
    let _ = serde_json::to_writer(sink, leaf);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn notebook(outputs: Value) -> Fields {
        let cell = json!({"cell_type": "code", "metadata": {"trusted": true}, "source": "x", "outputs": outputs});
        let text = json!({"cell_type": "markdown", "metadata": {"trusted": true}, "source": "x"});
        let notebook =
            json!({ "nbformat": 4, "nbformat_minor": 4, "metadata": {"trusted": true}, "cells": [cell, text] });
        notebook.as_object().unwrap().clone()
    }

    fn script() -> Fields {
        notebook(json!([{"output_type": "display_data", "metadata": {}, "data": {"text/html": "<script>1</script>"}}]))
    }

    fn marked(notary: &Notary, notebook: &Fields) -> bool {
        let mut notebook = notebook.clone();
        notary.mark(&mut notebook);
        assert!(notebook["cells"][1]["metadata"].get("trusted").is_none(), "only code is marked");
        notebook["cells"][0]["metadata"]["trusted"].as_bool().unwrap()
    }

    #[test]
    fn a_file_that_calls_itself_trusted_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let notary = Notary::open(folder.path()).unwrap();
        assert!(!marked(&notary, &script()));
    }

    #[test]
    fn what_was_signed_is_trusted_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let notary = Notary::open(folder.path()).unwrap();
        let mut signed = script();
        assert!(take_marks(&mut signed));
        notary.sign(&signed).unwrap();
        assert!(marked(&notary, &signed));
        assert!(marked(&Notary::open(folder.path()).unwrap(), &signed), "the next server knows it too");
        let mut reordered = signed.clone();
        reordered.sort_keys();
        assert!(marked(&notary, &reordered));
        let mut changed = signed.clone();
        changed["cells"][0]["outputs"][0]["data"]["text/html"] = json!("<script>2</script>");
        assert!(!marked(&notary, &changed));
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(
            !marked(&Notary::open(elsewhere.path()).unwrap(), &signed),
            "another user's signature is worth nothing"
        );
    }

    #[test]
    fn text_needs_no_signature() {
        let folder = tempfile::tempdir().unwrap();
        let notary = Notary::open(folder.path()).unwrap();
        let plain = notebook(
            json!([{"output_type": "stream", "name": "stdout", "text": "<script>"}, {"output_type": "error"}]),
        );
        assert!(marked(&notary, &plain));
        assert!(!marked(&notary, &notebook(json!([{"output_type": "unheard of", "data": {}}]))));
        assert!(!marked(&notary, &notebook(json!("no list"))));
    }

    #[test]
    fn marks_are_taken_off_and_counted() {
        let mut trusted = script();
        assert!(take_marks(&mut trusted));
        assert!(trusted["cells"][0]["metadata"].get("trusted").is_none());
        assert!(trusted["cells"][1]["metadata"].get("trusted").is_none());
        assert!(!take_marks(&mut trusted));
    }

    #[test]
    fn texts_that_only_run_together_have_other_signatures() {
        let folder = tempfile::tempdir().unwrap();
        let notary = Notary::open(folder.path()).unwrap();
        let signature = |value: Value| notary.signature(value.as_object().unwrap());
        assert_ne!(signature(json!({"a": "bc"})), signature(json!({"ab": "c"})));
        assert_ne!(signature(json!({"a": ["b", "c"]})), signature(json!({"a": ["bc"]})));
        assert_ne!(signature(json!({"a": 1})), signature(json!({"a": "1"})));
        assert_eq!(signature(json!({"a": 1, "b": 2})), signature(json!({"b": 2, "a": 1})));
    }
}
