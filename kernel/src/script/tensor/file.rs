//! `open(path)`: a file of tensors, listed without reading its weights.

use crate::display::measure::cut;
use crate::display::{Bundle, Cell, Table};
use crate::script::error::{ScriptResult, guard, raise};
use crate::script::{Host, define, define_type, property};
use minerva_engine::Error;
use minerva_engine::error::bytes;
use minerva_engine::format::{Metadata, TensorFile};
use minerva_engine::tensor::Tensor;
use rhai::{Array, Dynamic, Engine};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Metadata longer than this is cut where it is listed.
const LONGEST: usize = 60;

/// An opened file.
#[derive(Clone)]
pub struct OpenFile(pub Arc<dyn TensorFile>);

/// Tensors of a file.
#[derive(Clone)]
pub struct TensorList(pub Vec<Tensor>);

/// A file's metadata, looked at entry by entry: a vocabulary is not turned into values of the language before it is asked for.
#[derive(Clone)]
struct FileMetadata(Arc<dyn TensorFile>);

impl IntoIterator for TensorList {
    type Item = Tensor;
    type IntoIter = std::vec::IntoIter<Tensor>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

pub fn register(engine: &mut Engine, host: &Host) {
    files(engine, host);
    lists(engine, host);
    metadata(engine, host);
}

fn files(engine: &mut Engine, host: &Host) {
    let doc = "An opened file of tensors: f[\"name\"] is one of them.";
    let example =
        "let f = open(sample_path(\"gguf\"));\nf.format // → \"gguf\"\nf[\"blk.0.attn_q.weight\"].shape.len() // → 2";
    define_type::<OpenFile>(engine, "File", doc, example);
    host.shows::<OpenFile>(engine, |f| overview(&f.0));
    let doc =
        "Opens a GGUF, safetensors or PyTorch file, or a folder as the hub has them, without reading its weights.";
    define("open", &["path: string", "File"], doc)
        .example("open(sample_path(\"gguf\"))")
        .register_into_engine(engine, |path: &str| guard(|| minerva_engine::format::open(path).map(OpenFile)));
    let doc = "The tensors of the file, without reading their values.";
    define("tensors", &["file: File", "TensorList"], doc)
        .example("open(sample_path(\"gguf\")).tensors()")
        .register_into_engine(engine, |f: OpenFile| guard(|| Tensor::matching(&f.0, "*").map(TensorList)));
    let doc = "The tensors whose names match a pattern such as \"*.q_proj.*\", without reading their values.";
    define("tensors", &["file: File", "pattern: string", "TensorList"], doc)
        .example("open(sample_path(\"gguf\")).tensors(\"blk.0.*\")")
        .register_into_engine(engine, |f: OpenFile, glob: &str| guard(|| Tensor::matching(&f.0, glob).map(TensorList)));
    define("tensor", &["file: File", "name: string", "Tensor"], "One tensor of the file, by its name.")
        .example("open(sample_path(\"gguf\")).tensor(\"blk.0.attn_q.weight\")")
        .register_into_engine(engine, |f: OpenFile, name: &str| guard(|| Tensor::from_file_named(f.0.clone(), name)));
    engine.register_indexer_get(|f: &mut OpenFile, name: &str| guard(|| Tensor::from_file_named(f.0.clone(), name)));
    property("path", &["f: File", "string"], "Where it lies.")
        .register_into_engine(engine, |f: &mut OpenFile| f.0.path().display().to_string());
    property("format", &["f: File", "string"], "What it is: \"GGUF\", \"safetensors\" …")
        .register_into_engine(engine, |f: &mut OpenFile| f.0.format().to_owned());
    property("names", &["f: File", "array"], "The names of its tensors.")
        .register_into_engine(engine, |f: &mut OpenFile| -> Array {
            f.0.tensors().iter().map(|t| Dynamic::from(t.name.clone())).collect()
        });
    property("metadata", &["f: File", "Metadata"], "What the file says about itself.")
        .register_into_engine(engine, |f: &mut OpenFile| FileMetadata(f.0.clone()));
}

fn lists(engine: &mut Engine, host: &Host) {
    let doc = "Tensors of a file, as a table: list[0] and list[\"name\"] are one of them, for goes through them.";
    let example = "let list = m.tensors(\"*attn_q*\");\nfor t in list { print(t.name, t.shape); }";
    define_type::<TensorList>(engine, "TensorList", doc, example);
    engine.register_iterator::<TensorList>();
    host.shows::<TensorList>(engine, |list| listing(&list.0).bundle());
    define("len", &["list: TensorList", "int"], "The number of tensors.")
        .example("m.tensors(\"blk.0.attn_q*\").len() // → 1")
        .register_into_engine(engine, |list: TensorList| list.0.len() as i64);
    engine.register_indexer_get(|list: &mut TensorList, i: i64| -> ScriptResult<Tensor> {
        let n = list.0.len() as i64;
        let at = usize::try_from(if i < 0 { i + n } else { i }).ok();
        let wrong = || raise(Error::argument("tensors", format!("an index from {} to {}", -n, n - 1), i.to_string()));
        at.and_then(|i| list.0.get(i)).cloned().ok_or_else(wrong)
    });
    engine.register_indexer_get(|list: &mut TensorList, name: &str| -> ScriptResult<Tensor> {
        let names = list.0.iter().filter_map(Tensor::name);
        let found = list.0.iter().find(|t| t.name() == Some(name)).cloned();
        found.ok_or_else(|| raise(Error::not_found("tensor", name, names)))
    });
}

fn metadata(engine: &mut Engine, host: &Host) {
    let doc = "A file's metadata: metadata[\"key\"] is one entry.";
    let example =
        "let metadata = open(sample_path(\"gguf\")).metadata;\nmetadata[\"general.architecture\"] // → \"llama\"";
    define_type::<FileMetadata>(engine, "Metadata", doc, example);
    host.shows::<FileMetadata>(engine, |m| metadata_table(m.0.metadata()).bundle());
    define("keys", &["metadata: Metadata", "array"], "The names of the entries.")
        .example("open(sample_path(\"gguf\")).metadata.keys()")
        .register_into_engine(engine, |m: FileMetadata| -> Array {
            m.0.metadata().keys().map(|k| Dynamic::from(k.clone())).collect()
        });
    define("len", &["metadata: Metadata", "int"], "The number of entries.")
        .example("open(sample_path(\"gguf\")).metadata.len() > 5 // → true")
        .register_into_engine(engine, |m: FileMetadata| m.0.metadata().len() as i64);
    define("contains", &["metadata: Metadata", "key: string", "bool"], "Whether there is an entry of this name.")
        .example("open(sample_path(\"gguf\")).metadata.contains(\"general.name\")")
        .register_into_engine(engine, |m: FileMetadata, key: &str| m.0.metadata().contains_key(key));
    engine.register_indexer_get(|m: &mut FileMetadata, key: &str| -> ScriptResult {
        let entries = m.0.metadata();
        let keys = entries.keys().map(String::as_str);
        let value = entries.get(key).ok_or_else(|| raise(Error::not_found("metadata", key, keys)))?;
        rhai::serde::to_dynamic(value)
    });
}

fn listing(tensors: &[Tensor]) -> Table {
    let mut table = Table::new(["name", "dtype", "shape", "values", "size"]);
    for t in tensors {
        table.push(vec![
            Cell::text(t.name().unwrap_or_default()),
            Cell::text(t.dtype().name()),
            Cell::text(format!("{:?}", t.shape())),
            Cell::number(t.elements()),
            Cell { text: bytes(t.bytes()), number: true },
        ]);
    }
    table
}

/// What is in a file, by type of storage, and the first of its metadata.
fn overview(file: &Arc<dyn TensorFile>) -> Bundle {
    let mut types: BTreeMap<&str, (usize, u64, u64)> = BTreeMap::new();
    for t in file.tensors() {
        let entry = types.entry(t.dtype.name()).or_default();
        *entry = (entry.0 + 1, entry.1 + t.elements() as u64, entry.2 + t.bytes);
    }
    let values: u64 = types.values().map(|t| t.1).sum();
    let size: u64 = types.values().map(|t| t.2).sum();
    let head = format!(
        "{}: {}, {} tensors, {} values, {}",
        file.path().display(),
        file.format(),
        file.tensors().len(),
        count(values),
        bytes(size)
    );
    let mut table = Table::new(["dtype", "tensors", "values", "size"]);
    for (name, (tensors, values, size)) in &types {
        let size = Cell { text: bytes(*size), number: true };
        table.push(vec![Cell::text(*name), Cell::number(tensors), Cell::number(values), size]);
    }
    let meta = metadata_table(file.metadata());
    let text = format!("{head}\n{}", table.to_text(None));
    let html = format!(
        "<div><code>{}</code></div>{}<details><summary>metadata ({})</summary>{}</details>",
        crate::display::escape_html(&head),
        table.to_html(),
        meta.rows.len(),
        meta.to_html()
    );
    Bundle::html(html, text)
}

/// A number of values as the field writes it: `134.5M`.
fn count(n: u64) -> String {
    for (unit, size) in [("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)] {
        if n as f64 >= size {
            return format!("{:.1}{unit}", n as f64 / size);
        }
    }
    n.to_string()
}

fn metadata_table(metadata: &Metadata) -> Table {
    let mut table = Table::new(["key", "value"]);
    for (key, value) in metadata {
        let text = match value {
            Value::String(s) => short(s),
            Value::Array(list) => array_text(list),
            other => short(&other.to_string()),
        };
        table.push(vec![Cell::text(key), Cell::text(text)]);
    }
    table
}

fn array_text(list: &[Value]) -> String {
    if list.len() <= 8 {
        return short(&Value::Array(list.to_vec()).to_string());
    }
    let first: Vec<String> = list.iter().take(4).map(Value::to_string).collect();
    format!("{} … ({} items)", short(&first.join(", ")), list.len())
}

fn short(text: &str) -> String {
    cut(&text.split_whitespace().collect::<Vec<_>>().join(" "), LONGEST)
}
