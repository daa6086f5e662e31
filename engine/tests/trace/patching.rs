//! Activation patching, against runs with hooks.

use super::*;
use minerva_engine::trace::{PatchBy, PatchOptions, Patching, patch};

const CLEAN: [u32; 7] = [5, 9, 2, 40, 7, 31, 12];
const CORRUPT: [u32; 7] = [5, 9, 3, 40, 8, 31, 12];

fn run(model: &Model, point: &str, options: PatchOptions) -> Patching {
    patch(model, &CLEAN, &CORRUPT, point, options, &Control::default()).unwrap_or_else(|e| panic!("{point}: {e}"))
}

fn plain(by: Option<PatchBy>) -> PatchOptions {
    PatchOptions { answer: Some(11), wrong: Some(30), by, normalize: false, ..PatchOptions::default() }
}

/// The metric of the corrupt prompt where `change` makes an activation of its own and the clean one.
fn by_hook(model: &Model, name: &str, change: impl Fn(&Tensor, &Tensor) -> Tensor) -> f64 {
    let clean = cache(model, &CLEAN, &[name]).activations.get(name).unwrap().clone();
    let logits = hooked(model, &CORRUPT, vec![Hook::new(name, |_, x| Ok(Some(change(x, &clean))))]).unwrap();
    let at = |token: i64| logits.index(-1).unwrap().index(token).unwrap().item().unwrap();
    at(11) - at(30)
}

/// `x` with what has index `at` in dimension `axis` taken from `clean`.
fn replaced(x: &Tensor, clean: &Tensor, axis: usize, at: usize) -> Tensor {
    let shape = x.shape().to_vec();
    let inner: usize = shape[axis + 1..].iter().product();
    let (mut values, clean) = (x.to_vec().unwrap(), clean.to_vec().unwrap());
    for (i, value) in values.iter_mut().enumerate() {
        if i / inner % shape[axis] == at {
            *value = clean[i];
        }
    }
    Tensor::from_vec(values, &shape).unwrap()
}

#[test]
fn a_score_is_that_of_the_run_with_the_patch() {
    for name in ["llama", "gemma2", "stablelm_parallel", "mixtral", "gpt2", "mpt"] {
        let (model, _folder) = fixture(name);
        for (point, by, axis) in [
            ("resid_pre", PatchBy::Position, 0),
            ("attn_out", PatchBy::Position, 0),
            ("mlp_out", PatchBy::Position, 0),
            ("z", PatchBy::Head, 1),
            ("z", PatchBy::Position, 0),
            ("attn.hook_v", PatchBy::Head, 1),
            ("pattern", PatchBy::Head, 0),
            ("pattern", PatchBy::Position, 1),
        ] {
            let found = run(&model, point, plain(Some(by)));
            let columns = found.scores.shape()[1];
            assert_eq!(found.layers.len(), found.scores.shape()[0]);
            for (row, layer) in found.layers.iter().enumerate() {
                for column in 0..columns {
                    let full = format!("blocks.{layer}.{}", found.point);
                    let expected = by_hook(&model, &full, |x, clean| replaced(x, clean, axis, column));
                    let score = found.scores.slice(&format!("{row}, {column}")).unwrap().item().unwrap();
                    assert!((score - expected).abs() < 1e-4, "{name} {full} {column}: {score} and not {expected}");
                }
            }
        }
    }
}

#[test]
fn scores_go_from_corrupt_to_clean() {
    let model = sample();
    let tokens = |text: &str| model.tokens(text).unwrap();
    let (clean, corrupt) = (tokens("To be or not"), tokens("To be or you"));
    assert_eq!(clean.len(), corrupt.len());
    let all = |point: &str, options| patch(&model, &clean, &corrupt, point, options, &Control::default()).unwrap();
    let found = all("resid_pre", PatchOptions::default());
    let n = clean.len();
    assert_eq!(found.scores.shape(), [model.info().layers, n]);
    assert_eq!(found.answer, model.next(&clean, 1, &Control::default()).unwrap()[0].token);
    let at = |found: &Patching, row: i64, column: i64| {
        found.scores.index(row).unwrap().index(column).unwrap().item().unwrap()
    };
    // The prompts differ in their last token: its stream is all there is.
    for layer in 0..model.info().layers as i64 {
        assert!((at(&found, layer, -1) - 1.0).abs() < 1e-3);
        assert_eq!(at(&found, layer, 0), 0.0);
    }
    // A prediction before the difference is the same.
    let early = PatchOptions { position: 1, ..PatchOptions::default() };
    let e = patch(&model, &clean, &corrupt, "resid_pre", early, &Control::default()).unwrap_err().to_string();
    assert!(e.contains("prompts that differ up to position 1"), "{e}");
    // After the position that counts nothing is changed.
    let (a, b) = (tokens("To be or not so"), tokens("To be or you so"));
    let options = PatchOptions { position: -2, ..PatchOptions::default() };
    let found = patch(&model, &a, &b, "resid_post", options, &Control::default()).unwrap();
    assert_eq!(at(&found, 0, -1), 0.0);
    assert!((at(&found, -1, -2) - 1.0).abs() < 1e-3);
}

#[test]
fn mistakes_are_said() {
    let model = sample();
    let (clean, corrupt) = (model.tokens("To be or not").unwrap(), model.tokens("To be or you").unwrap());
    let says = |clean: &[u32], corrupt: &[u32], point: &str, options| {
        patch(&model, clean, corrupt, point, options, &Control::default()).unwrap_err().to_string()
    };
    let d = PatchOptions::default();
    let e = says(&clean, &corrupt[1..], "resid_pre", d);
    let n = clean.len();
    assert!(e.contains("two prompts of the same number of tokens"), "{e}");
    assert!(
        e.contains(&format!("{n} (clean) and {} (corrupt)", n - 1)) && e.contains("clean: \"<|endoftext|>\""),
        "{e}"
    );
    let e = says(&clean, &corrupt, "resid_pst", d);
    assert!(e.contains("did you mean \"resid_post\"?") && e.contains("attn.z"), "{e}");
    let e = says(&clean, &corrupt, "resid_pre", PatchOptions { by: Some(PatchBy::Head), ..d });
    assert!(e.contains("this point has no heads"), "{e}");
    let e = says(&clean, &clean, "resid_pre", d);
    assert!(e.contains("expected two prompts that differ, found the same tokens"), "{e}");
    let e = says(&[], &[], "resid_pre", d);
    assert!(e.contains("the clean prompt: expected at least one token, found none"), "{e}");
    let e = says(&clean, &corrupt, "resid_pre", PatchOptions { answer: Some(999_999), ..d });
    assert!(e.contains("an id below the vocabulary's"), "{e}");
    assert!(says(&clean, &corrupt, "resid_pre", PatchOptions { position: 99, ..d }).contains("found 99"));
    let same = PatchOptions { answer: Some(7), wrong: Some(7), ..d };
    assert!(says(&clean, &corrupt, "resid_pre", same).contains("normalize: false"));
}
