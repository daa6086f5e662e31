#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{GgufFile, Value, ValueType, Writer};
use crate::format::{DType, TensorFile};
use serde_json::json;

fn every_value() -> Vec<(&'static str, Value)> {
    vec![
        ("general.architecture", "llama".into()),
        ("u8", Value::U8(255)),
        ("i8", Value::I8(-128)),
        ("u16", Value::U16(65535)),
        ("i16", Value::I16(-32768)),
        ("u32", u32::MAX.into()),
        ("i32", i32::MIN.into()),
        ("u64", u64::MAX.into()),
        ("i64", Value::I64(i64::MIN)),
        ("f32", 1e-5_f32.into()),
        ("f64", Value::F64(0.1)),
        ("nan", f32::NAN.into()),
        ("yes", true.into()),
        ("text", "Ünïcode ▁ 🦀".into()),
        ("empty", "".into()),
        ("words", vec!["a".to_owned(), String::new()].into()),
        ("scores", vec![-1.5_f32, 0.0].into()),
        ("nothing", Value::Array { of: ValueType::U64, values: vec![] }),
        (
            "nested",
            Value::Array {
                of: ValueType::Array,
                values: vec![vec![1_i32, 2].into(), Value::Array { of: ValueType::Bool, values: vec![false.into()] }],
            },
        ),
    ]
}

#[test]
fn what_is_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.gguf");
    let mut writer = Writer::new();
    for (key, value) in every_value() {
        writer.metadata(key, value).unwrap();
    }
    writer.tensor("a", DType::F32, &[2, 3], (0..24).collect::<Vec<u8>>()).unwrap();
    writer.tensor("b.scalar", DType::I64, &[], vec![7; 8]).unwrap();
    writer.tensor("c.empty", DType::F16, &[0, 5], vec![]).unwrap();
    writer.tensor_with("d", DType::Q4_0, &[1, 64], || Ok(vec![9; 36].into())).unwrap();
    writer.write(&path).unwrap();

    let file = GgufFile::open(&path).unwrap();
    assert_eq!(file.version(), 3);
    assert_eq!(file.architecture(), Some("llama"));
    for (key, value) in every_value() {
        // NaN is not equal to itself: compare what is shown.
        assert_eq!(format!("{:?}", file.value(key).unwrap()), format!("{value:?}"), "{key}");
    }
    assert_eq!(file.get_u64("u64"), Some(u64::MAX));
    assert_eq!(file.get_u64("i8"), None);
    assert_eq!(file.get_f64("f32"), Some(f64::from(1e-5_f32)));
    assert_eq!(file.get_bool("yes"), Some(true));
    assert_eq!(file.get_array("words"), Some(&[json!("a"), json!("")][..]));
    let metadata = file.metadata();
    assert_eq!(metadata.keys().collect::<Vec<_>>(), file.keys().collect::<Vec<_>>());
    assert_eq!(metadata["i64"], json!(i64::MIN));
    assert_eq!(metadata["nan"], json!(null));
    assert_eq!(metadata["nested"], json!([[1, 2], [false]]));

    let listed: Vec<_> = file.tensors().iter().map(|t| (t.name.as_str(), t.dtype, t.shape.clone(), t.bytes)).collect();
    assert_eq!(
        listed,
        [
            ("a", DType::F32, vec![2, 3], 24),
            ("b.scalar", DType::I64, vec![], 8),
            ("c.empty", DType::F16, vec![0, 5], 0),
            ("d", DType::Q4_0, vec![1, 64], 36),
        ]
    );
    assert_eq!(file.data(0).unwrap(), (0..24).collect::<Vec<u8>>());
    assert_eq!(file.data(file.index_of("d").unwrap()).unwrap(), [9; 36]);
    assert_eq!(file.data(0).unwrap().as_ptr().align_offset(32), 0, "data are aligned in the mapping");
    let lost = file.index_of("b.scaler").unwrap_err().to_string();
    assert!(lost.contains("did you mean \"b.scalar\""), "{lost}");
    assert!(file.data(4).is_err());
}

/// candle wrote and reads its own GGUF: an implementation that is not ours.
#[test]
fn candle_reads_what_we_write_and_we_read_what_candle_writes() {
    use candle_core::quantized::{GgmlDType, QTensor, gguf_file};
    let device = candle_core::Device::Cpu;
    let dir = tempfile::tempdir().unwrap();
    let values: Vec<f32> = (0..512).map(|i| (i as f32 * 0.37).sin()).collect();
    let dense = candle_core::Tensor::from_vec(values, (2, 256), &device).unwrap();
    let quantized = QTensor::quantize(&dense, GgmlDType::Q4K).unwrap();
    let path = dir.path().join("candle.gguf");
    let arch = gguf_file::Value::String("llama".into());
    let mut out = std::fs::File::create(&path).unwrap();
    gguf_file::write(&mut out, &[("general.architecture", &arch)], &[("w", &quantized)]).unwrap();

    let ours = GgufFile::open(&path).unwrap();
    assert_eq!(ours.architecture(), Some("llama"));
    assert_eq!((ours.tensors()[0].dtype, &ours.tensors()[0].shape[..]), (DType::Q4_K, &[2, 256][..]));
    assert_eq!(ours.data(0).unwrap(), &*quantized.data().unwrap());

    let copy = dir.path().join("ours.gguf");
    let mut writer = Writer::new();
    writer.copy_metadata(&ours);
    writer.metadata("general.alignment", 64).unwrap_err(); // i32, and must be u32
    writer.metadata("general.alignment", 64_u32).unwrap();
    writer.tensor("pad", DType::I8, &[3], vec![1, 2, 3]).unwrap();
    writer.tensor("w", DType::Q4_K, &[2, 256], ours.data(0).unwrap()).unwrap();
    writer.write(&copy).unwrap();
    let mut reader = std::fs::File::open(&copy).unwrap();
    let content = gguf_file::Content::read(&mut reader);
    // candle does not know I8, and says so for the whole file; without that tensor it reads it.
    assert!(content.is_err());
    let mut writer = Writer::new();
    writer.copy_metadata(&ours);
    writer.metadata("general.alignment", 64_u32).unwrap();
    writer.tensor("pad", DType::F32, &[1], vec![0; 4]).unwrap();
    writer.tensor("w", DType::Q4_K, &[2, 256], ours.data(0).unwrap()).unwrap();
    writer.write(&copy).unwrap();
    let mut reader = std::fs::File::open(&copy).unwrap();
    let content = gguf_file::Content::read(&mut reader).unwrap();
    let theirs = content.tensor(&mut reader, "w", &device).unwrap();
    assert_eq!(theirs.data().unwrap(), quantized.data().unwrap());
    assert_eq!(content.metadata["general.architecture"].to_string().unwrap(), "llama");
}

#[test]
fn a_writer_refuses_what_a_reader_would() {
    let mut writer = Writer::new();
    let mixed = Value::Array { of: ValueType::U32, values: vec![1_u32.into(), "x".into()] };
    assert!(
        writer.metadata("mixed", mixed).unwrap_err().to_string().contains("expected values of UINT32, found STRING")
    );
    assert!(writer.metadata("", 1_u32).is_err());
    assert!(writer.metadata("general.alignment", 48_u32).is_err());
    writer.tensor("a", DType::F32, &[1], vec![0; 4]).unwrap();
    for (name, dtype, shape, bytes) in [
        ("a", DType::F32, &[1][..], 4),         // taken
        ("b", DType::F32, &[2], 4),             // too short
        ("b", DType::Q4_0, &[2, 16], 18),       // rows do not fill blocks
        ("b", DType::BOOL, &[1], 1),            // not in GGUF
        ("b", DType::I8, &[1, 1, 1, 1, 1], 1),  // too many dimensions
        ("b", DType::F32, &[usize::MAX, 2], 8), // overflows
    ] {
        assert!(writer.tensor(name, dtype, shape, vec![0; bytes]).is_err(), "{name} {dtype} {shape:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    writer.tensor_with("late", DType::F32, &[1], || Ok(vec![0; 5].into())).unwrap();
    assert!(writer.write(dir.path().join("x.gguf")).unwrap_err().to_string().contains("expected 4 bytes, found 5"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing half-written stays");
}
