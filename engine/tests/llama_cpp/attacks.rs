//! Files that are wrong: each is an error with a reason, and the process and its models live on.

use super::load_file;
use super::tiny::{TINY, set};
use minerva_engine::Control;
use minerva_engine::backend::Rows;
use minerva_engine::backend::llama_cpp::LlamaOptions;
use minerva_engine::format::gguf::{Value, ValueType};

/// Loads a changed model and, if it loads, feeds it; the error's text if there was one.
fn outcome(change: impl FnOnce(&mut Vec<(String, Value)>)) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.gguf");
    TINY.write_with(&path, change, |_, _| {});
    let run = || -> minerva_engine::Result<()> {
        let options = LlamaOptions { context: Some(256), threads: Some(2), ..Default::default() };
        let model = load_file(&path, &options)?;
        model.sequence()?.feed(&[1, 2, 3], Rows::Last, &Control::default())?;
        Ok(())
    };
    run().err().map(|e| e.to_string())
}

#[test]
fn an_assertion_in_the_loader_is_an_error() {
    let e = outcome(|m| {
        set(m, "llama.expert_count", Value::U32(2));
        set(m, "llama.expert_used_count", Value::U32(7));
    })
    .unwrap();
    assert!(e.contains("GGML_ASSERT") && e.contains("n_expert_used"), "{e}");
    // and the next load is as good as ever
    assert_eq!(outcome(|_| {}), None);
}

#[test]
fn a_refusal_carries_the_reason() {
    let e = outcome(|m| set(m, "general.architecture", Value::String("nonesuch".into()))).unwrap();
    assert!(e.contains("nonesuch"), "{e}");
    let e = outcome(|m| set(m, "llama.block_count", Value::U32(3))).unwrap();
    assert!(e.contains("blk.2") && e.contains("not found"), "{e}");
    let e = outcome(|m| set(m, "llama.embedding_length", Value::U32(32))).unwrap();
    assert!(e.contains("wrong shape") || e.contains("expected"), "{e}");
    let e = outcome(|m| m.retain(|(k, _)| k != "llama.context_length")).unwrap();
    assert!(e.contains("llama.context_length"), "{e}");
    let e = outcome(|m| set(m, "llama.attention.causal", Value::Bool(false))).unwrap();
    assert!(e.contains("encoder"), "{e}");
}

/// Every number of the header, set to every kind of nonsense: an error or a model, never a crash.
#[test]
fn nonsense_numbers_never_end_the_process() {
    let mut errors = 0;
    let mut tried = 0;
    let numbers: Vec<String> = TINY
        .metadata()
        .into_iter()
        .filter(|(_, v)| matches!(v, Value::U32(_) | Value::F32(_)))
        .map(|(k, _)| k)
        .chain(
            [
                "attention.key_length",
                "attention.value_length",
                "attention.sliding_window",
                "expert_count",
                "expert_used_count",
                "expert_group_count",
                "rope.scaling.factor",
                "rope.scaling.original_context_length",
                "rope.freq_base",
                "leading_dense_block_count",
                "nextn_predict_layers",
            ]
            .map(|k| format!("llama.{k}")),
        )
        .collect();
    let nonsense = [
        Value::U32(0),
        Value::U32(1),
        Value::U32(3),
        Value::U32(511),
        Value::U32(1 << 20),
        Value::U32(u32::MAX),
        Value::I32(-1),
        Value::U64(u64::MAX),
        Value::F32(f32::NAN),
        Value::F32(0.0),
        Value::F32(-1e30),
        Value::String("many".into()),
        Value::Bool(true),
        Value::Array { of: ValueType::U32, values: vec![] },
        Value::Array { of: ValueType::U32, values: vec![Value::U32(0), Value::U32(2)] },
        Value::Array { of: ValueType::I32, values: vec![Value::I32(-4), Value::I32(4)] },
    ];
    for key in &numbers {
        for value in &nonsense {
            tried += 1;
            // for the day it crashes: --nocapture shows the last one
            eprintln!("{key} = {value:?}");
            if let Some(e) = outcome(|m| set(m, key, value.clone())) {
                errors += 1;
                assert!(!e.trim().is_empty());
            }
        }
    }
    assert!(errors > tried / 3, "{errors} of {tried}");
    assert_eq!(outcome(|_| {}), None);
}
