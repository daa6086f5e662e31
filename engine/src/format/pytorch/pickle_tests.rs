#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! Pickles that no honest program writes.

use super::layout;
use super::pickle::{Pickle, Value};
use super::problem::Problem;
use super::state_dict::StateDict;
use std::path::Path;

fn text(problem: Problem) -> String {
    problem.at(Path::new("x.pt")).to_string()
}

fn refusal(pickle: &[u8]) -> String {
    text(match Pickle::read(pickle) {
        Ok(mut pickle) => StateDict::of(&mut pickle).expect_err("a refusal"),
        Err(problem) => problem,
    })
}

/// `{"w": tensor}` of `length` F32 values in the storage, with these offset, shape and strides, each a pickled number.
fn tensor(length: &[u8], offset: &[u8], shape: &[&[u8]], strides: &[&[u8]]) -> Vec<u8> {
    let head: &[u8] = b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0\x30X\x03\0\0\0cpu";
    let list = |values: &[&[u8]]| [b"(", values.concat().as_slice(), b"t"].concat();
    [head, length, b"tQ", offset, &list(shape), &list(strides), b"\x89}tRs."].concat()
}

/// What checking that tensor against its storage says.
fn check(pickle: &[u8]) -> Result<u64, String> {
    let mut pickle = Pickle::read(pickle).map_err(text)?;
    let state = StateDict::of(&mut pickle).map_err(text)?;
    let (name, raw) = &state.tensors[0];
    let (info, _) = layout::check(&pickle, name.clone(), raw, raw.storage.bytes as usize).map_err(text)?;
    Ok(info.bytes)
}

/// 2^40 and 2^62 and -1, pickled.
const FAR: &[u8] = b"\x8a\x06\0\0\0\0\0\x01";
const FARTHER: &[u8] = b"\x8a\x08\0\0\0\0\0\0\0\x40";
const MINUS_ONE: &[u8] = b"\x8a\x01\xff";

#[test]
fn a_tensor_must_fit_its_storage() {
    assert_eq!(check(&tensor(b"K\x06", b"K\0", &[b"K\x02", b"K\x03"], &[b"K\x03", b"K\x01"])).unwrap(), 24);
    assert_eq!(check(&tensor(b"K\x06", b"K\x02", &[b"K\x02", b"K\x02"], &[b"K\x01", b"K\x02"])).unwrap(), 16);
    assert_eq!(check(&tensor(b"K\x06", b"K\x05", &[], &[])).unwrap(), 4);
    assert_eq!(check(&tensor(b"K\0", b"K\0", &[b"K\0", FAR], &[FAR, b"K\x01"])).unwrap(), 0);
    // A stride over one value is never taken, whatever it says.
    assert_eq!(check(&tensor(b"K\x01", b"K\0", &[b"K\x01"], &[FARTHER])).unwrap(), 4);
    for (length, offset, shape, strides, expected) in [
        (&b"K\x06"[..], &b"K\x01"[..], &[&b"K\x06"[..]][..], &[&b"K\x01"[..]][..], "does not fit its storage"),
        (b"K\x06", b"K\x06", &[], &[], "does not fit its storage"),
        (b"K\x06", FARTHER, &[b"K\x01"], &[b"K\x01"], "does not fit its storage"),
        (b"K\x06", b"K\0", &[b"K\x02"], &[FARTHER], "does not fit its storage"),
        (b"K\x06", b"K\0", &[FAR, FAR], &[b"K\0", b"K\0"], "has no size in bytes"),
        (b"K\x06", b"K\0", &[FARTHER], &[b"K\0"], "has no size in bytes"),
        (b"K\x06", b"K\0", &[FARTHER, b"K\x04", b"K\0"], &[b"K\0", b"K\0", b"K\0"], "has no size in bytes"),
        (b"K\x06", b"K\0", &[MINUS_ONE], &[b"K\x01"], "not negative"),
        (b"K\x06", MINUS_ONE, &[b"K\x01"], &[b"K\x01"], "not negative"),
        (b"K\x06", b"K\0", &[b"X\0\0\0\0"], &[b"K\x01"], "not negative"),
        (b"K\x06", b"K\0", &[b"K\x01"], &[], "a stride for each"),
        (b"K\x06", b"K\0", &[b"K\x01".as_slice(); 65], &[b"K\x01".as_slice(); 65], "at most 64 dimensions"),
        (MINUS_ONE, b"K\0", &[b"K\x01"], &[b"K\x01"], "cannot have -1 values"),
        (FARTHER, b"K\0", &[b"K\x01"], &[b"K\x01"], "cannot have 4611686018427387904 values"),
    ] {
        let found = check(&tensor(length, offset, shape, strides)).unwrap_err();
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

#[test]
fn nothing_else_is_accepted() {
    for (pickle, expected) in [
        (&b""[..], "ends early"),
        (b".", "ends early"),
        (b"\x80\x02}", "ends early"),
        (b"\x80\x02X\xff\xff\xff\xffa.", "ends early"),
        (b"(.", "ends early"),
        (b"}(\x85.", "ends early"),
        (b"h\x07.", "ends early"),
        (b"}K\x01s.", "expected a dict in the pickle, found nothing"),
        (b"}(K\x01u.", "ends early"),
        (b"N(K\x01K\x02u.", "expected a dict in the pickle, found a plain value"),
        (b"NK\x01a.", "expected a list in the pickle, found a plain value"),
        (b"X\x01\0\0\0\xff.", "UTF-8"),
        (b"cos\nsystem\nX\x02\0\0\0ls\x85R.", "needs Python's os.system"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "needs Python's builtins.eval"),
        (b"(X\x02\0\0\0lsios\nsystem\n.", "the pickle instruction 0x69"),
        (b"}\x81.", "the pickle instruction 0x81"),
        (b"\x82\x01.", "the pickle instruction 0x82"),
        (b"NNR.", "expected a name and its arguments"),
        (b"ccollections\nOrderedDict\nN\x85R.", "OrderedDict in the pickle has arguments"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n)R.", "has arguments that it does not take"),
        (b"ctorch._utils\n_rebuild_parameter\n(NNNtR.", "has arguments that it does not take"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n(NNNNNNtR.", "expected a tensor's storage"),
        (b"NQ.", "the name, the type and the length of a storage"),
        (b"(X\x07\0\0\0storagectorch\nSize\nX\0\0\0\0NK\x01tQ.", "expected the type of a storage"),
        (b"}Nb.", "expected a dict"),
        (b"}.", "found one without any"),
        (b"K\x01.", "found a plain value"),
        (b"].", "found a list"),
    ] {
        let found = refusal(pickle);
        assert!(found.contains(expected), "{:?}: {found}", String::from_utf8_lossy(pickle));
    }
}

#[test]
fn sharing_does_not_multiply() {
    // Ten levels of ten references each to the level below: ten thousand million values, if they were copied.
    let mut pickle = b"K\x01q\0".to_vec();
    for _ in 0..10 {
        pickle.push(b'(');
        pickle.extend(b"h\0".repeat(10));
        pickle.extend(b"tq\0");
    }
    pickle.push(b'.');
    assert!(matches!(Pickle::read(&pickle).unwrap().top, Value::Tuple(_)));
    // A dict of many tensors under many names, for a few bytes each.
    let one = tensor(b"K\x01", b"K\0", &[], &[]);
    let mut pickle = [&one[..one.len() - 2], b"q\x01sq\x02("].concat();
    for i in 0..1000 {
        pickle.extend([b"X\x04\0\0\0", format!("{i:04}").as_bytes(), b"h\x01"].concat());
    }
    pickle.extend(b"u0"); // POP is no instruction of ours
    assert!(refusal(&pickle).contains("instruction 0x30"));
    pickle.truncate(pickle.len() - 1);
    pickle.extend(b"q\x02}(");
    for i in 0..1000 {
        pickle.extend([b"X\x04\0\0\0", format!("{i:04}").as_bytes(), b"h\x02"].concat());
    }
    pickle.extend(b"u.");
    assert!(refusal(&pickle).contains("unfolds to far more"), "a million names");
}

#[test]
fn a_dict_within_itself_ends() {
    let one = tensor(b"K\x01", b"K\0", &[], &[]);
    let body = [b"\x80\x02}q\x09X\x01\0\0\0ah\x09s".as_slice(), &one[3..]].concat();
    let mut pickle = Pickle::read(&body).unwrap();
    assert_eq!(StateDict::of(&mut pickle).unwrap().tensors.len(), 1);
}

#[test]
fn large_numbers_keep_their_sign() {
    let top = |pickle: &[u8]| format!("{:?}", Pickle::read(pickle).unwrap().top);
    assert_eq!(top(b"\x8a\0."), "Int(0)");
    assert_eq!(top(b"\x8a\x01\xff."), "Int(-1)");
    assert_eq!(top(b"\x8a\x02\xff\0."), "Int(255)");
    assert_eq!(top(b"\x8a\x08\0\0\0\0\0\0\0\x80."), "Int(-9223372036854775808)");
    assert_eq!(top(b"\x8a\x09\0\0\0\0\0\0\0\x80\0."), "Opaque");
    assert_eq!(top(b"J\xfe\xff\xff\xff."), "Int(-2)");
    assert_eq!(top(b"G\x3f\xd0\0\0\0\0\0\0."), "Float(0.25)");
}
