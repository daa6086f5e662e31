#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! The backend against logits and greedy tokens that `transformers` computed (see `tests/fixtures/reference-models`).

use super::*;
use crate::backend::{Backend, Rows, Sequence};
use crate::control::{Control, Interrupt};
use crate::error::Error;
use crate::format::hub::HubFolder;
use crate::format::{DType, TensorFile, dequantize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(super) const MODELS: [&str; 4] = ["llama", "mistral", "qwen2", "qwen3"];

pub(super) fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/reference-models").join(name)
}

fn open(name: &str) -> HubFolder {
    HubFolder::open(folder(name)).unwrap()
}

fn load_hub(hub: &HubFolder, options: &CandleOptions) -> Arc<dyn Backend> {
    load(hub.weights.clone(), ConfigSource::Hub(&hub.config), options, &Control::default()).unwrap()
}

fn model(name: &str) -> Arc<dyn Backend> {
    load_hub(&open(name), &CandleOptions::default())
}

pub(super) fn read(file: &dyn TensorFile, name: &str) -> Vec<f32> {
    let index = file.index_of(name).unwrap();
    let info = &file.tensors()[index];
    let mut values = vec![0.0; info.elements()];
    dequantize(info.dtype, file.data(index).unwrap(), &mut values).unwrap();
    values
}

pub(super) struct Reference {
    pub(super) ids: Vec<u32>,
    pub(super) logits: Vec<f32>,
    greedy: Vec<u32>,
}

pub(super) fn reference(name: &str) -> Reference {
    let file = crate::format::open(folder(name).join("reference.safetensors")).unwrap();
    let ids = |name| read(&*file, name).iter().map(|v| *v as u32).collect();
    Reference { ids: ids("input_ids"), logits: read(&*file, "logits"), greedy: ids("greedy") }
}

pub(super) fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

pub(super) fn feed(sequence: &mut dyn Sequence, tokens: &[u32], rows: Rows) -> Vec<f32> {
    sequence.feed(tokens, rows, &Control::default()).unwrap().into_data()
}

fn argmax(row: &[f32]) -> u32 {
    let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    best.0 as u32
}

/// The same weights as `torch.save` writes them, some of them transposed, in a folder that has no safetensors.
#[test]
fn a_folder_of_pytorch_weights_computes_what_its_safetensors_compute() {
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(folder("llama").join("config.json"), copy.path().join("config.json")).unwrap();
    let weights = folder("llama").join("../../pytorch/llama.bin");
    std::fs::copy(weights, copy.path().join("pytorch_model.bin")).unwrap();
    let hub = HubFolder::open(copy.path()).unwrap();
    assert_eq!(hub.weights.format(), "pytorch");
    let logits =
        |backend: Arc<dyn Backend>| feed(&mut *backend.sequence().unwrap(), &reference("llama").ids, Rows::All);
    assert_eq!(logits(load_hub(&hub, &CandleOptions::default())), logits(model("llama")));
}

#[test]
fn logits_are_those_of_transformers_at_once_in_chunks_and_token_by_token() {
    for name in MODELS {
        let (backend, reference) = (model(name), reference(name));
        for chunk in [reference.ids.len(), 7, 3, 1] {
            let mut sequence = backend.sequence().unwrap();
            let logits: Vec<f32> =
                reference.ids.chunks(chunk).flat_map(|c| feed(&mut *sequence, c, Rows::All)).collect();
            let worst = distance(&logits, &reference.logits);
            assert!(worst <= 5e-5, "{name} in chunks of {chunk}: off by {worst}");
            assert_eq!(sequence.tokens(), reference.ids);
        }
    }
}

#[test]
fn greedy_tokens_are_those_of_transformers() {
    for name in MODELS {
        let (backend, reference) = (model(name), reference(name));
        let mut sequence = backend.sequence().unwrap();
        let mut row = feed(&mut *sequence, &reference.ids, Rows::Last);
        let mut greedy = Vec::new();
        for _ in 0..reference.greedy.len() {
            greedy.push(argmax(&row));
            row = feed(&mut *sequence, &greedy[greedy.len() - 1..], Rows::Last);
        }
        assert_eq!(greedy, reference.greedy, "{name}");
    }
}

#[test]
fn the_older_spelling_of_a_config_gives_the_same_spec() {
    let hub = open("llama");
    let old = std::fs::read(folder("llama").join("config.v4.json")).unwrap();
    let old: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&old).unwrap();
    let file = &*hub.weights;
    assert!(old.contains_key("rope_scaling") && !hub.config.contains_key("rope_scaling"));
    assert_eq!(spec(file, ConfigSource::Hub(&old)).unwrap(), spec(file, ConfigSource::Hub(&hub.config)).unwrap());
}

#[test]
fn weights_may_be_held_in_another_type() {
    let hub = open("llama");
    let reference = reference("llama");
    for (dtype, tolerance) in [(DType::F32, 5e-5), (DType::BF16, 0.05), (DType::Q8_0, 0.3)] {
        let options = CandleOptions { dtype: Some(dtype), ..CandleOptions::default() };
        let backend = load_hub(&hub, &options);
        assert_eq!(backend.info().dtype, dtype.name());
        assert!(backend.info().bytes_allocated > 100_000 && backend.info().bytes_mapped == 0);
        let logits = feed(&mut *backend.sequence().unwrap(), &reference.ids, Rows::All);
        let worst = distance(&logits, &reference.logits);
        assert!(worst <= tolerance, "{dtype}: off by {worst}");
    }
}

#[test]
fn info_counts_weights_once_and_says_where_they_are() {
    let backend = model("llama");
    let info = backend.info();
    let file = open("llama").weights;
    assert_eq!(info.parameters, file.tensors().iter().map(|t| t.elements() as u64).sum::<u64>());
    // Seven norms of 64 values become f32; everything else stays f16 in the mapping.
    assert_eq!(info.bytes_mapped, 2 * (info.parameters - 7 * 64));
    assert_eq!(info.bytes_allocated, 4 * 7 * 64);
    assert_eq!((info.vocab_size, info.layers, info.heads, info.kv_heads), (320, 3, 4, 2));
    assert_eq!((info.context, info.context_trained, info.dtype.as_str()), (512, 512, "F16"));
    assert_eq!(info.kv_bytes_per_token, 2 * 3 * 2 * 16 * 4);
}

#[test]
fn a_fork_and_its_origin_go_their_own_ways() {
    let backend = model("qwen3");
    let ids = reference("qwen3").ids;
    let fresh = |tokens: &[u32]| feed(&mut *backend.sequence().unwrap(), tokens, Rows::Last);
    let mut a = backend.sequence().unwrap();
    feed(&mut *a, &ids[..10], Rows::None);
    let mut b = a.fork().unwrap();
    assert_eq!(b.tokens(), &ids[..10]);
    let in_a = feed(&mut *a, &[5, 6, 7], Rows::Last);
    let in_b = feed(&mut *b, &[9], Rows::Last);
    assert!(distance(&in_a, &fresh(&[&ids[..10], &[5, 6, 7]].concat())) < 2e-5);
    assert!(distance(&in_b, &fresh(&[&ids[..10], &[9]].concat())) < 2e-5);
    a.truncate(4).unwrap();
    let again = feed(&mut *a, &[1, 2], Rows::Last);
    assert!(distance(&again, &fresh(&[&ids[..4], &[1, 2]].concat())) < 2e-5);
    let in_b = feed(&mut *b, &[3], Rows::Last);
    assert!(distance(&in_b, &fresh(&[&ids[..10], &[9, 3]].concat())) < 2e-5);
    assert!(a.truncate(7).unwrap_err().to_string().contains("at most the 6 tokens"));
}

#[test]
fn bad_feeds_are_refused_and_leave_the_sequence_as_it_was() {
    let hub = open("llama");
    let backend = load_hub(&hub, &CandleOptions { context: Some(12), ..CandleOptions::default() });
    let mut s = backend.sequence().unwrap();
    let control = Control::default();
    feed(&mut *s, &[1, 2, 3], Rows::None);
    let e = s.feed(&[4, 320], Rows::Last, &control).unwrap_err();
    assert!(e.to_string().contains("below the vocabulary's 320, found 320"), "{e}");
    let e = s.feed(&[4; 10], Rows::Last, &control).unwrap_err();
    assert!(matches!(e, Error::ContextOverflow { tokens: 13, context: 12 }), "{e}");
    assert!(s.feed(&[], Rows::Last, &control).is_err());
    assert_eq!(s.feed(&[], Rows::All, &control).unwrap().rows(), 0);
    let interrupt = Interrupt::default();
    interrupt.raise();
    assert!(matches!(s.feed(&[4], Rows::Last, &Control::new(interrupt, |_| {})), Err(Error::Interrupted)));
    assert_eq!(s.tokens(), &[1, 2, 3]);
    let after = feed(&mut *s, &[4; 9], Rows::Last);
    let mut fresh = backend.sequence().unwrap();
    assert!(distance(&after, &feed(&mut *fresh, &[1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4], Rows::Last)) < 2e-5);
}

/// Weights in memory, to be spoilt.
#[derive(Debug)]
struct InMemory {
    path: PathBuf,
    metadata: crate::format::Metadata,
    tensors: Vec<crate::format::TensorInfo>,
    data: Vec<Vec<u8>>,
}

impl InMemory {
    fn of(file: &dyn TensorFile) -> Self {
        Self {
            path: file.path().to_owned(),
            metadata: file.metadata().clone(),
            tensors: file.tensors().to_vec(),
            data: (0..file.tensors().len()).map(|i| file.data(i).unwrap().to_vec()).collect(),
        }
    }

    fn index(&self, name: &str) -> usize {
        self.tensors.iter().position(|t| t.name == name).unwrap()
    }
}

impl TensorFile for InMemory {
    fn path(&self) -> &std::path::Path {
        &self.path
    }
    fn format(&self) -> &'static str {
        "safetensors"
    }
    fn metadata(&self) -> &crate::format::Metadata {
        &self.metadata
    }
    fn tensors(&self) -> &[crate::format::TensorInfo] {
        &self.tensors
    }
    fn index_of(&self, name: &str) -> crate::error::Result<usize> {
        Ok(self.index(name))
    }
    fn data(&self, index: usize) -> crate::error::Result<&[u8]> {
        Ok(&self.data[index])
    }
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let hub = open("llama");
    let refused = |spoil: fn(&mut InMemory)| {
        let mut file = InMemory::of(&*hub.weights);
        spoil(&mut file);
        let options = CandleOptions::default();
        load(Arc::new(file), ConfigSource::Hub(&hub.config), &options, &Control::default()).unwrap_err().to_string()
    };
    let e = refused(|f| {
        let i = f.index("model.layers.1.mlp.up_proj.weight");
        f.tensors[i].name = "model.layers.1.mlp.upp_proj.weight".into();
    });
    assert!(e.contains("model.layers.1.mlp.up_proj.weight is missing"), "{e}");
    assert!(e.contains("model.layers.1.mlp.upp_proj.weight is not part of this architecture"), "{e}");
    let e = refused(|f| {
        let i = f.index("model.layers.2.self_attn.k_proj.weight");
        f.tensors[i].shape = vec![64, 32];
    });
    assert!(e.contains("k_proj.weight has shape [64, 32] where [32, 64] is expected"), "{e}");
    let e = refused(|f| {
        let i = f.index("model.embed_tokens.weight");
        f.tensors[i].dtype = DType::F4;
        f.data[i].truncate(320 * 64 / 2);
    });
    assert!(e.contains("F4"), "{e}");
}

#[test]
fn weights_that_are_no_numbers_are_a_numeric_error_and_the_sequence_lives_on() {
    let hub = open("llama");
    let mut file = InMemory::of(&*hub.weights);
    // Only token 7 is poisoned, so the sequence can be used on without it. The tied head sees it everywhere, though:
    // an untied copy of the embedding keeps the output layer clean.
    let embed = file.index("model.embed_tokens.weight");
    let head = crate::format::TensorInfo { name: "lm_head.weight".into(), ..file.tensors[embed].clone() };
    let clean = file.data[embed].clone();
    file.tensors.push(head);
    file.data.push(clean);
    file.data[embed][7 * 128..8 * 128].fill(0x7E);
    file.data[embed][7 * 128 + 1] = 0x7F;
    let mut config = hub.config.clone();
    config.insert("tie_word_embeddings".into(), false.into());
    let control = Control::default();
    let backend = load(Arc::new(file), ConfigSource::Hub(&config), &CandleOptions::default(), &control).unwrap();
    let mut s = backend.sequence().unwrap();
    feed(&mut *s, &[1, 2], Rows::None);
    for rows in [Rows::None, Rows::Last, Rows::All] {
        let e = s.feed(&[3, 7], rows, &control).unwrap_err();
        assert!(matches!(e, Error::Numeric(_)) && e.to_string().contains("finite"), "{e}");
        assert_eq!(s.tokens(), &[1, 2]);
    }
    let after = feed(&mut *s, &[3], Rows::Last);
    let clean = feed(&mut *model("llama").sequence().unwrap(), &[1, 2, 3], Rows::Last);
    assert!(distance(&after, &clean) < 2e-5);
}

#[test]
fn unknown_architectures_and_axes_say_who_could() {
    let hub = open("llama");
    let refused = |change: fn(&mut serde_json::Map<String, serde_json::Value>)| {
        let mut config = hub.config.clone();
        change(&mut config);
        spec(&*hub.weights, ConfigSource::Hub(&config)).unwrap_err().to_string()
    };
    let e = refused(|c| drop(c.insert("model_type".into(), "lama".into())));
    assert!(e.contains("\"lama\"") && e.contains("nearest is \"llama\"") && e.contains("does not know"), "{e}");
    let e = refused(|c| drop(c.insert("model_type".into(), "mamba".into())));
    assert!(e.contains("llama.cpp knows it: use a GGUF"), "{e}");
    let e = refused(|c| drop(c.remove("hidden_size")));
    assert!(e.contains("config.json") && e.contains("has no \"hidden_size\""), "{e}");
    let e = refused(|c| drop(c.insert("num_attention_heads".into(), "four".into())));
    assert!(e.contains("expected a whole number from 0, found \"four\""), "{e}");
    let e = refused(|c| drop(c.insert("num_key_value_heads".into(), 3.into())));
    assert!(e.contains("a multiple of the 3 key/value heads, found 4"), "{e}");
    let e = refused(|c| drop(c.insert("num_hidden_layers".into(), 1_000_000_000_000_u64.into())));
    assert!(e.contains("number of layers"), "{e}");
    let e =
        refused(|c| drop(c.insert("rope_parameters".into(), serde_json::json!({"rope_type": "spiral", "factor": 2}))));
    assert!(e.contains("\"spiral\"") && e.contains("longrope"), "{e}");
    let e = refused(|c| drop(c.insert("hidden_act".into(), "sine".into())));
    assert!(e.contains("\"sine\"") && e.contains("gelu_new"), "{e}");
}

#[test]
fn the_older_spelling_of_scaling_wins_where_both_are_there() {
    let hub = open("llama");
    let mut config = hub.config.clone();
    config.insert("rope_scaling".into(), serde_json::json!({"rope_type": "linear", "factor": 2.0}));
    let found = spec(&*hub.weights, ConfigSource::Hub(&config)).unwrap();
    assert_eq!(found.ropes[0].scaling, crate::transformer::RopeScaling::Linear { factor: 2.0 });
}

#[test]
fn a_configuration_that_asks_for_millions_of_tensors_is_refused_before_they_are_listed() {
    let hub = open("mixtral");
    let mut config = hub.config.clone();
    config.insert("num_hidden_layers".into(), 4096.into());
    config.insert("num_local_experts".into(), 4096.into());
    let (options, control) = (CandleOptions::default(), Control::default());
    let e = load(hub.weights.clone(), ConfigSource::Hub(&config), &options, &control).unwrap_err().to_string();
    assert!(e.contains("asks for at least 50"), "{e}");
}

#[test]
fn dense_matrices_are_quantized_at_load_and_what_cannot_be_is_told() {
    let hub = open("llama");
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let events = told.clone();
    let control = Control::new(Interrupt::default(), move |event| {
        if let crate::Event::Warning(text) = event {
            events.lock().unwrap().push(text);
        }
    });
    let reference = reference("llama");
    for (quantize, tolerance, warned) in [(DType::Q8_0, 0.3, 0), (DType::Q4_K, 0.3, 1)] {
        let options = CandleOptions { quantize: Some(quantize), ..CandleOptions::default() };
        let backend = load(hub.weights.clone(), ConfigSource::Hub(&hub.config), &options, &control).unwrap();
        let logits = feed(&mut *backend.sequence().unwrap(), &reference.ids, Rows::All);
        let worst = distance(&logits, &reference.logits);
        assert!(worst <= tolerance, "{quantize}: off by {worst}");
        // Rows of 64 fill no blocks of 256: all but the embedding stay as they were, and that is said once.
        assert_eq!(told.lock().unwrap().len(), warned, "{quantize}");
    }
}

#[test]
fn a_long_prompt_stops_in_the_middle() {
    // Wide enough that an unbroken chunk of prompt would take longer than that.
    let (hidden, mlp, vocab, layers) = (512, 4096, 512, 6);
    let config = serde_json::json!({
        "model_type": "llama", "hidden_size": hidden, "intermediate_size": mlp, "vocab_size": vocab,
        "num_hidden_layers": layers, "num_attention_heads": 8, "max_position_embeddings": 8192,
        "tie_word_embeddings": true, "rms_norm_eps": 1e-5
    });
    let serde_json::Value::Object(config) = config else { unreachable!() };
    let empty = InMemory { path: "random".into(), metadata: Default::default(), tensors: vec![], data: vec![] };
    let spec = crate::transformer::arch::from_hub(&crate::transformer::Config::hub(&config, "config.json".as_ref()));
    let spec = spec.unwrap();
    let names = crate::transformer::Names::of(&spec, crate::transformer::Naming::Hub);
    let expected = crate::transformer::bindings::expected(&spec, &names);
    let file = expected.iter().fold(empty, |mut file, e| {
        let elements: usize = e.shape.iter().product();
        let bytes = DType::Q8_0.bytes_for(elements).unwrap();
        // Q8_0 blocks of scale 2^-10 and varied values; norms of ones.
        let (dtype, data) = if e.shape.len() == 1 {
            (DType::F32, 1f32.to_le_bytes().repeat(elements))
        } else {
            let block = |b: usize| {
                let values = (0..32).map(move |j| ((b * 31 + j * 17) % 101) as u8);
                [0x00, 0x14].into_iter().chain(values)
            };
            (DType::Q8_0, (0..bytes as usize / 34).flat_map(block).collect())
        };
        let (name, shape, bytes) = (e.name.clone(), e.shape.clone(), data.len() as u64);
        file.tensors.push(crate::format::TensorInfo { name, dtype, shape, bytes });
        file.data.push(data);
        file
    });
    let options = CandleOptions { context: Some(8192), ..CandleOptions::default() };
    let backend = load(Arc::new(file), ConfigSource::Hub(&config), &options, &Control::default()).unwrap();
    let mut s = backend.sequence().unwrap();
    let prompt: Vec<u32> = (0..8000).map(|i| i * 7 % vocab).collect();
    let interrupt = Interrupt::default();
    let raised = interrupt.clone();
    let raiser = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        raised.raise();
    });
    let e = s.feed(&prompt, Rows::Last, &Control::new(interrupt, |_| {})).unwrap_err();
    raiser.join().unwrap();
    assert!(matches!(e, Error::Interrupted), "{e}");
    assert!(s.len() < prompt.len() && s.tokens() == &prompt[..s.len()]);
    s.feed(&[1], Rows::Last, &Control::default()).unwrap();
}
