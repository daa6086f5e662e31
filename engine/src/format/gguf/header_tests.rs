//! Headers that lie: each is refused with what was expected and what was found.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::GgufFile;
use crate::format::TensorFile;

/// A header under construction, field by field, so that it can say anything.
#[derive(Clone)]
struct Raw(Vec<u8>);

impl Raw {
    fn new(version: u32, tensors: u64, pairs: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(version).u64(tensors).u64(pairs)
    }
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
    fn u32(self, v: u32) -> Self {
        self.bytes(&v.to_le_bytes())
    }
    fn u64(self, v: u64) -> Self {
        self.bytes(&v.to_le_bytes())
    }
    fn string(self, s: &[u8]) -> Self {
        self.u64(s.len() as u64).bytes(s)
    }
    fn tensor(self, name: &str, dims: &[u64], dtype: u32, offset: u64) -> Self {
        let start = self.string(name.as_bytes()).u32(dims.len() as u32);
        dims.iter().fold(start, |raw, d| raw.u64(*d)).u32(dtype).u64(offset)
    }
    /// Pads to the data section and adds that many bytes of data.
    fn data(mut self, n: usize) -> Self {
        let start = self.0.len().next_multiple_of(32);
        self.0.resize(start + n, 1);
        self
    }
    fn open(self) -> crate::Result<GgufFile> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.gguf");
        std::fs::write(&path, self.0).unwrap();
        GgufFile::open(path)
    }
    #[track_caller]
    fn refused(self, expected: &str) {
        let text = self.open().unwrap_err().to_string();
        assert!(text.contains(expected), "expected {expected:?} in {text:?}");
    }
}

fn one(version: u32) -> Raw {
    Raw::new(version, 1, 0)
}

#[test]
fn both_versions_and_every_dimension_count_open() {
    for version in [2, 3] {
        for dims in [&[][..], &[8], &[4, 2], &[2, 2, 2], &[2, 1, 2, 2]] {
            let file = one(version).tensor("a", dims, 0, 0).data(if dims.is_empty() { 4 } else { 32 }).open().unwrap();
            let reversed: Vec<usize> = dims.iter().rev().map(|d| *d as usize).collect();
            assert_eq!((file.version(), &file.tensors()[0].shape), (version, &reversed));
        }
    }
    let file = Raw::new(3, 0, 0).open().unwrap();
    assert!(file.tensors().is_empty() && file.metadata().is_empty());
}

#[test]
fn counts_and_lengths_are_checked_before_they_are_believed() {
    Raw::new(3, u64::MAX, 0).data(64).refused("the number of tensors is 18446744073709551615");
    Raw::new(3, 0, u64::MAX).data(64).refused("the number of metadata keys is 18446744073709551615");
    Raw::new(3, 0, 1).u64(1 << 60).data(64).refused("says it is 1152921504606846976 bytes long");
    let pair = Raw::new(3, 0, 1).string(b"k");
    pair.clone().u32(8).u64(u64::MAX).data(64).refused("metadata \"k\": a string");
    pair.clone().u32(9).u32(0).u64(1 << 40).data(64).refused("an array's length is 1099511627776");
    pair.clone().u32(9).u32(8).u64(100).data(64).refused("an array's length is 100");
    pair.clone().u32(13).data(64).refused("value type 13");
    pair.clone().u32(4).bytes(&[1]).refused("a value at byte");
    let deep = (0..9).fold(pair.clone(), |raw, _| raw.u32(9).bytes(&[])).u32(9);
    deep.data(64).refused("metadata \"k\":");
    Raw::new(3, 0, 1).string(b"").u32(7).data(64).refused("metadata key 0 of 1 is empty");
    Raw::new(3, 0, 1).string(b"\xFF\xFE").u32(7).data(64).refused("is not UTF-8");
    Raw::new(3, 0, 2).string(b"k").u32(7).bytes(&[1]).string(b"k").u32(7).data(64).refused("two metadata entries");
    one(3).u64(1 << 40).data(64).refused("tensor 0 of 1: a tensor's name");
    one(3).string(b"\xFF").data(64).refused("its name is not UTF-8");
}

#[test]
fn arrays_nest_only_so_deep() {
    let nested = |depth: usize| {
        let pair = Raw::new(3, 0, 1).string(b"k").u32(9);
        // Each level is an array of one array; the innermost holds one byte.
        let raw = (0..depth).fold(pair, |raw, _| raw.u32(9).u64(1)).u32(0).u64(1).bytes(&[5]);
        raw.data(64).open()
    };
    assert!(nested(7).is_ok());
    assert!(nested(8).unwrap_err().to_string().contains("nested deeper than 8"));
    assert!(nested(100_000).unwrap_err().to_string().contains("nested deeper than 8"));
}

#[test]
fn tensors_must_fit_their_type_and_the_file() {
    one(3).tensor("a", &[1; 5], 0, 0).data(64).refused("expected at most 4 dimensions, found 5");
    one(3).string(b"a").u32(u32::MAX).data(64).refused("found 4294967295");
    one(3).tensor("a", &[33], 2, 0).data(64).refused("rows of 33 values do not fill Q4_0 blocks of 32");
    one(3).tensor("a", &[16, 2], 2, 0).data(64).refused("rows of 16 values do not fill Q4_0 blocks of 32");
    one(3).tensor("a", &[1 << 40, 1 << 40], 0, 0).data(64).refused("has more values than can be counted");
    one(3).tensor("a", &[1 << 62], 28, 0).data(64).refused("has more values than can be counted");
    one(3).tensor("a", &[8], 0, 0).data(31).refused("at least 1 B are missing");
    one(3).tensor("a", &[8], 0, 64).data(64).refused("at least 32 B are missing");
    one(3).tensor("a", &[8], 0, u64::MAX - 31).data(64).refused("is out of range");
    one(3).tensor("a", &[8], 0, 7).data(64).refused("offset 7 is no multiple of the alignment 32");
    one(3).tensor("a", &[8], 31, 0).data(64).refused("type 31 (Q4_0_4_4) was removed from ggml");
    one(3).tensor("a", &[8], 99, 0).data(64).refused("found type 99");
    let two = Raw::new(3, 2, 0).tensor("a", &[16], 0, 0);
    two.clone().tensor("b", &[8], 0, 32).data(96).refused("tensors \"a\"");
    two.clone().tensor("a", &[8], 0, 64).data(96).refused("two tensors are named \"a\"");
    assert!(two.tensor("b", &[8], 0, 64).data(96).open().is_ok());
}

#[test]
fn the_alignment_is_checked() {
    let aligned = |kind: u32, value: &[u8]| Raw::new(3, 0, 1).string(b"general.alignment").u32(kind).bytes(value);
    aligned(4, &64_u32.to_le_bytes()).data(0).open().unwrap();
    aligned(4, &48_u32.to_le_bytes()).data(64).refused("expected a power of two up to 65536, found 48");
    aligned(4, &0_u32.to_le_bytes()).data(64).refused("found 0");
    aligned(4, &(1_u32 << 31).to_le_bytes()).data(64).refused("found 2147483648");
    aligned(10, &32_u64.to_le_bytes()).data(64).refused("expected UINT32, found UINT64");
}

#[test]
fn strings_that_are_not_utf8_keep_what_can_be_read() {
    let raw = Raw::new(3, 0, 1).string(b"k").u32(8).string(b"a\xFFb");
    let file = raw.open().unwrap();
    assert_eq!(file.metadata()["k"], "a\u{FFFD}b");
    assert_eq!(file.get_str("k"), None);
}
