//! The decoder against Hugging Face transformers, for every checkpoint under `tests/fixtures/reference-models`: tiny
//! ones with random weights, whose logits, hidden states and attention patterns were computed there in f32
//! (`tests/reference/tiny.py` makes them again).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{Device, Tensor};
use minerva_engine::Control;
use minerva_engine::backend::candle::{ConfigSource, spec};
use minerva_engine::format::hub::HubFolder;
use minerva_engine::format::{TensorFile, dequantize, open};
use minerva_engine::transformer::{FileSource, Hooks, Names, Naming, Point, Storage, Tap, Transformer, Weights};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Of logits and hidden states, f32.
const TOLERANCE: f32 = 5e-5;

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/reference-models");
    let mut all: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    assert!(all.len() >= 8, "the reference models are missing");
    all
}

struct Case {
    name: String,
    model: Transformer,
    reference: HashMap<String, Tensor>,
    ids: Vec<u32>,
}

fn read(file: &dyn TensorFile, index: usize) -> Tensor {
    let info = &file.tensors()[index];
    let mut values = vec![0.0; info.elements()];
    dequantize(info.dtype, file.data(index).unwrap(), &mut values).unwrap();
    Tensor::from_vec(values, info.shape.as_slice(), &Device::Cpu).unwrap()
}

fn case(folder: &Path, reference: &str) -> Case {
    let short = reference.contains("short");
    let name = format!("{}{}", folder.file_name().unwrap().to_string_lossy(), if short { " (short)" } else { "" });
    let hub = HubFolder::open(folder).unwrap();
    let spec = spec(&*hub.weights, ConfigSource::Hub(&hub.config)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let names = Names::in_file(&spec, Naming::Hub, &*hub.weights);
    let control = Control::default();
    let mut source = FileSource::new(hub.weights.clone(), &spec, &names, Storage::default(), &Device::Cpu, &control)
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    let weights = Weights::build(&spec, &names, &mut source).unwrap();
    let file = open(folder.join(reference)).unwrap();
    let reference: HashMap<String, Tensor> =
        file.tensors().iter().enumerate().map(|(i, t)| (t.name.clone(), read(&*file, i))).collect();
    let ids = reference["input_ids"].flatten_all().unwrap().to_vec1::<f32>().unwrap();
    // A scaling that depends on the load's context is tested in the regime that the reference ran in.
    let ids: Vec<u32> = ids.into_iter().map(|id| id as u32).collect();
    let context = if short { ids.len() } else { spec.context_trained.max(ids.len() + 16) };
    let context = if spec.learned_positions { spec.context_trained } else { context };
    let model = Transformer::new(spec, weights, context, &Device::Cpu).unwrap();
    Case { name, model, reference, ids }
}

/// The largest difference; infinite where anything is not a number.
fn distance(a: &Tensor, b: &Tensor) -> f32 {
    let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (a, b) = (values(a), values(b));
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(&b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |worst, d| if d.is_nan() { f32::INFINITY } else { worst.max(d) })
}

fn ids(rows: &[Vec<u32>]) -> Tensor {
    Tensor::new(rows.to_vec(), &Device::Cpu).unwrap()
}

/// Logits of `tokens`, `[tokens, vocabulary]`, fed in chunks with a cache.
fn cached(case: &Case, chunk: usize) -> Tensor {
    let (control, mut cache) = (Control::default(), case.model.cache());
    let parts: Vec<Tensor> = case
        .ids
        .chunks(chunk)
        .map(|part| {
            let part = ids(&[part.to_vec()]);
            let hidden = case.model.hidden(&part, Some(&mut cache), &mut Tap::none(), &control).unwrap();
            case.model.logits(&hidden.squeeze(0).unwrap(), &mut Tap::none(), &control).unwrap()
        })
        .collect();
    Tensor::cat(&parts, 0).unwrap()
}

/// Collects every failure, so that one run tells all.
fn each(check: impl Fn(&Case) -> Vec<String>) {
    let references = ["reference.safetensors", "reference.short.safetensors"];
    let folders = folders();
    let pairs = folders.iter().flat_map(|f| references.map(|r| (f, r))).filter(|(f, r)| f.join(r).exists());
    let wrong: Vec<String> = pairs.flat_map(|(folder, reference)| check(&case(folder, reference))).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn logits_are_those_of_transformers_with_a_cache_without_and_in_chunks() {
    each(|case| {
        let control = Control::default();
        let all = ids(std::slice::from_ref(&case.ids));
        let hidden = case.model.hidden(&all, None, &mut Tap::none(), &control).unwrap();
        let plain = case.model.logits(&hidden, &mut Tap::none(), &control).unwrap();
        let mut runs = vec![("without a cache".to_owned(), plain)];
        // Frequencies that depend on the length so far are those of each chunk.
        let depends = case.name.contains("dynamic");
        for chunk in [case.ids.len(), 7, 1].into_iter().take(if depends { 1 } else { 3 }) {
            runs.push((format!("in chunks of {chunk}"), cached(case, chunk)));
        }
        let off = |(how, logits): &(String, Tensor)| {
            let off = distance(logits, &case.reference["logits"]);
            (off > TOLERANCE).then(|| format!("{} {how}: logits off by {off}", case.name))
        };
        runs.iter().filter_map(off).collect()
    });
}

#[test]
fn a_batch_of_prompts_of_different_lengths_gives_what_each_gives_alone() {
    each(|case| {
        let control = Control::default();
        let half = case.ids.len() / 2;
        let mut short = case.ids[..half].to_vec();
        // What fills a row up is never seen: any token will do.
        short.resize(case.ids.len(), 3);
        let both = ids(&[case.ids.clone(), short]);
        let hidden = case.model.hidden(&both, None, &mut Tap::none(), &control).unwrap();
        let logits = case.model.logits(&hidden, &mut Tap::none(), &control).unwrap();
        let reference = case.reference["logits"].squeeze(0).unwrap();
        let long = distance(&logits.get(0).unwrap(), &reference);
        let first = |t: &Tensor| t.narrow(0, 0, half).unwrap();
        let short = distance(&first(&logits.get(1).unwrap()), &first(&reference));
        let worst = long.max(short);
        if worst <= TOLERANCE { vec![] } else { vec![format!("{}: off by {worst}", case.name)] }
    });
}

#[test]
fn greedy_tokens_are_those_of_transformers() {
    each(|case| {
        let control = Control::default();
        let expected: Vec<u32> = case.reference["greedy"]
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
            .iter()
            .map(|t| *t as u32)
            .collect();
        let (mut cache, mut next, mut greedy) = (case.model.cache(), case.ids.clone(), Vec::new());
        while greedy.len() < expected.len() {
            if cache.len() + next.len() > case.model.context() {
                break;
            }
            let hidden = case.model.hidden(&ids(&[next]), Some(&mut cache), &mut Tap::none(), &control).unwrap();
            let last = hidden.narrow(1, hidden.dim(1).unwrap() - 1, 1).unwrap();
            let logits = case.model.logits(&last, &mut Tap::none(), &control).unwrap().flatten_all().unwrap();
            let token = logits.argmax(0).unwrap().to_scalar::<u32>().unwrap();
            greedy.push(token);
            next = vec![token];
        }
        if greedy == expected[..greedy.len()] {
            vec![]
        } else {
            vec![format!("{}: {greedy:?} for {expected:?}", case.name)]
        }
    });
}

/// Keeps what it is shown.
#[derive(Default)]
struct Record(HashMap<String, Tensor>);

impl Hooks for Record {
    fn wants(&self, _: Point, _: usize) -> bool {
        true
    }
    fn visit(&mut self, point: Point, layer: usize, value: Tensor) -> minerva_engine::Result<Tensor> {
        self.0.insert(point.name(layer), value.clone());
        Ok(value)
    }
}

#[test]
fn hook_points_show_every_hidden_state_and_every_pattern() {
    each(|case| {
        let (control, mut record) = (Control::default(), Record::default());
        let all = ids(std::slice::from_ref(&case.ids));
        let mut tap = Tap::new(&mut record);
        let hidden = case.model.hidden(&all, None, &mut tap, &control).unwrap();
        case.model.logits(&hidden, &mut tap, &control).unwrap();
        let layers = case.model.spec().layers.len();
        let mut wrong = Vec::new();
        for (name, expected) in &case.reference {
            let Some((kind, i)) = name.split_once('.') else { continue };
            let i: usize = i.parse().unwrap();
            let ours = match (kind, i) {
                // The last hidden state comes after the final norm.
                ("hidden", i) if i == layers => "ln_final.hook_normalized".to_owned(),
                ("hidden", i) => Point::ResidPre.name(i),
                ("attention", i) => Point::Pattern.name(i),
                _ => panic!("{name}"),
            };
            let off = distance(&record.0[&ours], expected);
            if off > TOLERANCE {
                wrong.push(format!("{}: {ours} is off by {off} from {name}", case.name));
            }
        }
        assert!(case.reference.len() > 2 * layers, "{} has no hidden states", case.name);
        wrong
    });
}

#[test]
fn older_spellings_of_configs_give_the_same_spec() {
    let mut seen = 0;
    for folder in folders() {
        let Ok(text) = std::fs::read(folder.join("config.v4.json")) else { continue };
        let old: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&text).unwrap();
        let hub = HubFolder::open(&folder).unwrap();
        let old = spec(&*hub.weights, ConfigSource::Hub(&old)).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let new = spec(&*hub.weights, ConfigSource::Hub(&hub.config)).unwrap();
        assert_eq!(old, new, "{}", folder.display());
        seen += 1;
    }
    assert!(seen >= 2);
}

#[test]
fn every_architecture_has_a_reference() {
    let tested: Vec<String> = folders()
        .iter()
        .map(|f| HubFolder::open(f).unwrap().config["model_type"].as_str().unwrap().to_owned())
        .collect();
    let aliases = ["RefinedWeb", "RefinedWebModel"];
    for name in minerva_engine::transformer::arch::supported().filter(|n| !aliases.contains(n)) {
        assert!(tested.iter().any(|t| t == name), "no reference model of {name}");
    }
}
