//! What we wrote, read by us.

use super::fixtures::{Fixture, REFUSED, UNSAYABLE, context, exceeds, has, logits, nmse, ours, report, worst};
use minerva_engine::format::DType;

/// Of logits, f32.
const TOLERANCE: f64 = 5e-5;

#[test]
fn a_file_gives_the_logits_of_transformers() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for fixture in Fixture::writable() {
        let reference = fixture.reference();
        let path = folder.path().join(format!("{}.gguf", fixture.name));
        fixture.write(DType::F32, &path).unwrap_or_else(|e| panic!("{}: {e}", fixture.name));
        let found = logits(&*ours(&path, None, context(reference.ids.len())), &reference.ids);
        let off = worst(&found, &reference.logits);
        if exceeds(off.into(), TOLERANCE) != has(UNSAYABLE, &fixture.name) {
            wrong.push(format!("{}: logits off by {off}", fixture.name));
        }
        if let Some(short) = fixture.short_reference() {
            let found = logits(&*ours(&path, None, short.ids.len()), &short.ids);
            let off = worst(&found, &short.logits);
            if exceeds(off.into(), TOLERANCE) {
                wrong.push(format!("{} (short): logits off by {off}", fixture.name));
            }
        }
    }
    report(wrong);
}

#[test]
fn in_16_bits_it_is_nearly_as_exact() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for fixture in Fixture::writable().filter(|f| !has(UNSAYABLE, &f.name)) {
        let reference = fixture.reference();
        for (dtype, limit) in [(DType::F16, 1e-6), (DType::BF16, 1e-2)] {
            let path = folder.path().join(format!("{}.{dtype}.gguf", fixture.name));
            fixture.write(dtype, &path).unwrap();
            let found = logits(&*ours(&path, None, context(reference.ids.len())), &reference.ids);
            let error = nmse(&found, &reference.logits);
            if exceeds(error, limit) {
                wrong.push(format!("{} as {dtype}: NMSE {error:e}", fixture.name));
            }
        }
    }
    report(wrong);
}

#[test]
fn what_gguf_cannot_hold_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    for fixture in Fixture::all().into_iter().filter(|f| has(REFUSED, &f.name)) {
        let path = folder.path().join("refused.gguf");
        let error = fixture.write(DType::F32, &path).unwrap_err().to_string();
        assert!(error.contains("llama.cpp"), "{error}");
        assert!(!path.exists());
    }
}
