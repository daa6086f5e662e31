//! `minerva inspect`: what is in a model file, from its header alone.

use crate::display::measure::{cut, grouped, left, width_of};
use crate::display::{Cell, Table};
use globset::GlobBuilder;
use minerva_engine::error::{bytes, nearest};
use minerva_engine::format::{self, TensorFile, TensorInfo};
use minerva_engine::{Error, Result};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Characters of a metadata value that are shown.
const VALUE_WIDTH: usize = 72;

/// The report on a file, or on those of its tensors whose names match `glob`.
///
/// # Errors
/// When the file is none we read, the pattern is malformed, or nothing matches it.
pub fn report(path: &Path, glob: Option<&str>) -> Result<String> {
    let file = format::open(path)?;
    let chosen = select(&*file, glob)?;
    let mut out = String::new();
    let all: u64 = file.tensors().iter().map(|t| t.bytes).sum();
    let _ =
        writeln!(out, "{}: {}, {} tensors, {}", file.path().display(), file.format(), file.tensors().len(), bytes(all));
    if glob.is_none() && !file.metadata().is_empty() {
        let mut table = Table::new(["", ""]);
        for (key, value) in file.metadata() {
            table.push(vec![Cell::text(key), Cell::text(summary(value))]);
        }
        let _ = writeln!(out, "\n{}", table.to_text(None));
    }
    let _ = writeln!(out, "\n{}", listing(&chosen));
    let _ = write!(out, "\n{}", totals(&chosen));
    Ok(out)
}

fn select<'a>(file: &'a dyn TensorFile, glob: Option<&str>) -> Result<Vec<&'a TensorInfo>> {
    let Some(glob) = glob else { return Ok(file.tensors().iter().collect()) };
    let pattern = GlobBuilder::new(glob)
        .build()
        .map_err(|e| Error::argument("pattern", "a glob such as 'blk.*.weight'", e.to_string()))?;
    let pattern = pattern.compile_matcher();
    let chosen: Vec<&TensorInfo> = file.tensors().iter().filter(|t| pattern.is_match(&t.name)).collect();
    if chosen.is_empty() {
        let names = file.tensors().iter().map(|t| t.name.as_str());
        let example = nearest(glob, names.clone()).or_else(|| names.clone().next().map(str::to_owned));
        let help =
            example.map_or("the file has no tensors".to_owned(), |e| format!("names in this file look like {e}"));
        return Err(Error::argument("pattern", "one that matches a tensor's name", format!("{glob:?}")).with_help(help));
    }
    Ok(chosen)
}

/// Name, dtype, shape and bytes, one tensor a line.
fn listing(tensors: &[&TensorInfo]) -> String {
    // All of them: whoever lists a file wants to search the list.
    let name = tensors.iter().map(|t| width_of(&t.name)).max().unwrap_or(0);
    let kind = tensors.iter().map(|t| t.dtype.name().len()).max().unwrap_or(0);
    let shapes: Vec<String> = tensors.iter().map(|t| shape(&t.shape)).collect();
    let wide = shapes.iter().map(String::len).max().unwrap_or(0);
    let lines = tensors.iter().zip(&shapes).map(|(t, shape)| {
        format!("{}  {:kind$}  {shape:>wide$}  {:>9}", left(&t.name, name), t.dtype.name(), bytes(t.bytes))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn totals(tensors: &[&TensorInfo]) -> String {
    let mut kinds: Vec<(&str, usize, u64, u64)> = Vec::new();
    for t in tensors {
        let values = t.elements() as u64;
        match kinds.iter_mut().find(|k| k.0 == t.dtype.name()) {
            Some(k) => *k = (k.0, k.1 + 1, k.2 + values, k.3 + t.bytes),
            None => kinds.push((t.dtype.name(), 1, values, t.bytes)),
        }
    }
    kinds.sort_by_key(|k| std::cmp::Reverse(k.3));
    if kinds.len() > 1 {
        let sum = kinds.iter().fold(("all", 0, 0, 0), |s, k| (s.0, s.1 + k.1, s.2 + k.2, s.3 + k.3));
        kinds.push(sum);
    }
    let mut table = Table::new(["dtype", "tensors", "values", "size"]);
    for (name, count, values, size) in kinds {
        table.push(vec![
            Cell::text(name),
            Cell::number(count),
            Cell::number(grouped(&values.to_string(), '_')),
            Cell::number(bytes(size)),
        ]);
    }
    table.to_text(None)
}

fn shape(shape: &[usize]) -> String {
    format!("[{}]", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", "))
}

/// A metadata value on one line; of a long array the length and the beginning.
fn summary(value: &Value) -> String {
    let text = match value {
        Value::String(s) => s.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Array(items) if items.len() > 8 => {
            let kind = match items.first() {
                Some(Value::String(_)) => "strings",
                Some(Value::Number(_)) => "numbers",
                Some(Value::Bool(_)) => "flags",
                _ => "items",
            };
            let first: Vec<String> = items.iter().take(6).map(Value::to_string).collect();
            format!("{} {kind}: {}, …", items.len(), first.join(", "))
        }
        other => other.to_string(),
    };
    cut(&text, VALUE_WIDTH)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use minerva_engine::format::DType;

    fn sample() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let data = vec![0_u8; 4 * 6];
        let tensors =
            [("a.weight", DType::F32, vec![2, 3]), ("b.weight", DType::F16, vec![12]), ("c", DType::F32, vec![6])];
        let tensors: Vec<_> = tensors.iter().map(|(n, d, s)| (n.to_string(), *d, s.clone(), data.as_slice())).collect();
        write_safetensors(&folder.path().join("t.safetensors"), &tensors);
        folder
    }

    /// By hand, from the format's description: length, JSON header, data.
    fn write_safetensors(path: &Path, tensors: &[(String, DType, Vec<usize>, &[u8])]) {
        let mut header = serde_json::Map::new();
        header.insert("__metadata__".into(), serde_json::json!({"made": "by a test"}));
        let (mut at, mut data) = (0, Vec::new());
        for (name, dtype, shape, bytes) in tensors {
            let entry =
                serde_json::json!({"dtype": dtype.name(), "shape": shape, "data_offsets": [at, at + bytes.len()]});
            header.insert(name.clone(), entry);
            at += bytes.len();
            data.extend_from_slice(bytes);
        }
        let header = serde_json::to_vec(&header).unwrap();
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header);
        file.extend(data);
        std::fs::write(path, file).unwrap();
    }

    #[test]
    fn a_file_is_listed_with_totals() {
        let folder = sample();
        let text = report(&folder.path().join("t.safetensors"), None).unwrap();
        assert!(text.contains("safetensors, 3 tensors, 72 B"), "{text}");
        assert!(text.contains("made") && text.contains("by a test"), "{text}");
        assert!(text.contains("a.weight  F32  [2, 3]       24 B"), "{text}");
        assert!(text.lines().any(|l| l.split_whitespace().eq(["all", "3", "24", "72", "B"])), "{text}");
    }

    #[test]
    fn a_pattern_selects_and_a_wrong_one_says_so() {
        let folder = sample();
        let path = folder.path().join("t.safetensors");
        let text = report(&path, Some("*.weight")).unwrap();
        assert!(text.contains("b.weight") && !text.contains("\nc ") && !text.contains("by a test"), "{text}");
        let error = report(&path, Some("blk.*")).unwrap_err().to_string();
        assert!(error.contains("names in this file look like"), "{error}");
        assert!(report(&path, Some("a[")).unwrap_err().to_string().contains("a glob such as"));
    }

    #[test]
    fn values_are_summarised() {
        let tokens: Vec<String> = (0..100).map(|i| format!("t{i}")).collect();
        assert!(summary(&serde_json::json!(tokens)).starts_with("100 strings: \"t0\""));
        assert_eq!(summary(&serde_json::json!({"a": 1})), "{\"a\":1}");
    }
}
