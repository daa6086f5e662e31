#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{SafetensorsFile, Writer, save};
use crate::format::{DType, Metadata, ShardedFile, TensorFile};
use serde_json::json;
use std::path::Path;

/// A file of a given header and data.
fn raw(path: &Path, header: &str, data: &[u8]) {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    std::fs::write(path, bytes).unwrap();
}

fn refusal(header: &str, data: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    raw(&path, header, data);
    SafetensorsFile::open(path).unwrap_err().to_string()
}

#[test]
fn what_we_save_the_reference_reads_and_so_do_we() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let metadata: Metadata = json!({ "format": "pt", "n": 3 }).as_object().unwrap().clone();
    let f16 = [1_u8, 2, 3, 4, 5, 6];
    let tensors: [super::SaveTensor; 4] = [
        ("half", DType::F16, &[3], &f16),
        ("scalar", DType::F64, &[], &[0, 0, 0, 0, 0, 0, 0xF0, 0x3F]),
        ("empty", DType::F32, &[0, 7], &[]),
        ("fp8 \"quoted\"", DType::F8_E4M3, &[1, 1], &[0x38]),
    ];
    save(&path, &tensors, &metadata).unwrap();

    let bytes = std::fs::read(&path).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["n"], "3");
    let reference = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let ours = SafetensorsFile::open(&path).unwrap();
    assert_eq!(ours.metadata()["format"], "pt");
    assert_eq!(ours.tensors().len(), 4);
    for (i, info) in ours.tensors().iter().enumerate() {
        let theirs = reference.tensor(&info.name).unwrap();
        assert_eq!((theirs.shape(), theirs.data()), (&info.shape[..], ours.data(i).unwrap()), "{}", info.name);
        assert_eq!(theirs.dtype().to_string(), info.dtype.name());
    }
    assert_eq!(ours.tensors()[0].name, "scalar", "the widest type comes first, so that all are aligned");
    assert!(ours.index_of("halv").unwrap_err().to_string().contains("did you mean \"half\""));
}

/// Every type name of the reference is known, with the same size.
#[test]
fn every_type_of_the_reference_is_known() {
    for name in [
        "BOOL",
        "F4",
        "F6_E2M3",
        "F6_E3M2",
        "U8",
        "I8",
        "F8_E5M2",
        "F8_E4M3",
        "F8_E8M0",
        "F8_E4M3FNUZ",
        "F8_E5M2FNUZ",
        "I16",
        "U16",
        "F16",
        "BF16",
        "I32",
        "U32",
        "F32",
        "C64",
        "F64",
        "I64",
        "U64",
    ] {
        let theirs: safetensors::Dtype = serde_json::from_value(json!(name)).unwrap();
        let ours = DType::from_safetensors(name).unwrap();
        assert_eq!(ours.block_bytes() * 8, theirs.bitsize() * ours.block(), "{name}");
    }
    assert_eq!(DType::from_safetensors("Q4_0"), None);
}

#[test]
fn broken_headers_say_what_was_expected_and_found() {
    for (header, data, expected) in [
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 0, "ends at byte 4 of the data, and only 0"),
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4, "takes 8 bytes, and its offsets 0 to 4"),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, "its offsets 4 to 0"),
        (r#"{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"#, 4, "type \"F99\" is not one of safetensors"),
        (r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4, "tensor \"a\": invalid value"),
        (
            r#"{"a":{"dtype":"U8","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,4]}}"#,
            4,
            "has no size in bytes",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#,
            4,
            "two tensors are named \"a\"",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#,
            4,
            "\"b\" overlaps the tensor before it: expected it at byte 3 of the data, found byte 2",
        ),
        (r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#, 4, "leaves a gap"),
        (r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#, 4, "end at byte 2 of the data, which has 4"),
        (r#"{"__metadata__":{"n":3}}"#, 0, "__metadata__: invalid type: integer"),
        (r#"[1]"#, 0, "expected an object of tensors"),
        (r#"{"a":"#, 0, "EOF while parsing"),
    ] {
        let found = refusal(header, &vec![0; data]);
        assert!(found.contains(expected), "{header}\n gave {found:?}\n not {expected:?}");
    }
    let dims = vec!["1"; 65].join(",");
    let many = format!(r#"{{"a":{{"dtype":"U8","shape":[{dims}],"data_offsets":[0,1]}}}}"#);
    assert!(refusal(&many, &[0]).contains("expected at most 64 dimensions, found 65"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    std::fs::write(&path, u64::MAX.to_le_bytes()).unwrap();
    assert!(SafetensorsFile::open(&path).unwrap_err().to_string().contains("allows at most 100000000"));
    std::fs::write(&path, 9_u64.to_le_bytes()).unwrap();
    assert!(SafetensorsFile::open(&path).unwrap_err().to_string().contains("9 bytes long, and only 0 B follow"));
}

#[test]
fn shards_read_as_one_file_and_a_bad_index_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    save(at("model-00001-of-00002.safetensors"), &[("a", DType::U8, &[2], &[1, 2])], &Metadata::new()).unwrap();
    save(at("model-00002-of-00002.safetensors"), &[("b", DType::U8, &[1], &[3])], &Metadata::new()).unwrap();
    let index = at("model.safetensors.index.json");
    let write = |map: serde_json::Value| std::fs::write(&index, json!({ "weight_map": map }).to_string()).unwrap();
    let (one, two) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");

    write(json!({ "a": one, "b": two }));
    let file = ShardedFile::open_index(&index).unwrap();
    assert_eq!(file.tensors().iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(file.data(file.index_of("b").unwrap()).unwrap(), [3]);
    assert!(file.data(2).is_err());

    for (map, expected) in [
        (json!({ "a": one, "b": "model-00003-of-00002.safetensors" }), "1 of the 2 shards are missing"),
        (json!({ "a": one, "c": two }), "puts \"c\" in \"model-00002-of-00002.safetensors\", which does not have it"),
        (json!({ "a": "../x.safetensors" }), "expected the name of a file beside the index"),
        (json!({ "a": "/etc/passwd" }), "expected the name of a file beside the index"),
        (json!({ "a": 1 }), "expected the name of a file beside the index"),
        (json!(1), "to be an object"),
    ] {
        write(map);
        let found = ShardedFile::open_index(&index).unwrap_err().to_string();
        assert!(found.contains(expected), "{found}");
    }
    save(at(two), &[("a", DType::U8, &[1], &[3])], &Metadata::new()).unwrap();
    write(json!({ "a": one, "b": two }));
    assert!(ShardedFile::open_index(&index).unwrap_err().to_string().contains("is in another shard too"));
}

#[test]
fn a_writer_refuses_what_the_format_cannot_hold() {
    let mut writer = Writer::new(&Metadata::new());
    assert!(writer.tensor("q", DType::Q4_0, &[32], vec![0; 18]).unwrap_err().to_string().contains("dequantize it"));
    assert!(writer.tensor("__metadata__", DType::U8, &[1], vec![0]).is_err());
    assert!(writer.tensor("short", DType::U8, &[2], vec![0]).is_err());
    writer.tensor("a", DType::U8, &[1], vec![0]).unwrap();
    assert!(writer.tensor("a", DType::U8, &[1], vec![0]).is_err());
}
