#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! Checkpoints that torch itself wrote, against the values it saved (see `tests/reference/pytorch.py`).

use super::PyTorchFile;
use crate::format::{DType, Format, ShardedFile, TensorFile, detect, open};
use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/pytorch").join(name)
}

fn refusal(name: &str) -> String {
    let path = fixture(name);
    let text = PyTorchFile::open(&path).unwrap_err().to_string();
    assert!(text.contains(name) && text.lines().count() == 2, "{text}");
    // Opened by content, the refusal may be worded otherwise; it must be one.
    assert!(open(&path).is_err(), "{name}");
    text
}

/// Every tensor in both, of the same type, shape and bytes.
fn same(found: &dyn TensorFile, expected: &dyn TensorFile) {
    let mut names: Vec<&str> = found.tensors().iter().map(|t| t.name.as_str()).collect();
    let mut wanted: Vec<&str> = expected.tensors().iter().map(|t| t.name.as_str()).collect();
    names.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(names, wanted);
    for name in names {
        let (f, e) = (found.index_of(name).unwrap(), expected.index_of(name).unwrap());
        assert_eq!(found.tensors()[f], expected.tensors()[e]);
        assert_eq!(found.data(f).unwrap(), expected.data(e).unwrap(), "{name}");
    }
}

#[test]
fn values_are_those_that_torch_saved() {
    for name in ["dtypes", "protocol4", "views", "nested", "two"] {
        let path = fixture(&format!("{name}.pt"));
        assert_eq!(detect(&path).unwrap().format, Format::PyTorch);
        let file = open(&path).unwrap();
        assert_eq!(file.format(), "pytorch");
        same(&*file, &*open(fixture(&format!("{name}.safetensors"))).unwrap());
    }
}

#[test]
fn tensors_lie_in_the_mapping_and_share_it() {
    let file = PyTorchFile::open(fixture("views.pt")).unwrap();
    let place = |name: &str| {
        let data = file.data(file.index_of(name).unwrap()).unwrap();
        (data.as_ptr() as usize, data.len())
    };
    let (base, length) = place("base");
    assert_eq!((base + 24, 48), place("rows"), "an offset is no copy");
    assert_eq!(place("embedding"), place("head"), "tied weights are the same bytes");
    assert_eq!(place("head_transposed"), place("head_transposed_too"), "and so are equal copies");
    let transposed = place("transposed");
    assert!(transposed.0 + transposed.1 <= base || transposed.0 >= base + length, "another order is a copy");
    assert_eq!(transposed, place("transposed"), "made once");
    assert!(file.data(99).unwrap_err().to_string().contains("less than 15"));
    assert!(file.index_of("bass").unwrap_err().to_string().contains("did you mean \"base\""));
}

#[test]
fn what_stands_beside_the_tensors_is_metadata() {
    let file = PyTorchFile::open(fixture("nested.pt")).unwrap();
    let metadata: Vec<String> = file.metadata().iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap())).collect();
    let expected = ["state_dict=model", "epoch=3", "loss=0.25", "name=tiny", "best=true", "steps=1099511627776"];
    assert_eq!(metadata, expected);
    let file = PyTorchFile::open(fixture("two.pt")).unwrap();
    assert_eq!(file.metadata()["discriminator.kind"], "conv");
    assert!(!file.metadata().contains_key("state_dict"));
    assert_eq!(file.tensors()[0].dtype, DType::F32);
}

#[test]
fn what_is_not_read_says_why_and_what_to_do() {
    for (name, what, help) in [
        ("legacy.pt", "of the old kind", "torch.save(torch.load("),
        ("module.pt", "needs Python's torch.nn.modules.linear.Linear", "torch.save(model.state_dict()"),
        ("evil.pt", "needs Python's posix.system", "no program in a file is ever run"),
        ("conjugate.pt", "a conjugated or negated view", ".resolve_conj()"),
        ("nameless.pt", "found a tensor without a name", "torch.save({\"x\": tensor}"),
        ("huge.pt", "tensor \"w\": tensors that are views of others would take 4.4 TB", ".contiguous()"),
        ("script.pt", "a TorchScript archive", "state_dict()"),
        ("compressed.pt", "found it compressed", "zip -0"),
    ] {
        let text = refusal(name);
        assert!(text.contains(what) && text.contains(help), "{name}: {text}");
    }
}

#[test]
fn shards_read_as_one_file() {
    let index = fixture("sharded/pytorch_model.bin.index.json");
    assert_eq!(detect(&index).unwrap().format, Format::ShardIndex);
    let whole = ShardedFile::open_index(&index).unwrap();
    assert_eq!(whole.format(), "pytorch");
    assert_eq!(whole.metadata()["total_size"], 36);
    let names: Vec<&str> = whole.tensors().iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    // The folder alone, with and without its index.
    same(&*open(fixture("sharded")).unwrap(), &whole);
    let copy = tempfile::tempdir().unwrap();
    for name in ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"] {
        assert!(open(copy.path()).is_err());
        std::fs::copy(fixture("sharded").join(name), copy.path().join(name)).unwrap();
    }
    same(&*open(copy.path()).unwrap(), &whole);
    std::fs::remove_file(copy.path().join("pytorch_model-00001-of-00002.bin")).unwrap();
    assert!(open(copy.path()).unwrap_err().to_string().contains("expected 2 shards, found 1"));
}

#[test]
fn safetensors_are_preferred_in_a_folder_of_both() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(fixture("views.pt"), folder.path().join("pytorch_model.bin")).unwrap();
    std::fs::copy(fixture("dtypes.pt"), folder.path().join("optimizer.bin")).unwrap();
    let found = detect(folder.path()).unwrap();
    assert_eq!((found.format, found.path.as_path()), (Format::HubFolder, folder.path()));
    assert_eq!(open(folder.path()).unwrap().format(), "pytorch");
    std::fs::copy(fixture("views.safetensors"), folder.path().join("model.safetensors")).unwrap();
    assert_eq!(open(folder.path()).unwrap().format(), "safetensors");
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(fixture("legacy.pt"), folder.path().join("pytorch_model.bin")).unwrap();
    assert!(open(folder.path()).unwrap_err().to_string().contains("torch.save(torch.load("));
}

/// Room is made for as many entries as the end of a zip promises.
#[test]
fn a_zip_cannot_promise_more_entries_than_it_has_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pt");
    let whole = std::fs::read(fixture("two.pt")).unwrap();
    let end = whole.windows(4).rposition(|w| w == b"PK\x05\x06").unwrap();
    for count in [300_u16, 65_534, 65_535] {
        let mut bytes = whole.clone();
        bytes[end - 20..end].fill(0); // where the larger record of torch's zips is announced
        bytes[end + 8..end + 10].copy_from_slice(&count.to_le_bytes());
        bytes[end + 10..end + 12].copy_from_slice(&count.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        let text = PyTorchFile::open(&path).unwrap_err().to_string();
        assert!(text.contains(&format!("a zip of {count} entries cannot have 1.9 kB")), "{text}");
    }
}

/// Bytes flipped, cut, moved and set to the edges of their ranges; nothing but errors may come of it.
#[test]
fn damaged_files_are_refused_or_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.pt");
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below.max(1)
    };
    let mut opened = 0;
    for name in ["views", "dtypes", "nested", "two", "protocol4"] {
        let whole = std::fs::read(fixture(&format!("{name}.pt"))).unwrap();
        for _ in 0..200 {
            let mut bytes = whole.clone();
            for _ in 0..=next(3) {
                let at = next(bytes.len());
                let n = next(32).min(bytes.len() - at);
                match next(6) {
                    0 => bytes.truncate(at),
                    1 => drop(bytes.drain(at..at + n)),
                    2 => {
                        let to = next(bytes.len() - n);
                        bytes.copy_within(at..at + n, to);
                    }
                    3 => bytes[at..at + n].fill([0, 0xFF, 0x7F][next(3)]),
                    _ => bytes[at] ^= 1 << next(8),
                }
                if bytes.is_empty() {
                    break;
                }
            }
            std::fs::write(&path, &bytes).unwrap();
            if let Ok(file) = PyTorchFile::open(&path) {
                opened += 1;
                for (i, info) in file.tensors().iter().enumerate() {
                    assert_eq!(file.data(i).unwrap().len() as u64, info.bytes);
                    assert_eq!(file.index_of(&info.name).unwrap(), i);
                }
            }
        }
    }
    // Damage to values leaves a file readable, damage to structure does not: both must have been tried.
    assert!((50..900).contains(&opened), "{opened} of 1000 opened");
}
