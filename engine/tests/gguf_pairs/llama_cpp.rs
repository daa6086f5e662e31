//! What we wrote, read by llama.cpp and by us.
//!
//! llama.cpp computes every GELU by tanh's approximation from a table of 16-bit values, also where the model has the
//! exact one (gpt_neox, falcon, mpt): that costs an NMSE of 1e-7, and is no exception below.

use super::fixtures::{Fixture, context, exceeds, logits, nmse, ours, report};
use minerva_engine::backend::Backend;
use minerva_engine::backend::llama_cpp::{CacheType, FlashAttention, LlamaOptions, load};
use minerva_engine::format::{DType, Metadata, open};
use minerva_engine::{Control, Result};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// What llama.cpp makes of a checkpoint.
enum Theirs {
    /// It computes something else. With the configuration so edited, the checkpoint is a model that both compute alike:
    /// so nothing else differs.
    Other(fn(&mut Metadata)),
    /// It refuses the file with an error that says this.
    Refuses(&'static str),
}

use Theirs::{Other, Refuses};

/// Where llama.cpp computes something else than the checkpoint means, and than we do, or refuses the file.
#[rustfmt::skip]
const DIFFERENT: &[(&str, &str, Theirs)] = &[
    ("cohere_qk", "norms on q and k of command-r are read from 64 layers on (command-r.cpp)", Refuses("wrong number of tensors")),
    ("llama_yarn", "the ends of YaRN's ramp are always those of beta_fast 32 and beta_slow 1: the keys are read for grok and mistral3 alone (grok.cpp, mistral3.cpp)", Other(usual_ramp)),
    ("mistral", "files of architecture llama have no sliding window (llama.cpp)", Other(no_window)),
    ("olmoe", "norms on q and k have one width, so that there must be as many key heads as query heads (olmoe.cpp)", Refuses("attn_k_norm.weight")),
    ("qwen2_moe_sparse", "every block must have experts (qwen2moe.cpp)", Refuses("ffn_gate_inp.weight")),
    ("qwen2_window", "files of architecture qwen2 have no sliding window (qwen2.cpp)", Other(no_window)),
    ("smollm3", "every fourth layer has no rotary embedding, whatever the file says (smollm3.cpp)", Other(every_fourth)),
    ("starcoder2", "files of architecture starcoder2 have no sliding window (starcoder2.cpp)", Other(no_window)),
];

fn no_window(config: &mut Metadata) {
    config.insert("sliding_window".into(), json!(null));
    config.remove("layer_types");
    config.remove("use_sliding_window");
}

fn usual_ramp(config: &mut Metadata) {
    let rope = config["rope_parameters"].as_object_mut().unwrap();
    rope.insert("beta_fast".into(), json!(32.0));
    rope.insert("beta_slow".into(), json!(1.0));
}

fn every_fourth(config: &mut Metadata) {
    config.remove("no_rope_layers");
}

fn exception(fixture: &Fixture) -> Option<&'static Theirs> {
    DIFFERENT.iter().find(|(name, ..)| *name == fixture.name).map(|(.., theirs)| theirs)
}

fn theirs(path: &Path, context: usize) -> Result<Arc<dyn Backend>> {
    let options = LlamaOptions {
        context: Some(context),
        threads: Some(2),
        cache_type: CacheType::F32,
        flash_attention: FlashAttention::Off,
        ..LlamaOptions::default()
    };
    load(&*open(path).unwrap(), &options, &Control::default())
}

/// How far llama.cpp is from us.
fn distance(path: &Path, ids: &[u32]) -> Result<f64> {
    let context = context(ids.len());
    let ours = logits(&*ours(path, None, context), ids);
    Ok(nmse(&logits(&*theirs(path, context)?, ids), &ours))
}

#[test]
fn both_backends_compute_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for fixture in Fixture::writable() {
        let ids = fixture.reference().ids;
        for (dtype, limit) in [(DType::F32, 1e-5), (DType::F16, 1e-4)] {
            let label = format!("{} as {dtype}", fixture.name);
            let path = folder.path().join(format!("{}.{dtype}.gguf", fixture.name));
            let written = fixture.write(dtype, &path).unwrap_or_else(|e| panic!("{label}: {e}"));
            match (distance(&path, &ids), exception(&fixture)) {
                (Ok(error), None) if !exceeds(error, limit) => {}
                (Ok(error), None) => wrong.push(format!("{label}: NMSE {error:e}")),
                (Err(e), None) => wrong.push(format!("{label}: {e}")),
                (Err(e), Some(Refuses(says))) if e.to_string().contains(says) => {}
                (Ok(error), Some(Other(edit))) if error > limit => {
                    fixture.write_edited(dtype, &path, *edit).unwrap();
                    let error = distance(&path, &ids).unwrap();
                    if exceeds(error, limit) {
                        wrong.push(format!("{label}, edited: NMSE {error:e}"));
                    }
                }
                // An exception that is none any more is to be taken out of the table.
                (found, Some(_)) => wrong.push(format!("{label} is an exception, and gives {found:?}")),
            }
            let told = match exception(&fixture) {
                None => true,
                Some(Other(_)) => !written.differences.is_empty(),
                Some(Refuses(_)) => written.differences.iter().any(|d| d.contains("refuses the file")),
            };
            if !told {
                wrong.push(format!("{label}: nobody was told that llama.cpp differs"));
            }
        }
    }
    report(wrong);
}

/// The requirement on quantized weights: no further from the truth, which is f32 on the dequantized weights, than
/// llama.cpp is.
#[test]
fn quantized_we_are_no_further_from_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for fixture in Fixture::writable().filter(|f| exception(f).is_none()) {
        let ids = fixture.reference().ids;
        let context = context(ids.len());
        for dtype in [DType::Q8_0, DType::Q4_0] {
            let path = folder.path().join(format!("{}.{dtype}.gguf", fixture.name));
            fixture.write(dtype, &path).unwrap();
            if !open(&path).unwrap().tensors().iter().any(|t| t.dtype == dtype) {
                continue; // no rows of whole blocks
            }
            let truth = logits(&*ours(&path, Some(DType::F32), context), &ids);
            let ours = nmse(&logits(&*ours(&path, None, context), &ids), &truth);
            let theirs = nmse(&logits(&*theirs(&path, context).unwrap(), &ids), &truth);
            if exceeds(ours, theirs) {
                wrong.push(format!("{} as {dtype}: we {ours:e}, llama.cpp {theirs:e}", fixture.name));
            }
        }
    }
    report(wrong);
}
