#![allow(clippy::unwrap_used, clippy::panic)]

use super::{FromScript, Tensor, ToScript, Value, json, tensor};
use std::collections::BTreeMap;

fn text(value: &Value) -> String {
    let mut out = String::new();
    json::write(value, &mut out, &mut Vec::new());
    out
}

#[test]
fn json_reads_what_serde_json_writes_and_the_other_way_round() {
    let original = serde_json::json!({
        "text": "a \"quoted\" \\ line\nthen \u{1F600} and \u{7} \u{e9}", "empty": {}, "none": null,
        "list": [1, -2.5, 1e300, [], [true, false]], "large": i64::MIN, "small": 5e-324
    });
    let value = json::parse(&original.to_string(), &mut []).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text(&value)).unwrap(), original);
    let escaped = json::parse(r#""\ud83d\ude00\u00e9\/""#, &mut []).unwrap();
    assert_eq!(escaped.as_str(), Some("\u{1F600}\u{e9}/"));
    for broken in ["", "[1", "{\"a\" 1}", "[1 2]", "\"open", "tru", "1 2", "\"\\u12\""] {
        assert!(json::parse(broken, &mut []).is_err(), "{broken}");
    }
}

#[test]
fn floats_that_json_lacks_go_through() {
    for v in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let Value::Float(back) = json::parse(&text(&Value::Float(v)), &mut []).unwrap() else { panic!() };
        assert_eq!(back.to_bits() & !(1 << 63), v.to_bits() & !(1 << 63));
        assert_eq!(back > 0.0, v > 0.0);
    }
}

#[test]
fn tensors_go_through_a_file_that_the_engine_reads_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.safetensors").display().to_string();
    let long: Vec<f32> = (0..200_000).map(|i| i as f32 * 0.25).collect();
    let (a, b) = (Tensor::new(&[2, 2], vec![1.0, 2.0, f32::NAN, -0.0]), Tensor::new(&[200, 1000], long));
    tensor::write(&path, &[&a, &b, &Tensor::zeros(&[0, 3])]).unwrap();
    let back = tensor::read(&path).unwrap();
    assert_eq!(back[1], b);
    assert_eq!(back[2], Tensor::zeros(&[0, 3]));
    assert!(back[0].data[2].is_nan());
    let file = minerva_engine::format::open(&path).unwrap();
    let read = minerva_engine::tensor::Tensor::from_file_named(file, "1").unwrap();
    assert_eq!(read.shape(), [200, 1000]);
    assert_eq!(read.to_vec().unwrap(), b.data);
}

#[test]
fn a_tensor_is_taken_as_its_values_or_rows() {
    let tensor = |shape: &[usize], data: &[f32]| Value::Tensor(Tensor::new(shape, data.to_vec()));
    assert_eq!(Vec::<f32>::from_script(tensor(&[3], &[0.1, -2.0, 3.5])), Ok(vec![0.1, -2.0, 3.5]));
    assert_eq!(Vec::<f64>::from_script(tensor(&[0], &[])), Ok(vec![]));
    let rows = Vec::<Vec<f64>>::from_script(tensor(&[2, 2], &[1.0, 2.0, 3.0, 4.0]));
    assert_eq!(rows, Ok(vec![vec![1.0, 2.0], vec![3.0, 4.0]]));
    assert_eq!(Vec::<Tensor>::from_script(tensor(&[2, 1], &[1.0, 2.0])).map(|t| t[1].data[0]), Ok(2.0));
    assert_eq!(Vec::<Vec<f32>>::from_script(tensor(&[2, 0], &[])), Ok(vec![vec![], vec![]]));
    let flat = Vec::<f32>::from_script(tensor(&[1, 2], &[1.0, 2.0]));
    assert_eq!(flat, Err("at [0] of a Tensor [1, 2]: expected f32, found Tensor".into()));
    assert!(Vec::<f32>::from_script(tensor(&[], &[1.0])).is_err());
}

#[test]
fn keys_with_the_mark_of_a_special_value_are_keys() {
    for key in ["\u{1}t", "\u{1}f", "\u{1}", "\u{1}\u{1}t", "\n\u{0}\u{7f}", "plain"] {
        let map = Value::Map(BTreeMap::from([(key.to_owned(), Value::Int(0))]));
        assert_eq!(json::parse(&text(&map), &mut []), Ok(map), "{key:?}");
    }
}

#[test]
fn types_take_what_fits_them_and_say_what_does_not() {
    let parse = |s: &str| json::parse(s, &mut []).unwrap();
    assert_eq!(Vec::<f64>::from_script(parse("[1, 2.5]")), Ok(vec![1.0, 2.5]));
    assert_eq!(<(i64, String)>::from_script(parse("[1, \"a\"]")), Ok((1, "a".to_owned())));
    assert_eq!(Option::<bool>::from_script(parse("null")), Ok(None));
    let map = BTreeMap::<String, Vec<u8>>::from_script(parse("{\"k\": [255]}")).unwrap();
    assert_eq!(map.to_script().map(|v| text(&v)), Ok("{\"k\":[255]}".to_owned()));
    assert_eq!(Vec::<u8>::from_script(parse("[1, 256]")), Err("at [1]: expected u8, found Int 256".into()));
    assert_eq!(i64::from_script(parse("1.5")), Err("expected i64, found Float 1.5".into()));
    assert_eq!(u64::MAX.to_script(), Err("18446744073709551615 does not fit a script's int (i64)".into()));
    assert_eq!(Err::<i64, _>("no").to_script(), Err("no".into()));
}
