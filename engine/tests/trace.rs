//! Looking into a pass: activations read and replaced, during generation, in batches; the lens; gradients.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use minerva_engine::backend::{BackendKind, Rows};
use minerva_engine::format::{TensorFile, dequantize, open};
use minerva_engine::generate::{GenerateOptions, SamplerOptions};
use minerva_engine::model::{BackendChoice, LoadOptions, Model, load};
use minerva_engine::tensor::{Binary, Tensor};
use minerva_engine::trace::{self, Hook, Target, Trace};
use minerva_engine::transformer::{Hooks, Point};
use minerva_engine::{Control, Error, Interrupt, Result};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

const TEXT: &str = "ROMEO:\nWhat say you to the king?";

fn options() -> LoadOptions {
    LoadOptions { backend: BackendChoice::Only(BackendKind::Candle), ..LoadOptions::default() }
}

fn sample() -> Model {
    load("sample", &options(), &Control::default()).unwrap()
}

fn references() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/reference-models")
}

/// A reference model, with a tokenizer that it does not have: words `t0`, `t1`, …
fn fixture(name: &str) -> (Model, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let from = references().join(name);
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(from.join(file), folder.path().join(file)).unwrap();
    }
    let vocab: serde_json::Map<String, serde_json::Value> = (0..64).map(|i| (format!("t{i}"), i.into())).collect();
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "WhitespaceSplit" }, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocab, "unk_token": "t0" }
    });
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let model = load(&folder.path().display().to_string(), &options(), &Control::default());
    (model.unwrap_or_else(|e| panic!("{name}: {e}")), folder)
}

fn cache(model: &Model, tokens: &[u32], patterns: &[&str]) -> Trace {
    trace::run_with_cache(model, tokens, patterns, &Control::default()).unwrap()
}

fn hooked(model: &Model, tokens: &[u32], hooks: Vec<Hook<'_>>) -> Result<Tensor> {
    trace::run_with_hooks(model, tokens, hooks, &Control::default())
}

fn scale<'a>(pattern: &str, factor: f64) -> Hook<'a> {
    Hook::new(pattern, move |_, x| x.binary_scalar(Binary::Mul, factor, &Control::default()).map(Some))
}

fn read(file: &dyn TensorFile, name: &str) -> Tensor {
    let index = file.index_of(name).unwrap();
    let info = &file.tensors()[index];
    let mut values = vec![0.0; info.elements()];
    dequantize(info.dtype, file.data(index).unwrap(), &mut values).unwrap();
    let shape: Vec<usize> = info.shape.iter().copied().skip(1).collect();
    Tensor::from_vec(values, &shape).unwrap()
}

fn off(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.max_abs_diff(b).unwrap()
}

fn sum(a: &Tensor, b: &Tensor) -> Tensor {
    a.binary(Binary::Add, b, &Control::default()).unwrap()
}

#[test]
fn a_cache_holds_what_transformers_computed() {
    let (model, _folder) = fixture("llama");
    let file = open(references().join("llama/reference.safetensors")).unwrap();
    let ids: Vec<u32> = read(&*file, "input_ids").to_vec().unwrap().iter().map(|id| *id as u32).collect();
    let trace = cache(&model, &ids, &["*"]);
    assert_eq!(trace.tokens, ids);
    assert!(off(&trace.logits, &read(&*file, "logits")) < 5e-5);
    for i in 0..3 {
        let pattern = trace.activations.get(&format!("blocks.{i}.attn.hook_pattern")).unwrap();
        assert!(off(pattern, &read(&*file, &format!("attention.{i}"))) < 5e-5);
        let stream = trace.activations.get(&format!("blocks.{i}.hook_resid_pre")).unwrap();
        assert!(off(stream, &read(&*file, &format!("hidden.{i}"))) < 5e-5);
    }
    assert!(off(trace.activations.get("ln_final.hook_normalized").unwrap(), &read(&*file, "hidden.3")) < 5e-5);
}

#[test]
fn every_hook_point_is_listed_in_order_and_has_the_shape_it_says() {
    for folder in std::fs::read_dir(references()).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        let (model, _folder) = fixture(&name);
        let tokens = [5, 9, 2, 40, 7];
        let trace = cache(&model, &tokens, &["*"]);
        let known = model.backend().hook_points().unwrap();
        assert_eq!(
            trace.activations.names().collect::<Vec<_>>(),
            known.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(),
            "{name}"
        );
        for (point, (_, tensor)) in known.iter().zip(trace.activations.iter()) {
            let shape: Vec<usize> = point.shape.iter().map(|d| d.size(tokens.len(), 0)).collect();
            assert_eq!(tensor.shape(), shape, "{name}: {}", point.name);
            assert_eq!(tensor.name(), Some(point.name.as_str()));
        }
    }
    let points = sample().backend().hook_points().unwrap();
    assert_eq!(points[0].shape_text(), format!("[pos, {}]", sample().info().hidden_size));
    let pattern = points.iter().find(|p| p.point == Point::Pattern).unwrap();
    assert_eq!(pattern.shape_text(), format!("[{}, pos, keys]", sample().info().heads));
}

#[test]
fn a_hook_that_changes_nothing_changes_no_bit() {
    let model = sample();
    let tokens = model.tokens(TEXT).unwrap();
    let plain = model.logits(&tokens, &Control::default()).unwrap().into_data();
    let none = hooked(&model, &tokens, vec![]).unwrap();
    assert_eq!(none.to_vec().unwrap(), plain);
    // Attention that shows its scores may add up in another order than attention that does not.
    let quiet = |name: &str| !name.contains("pattern") && !name.contains("scores");
    let names = model.backend().hook_points().unwrap().into_iter().map(|p| p.name).filter(|n| quiet(n));
    let hooks = names.map(|name| Hook::new(name, |_, x| Ok(Some(x.clone())))).collect();
    assert_eq!(hooked(&model, &tokens, hooks).unwrap().to_vec().unwrap(), plain);
    let all = hooked(&model, &tokens, vec![Hook::new("*", |_, x| Ok(Some(x.clone())))]).unwrap();
    let plain = Tensor::from_vec(plain, all.shape()).unwrap();
    assert!(off(&all, &plain) < 1e-4);
}

#[test]
fn what_is_replaced_goes_on() {
    let model = sample();
    let tokens = model.tokens(TEXT).unwrap();
    let last = model.info().layers - 1;
    let stream = format!("blocks.{last}.hook_resid_post");
    // A stream of zeros says what zeros say, at every position.
    let zeroed = hooked(&model, &tokens, vec![scale(&stream, 0.0)]).unwrap();
    let zeros =
        candle_core::Tensor::zeros((1, model.info().hidden_size), candle_core::DType::F32, &candle_core::Device::Cpu);
    let says = model.backend().unembed(&zeros.unwrap(), &Control::default()).unwrap();
    let all = zeroed.to_vec().unwrap();
    assert!(all.chunks(says.vocab()).all(|row| row == says.data()));
    // What the MLP adds is added twice when it is doubled; what is kept is what went on.
    let out = format!("blocks.{last}.hook_mlp_out");
    let names = [stream.as_str(), out.as_str()];
    let before = cache(&model, &tokens, &names);
    let doubled = trace::run(&model, &tokens, &names, vec![scale(&out, 2.0)], &Control::default()).unwrap();
    let expected = sum(before.activations.get(&stream).unwrap(), before.activations.get(&out).unwrap());
    assert!(off(doubled.activations.get(&stream).unwrap(), &expected) < 1e-5);
    // Hooks at one point follow each other in the order of the list.
    let both = hooked(&model, &tokens, vec![scale(&stream, 0.0), scale("blocks.*.hook_resid_post", 2.0)]).unwrap();
    assert_eq!(off(&both, &zeroed), 0.0);
    // A key of the first position that nobody attends to: its column of the pattern is zero, and only that.
    let patched = trace::run(
        &model,
        &tokens,
        &["blocks.1.attn.hook_pattern"],
        vec![Hook::new("blocks.1.attn.hook_attn_scores", |_, x| {
            let mut values = x.to_vec()?;
            let keys = x.shape()[2];
            values.iter_mut().skip(1).step_by(keys).skip(2).for_each(|v| *v = f32::NEG_INFINITY);
            Tensor::from_vec(values, x.shape()).map(Some)
        })],
        &Control::default(),
    );
    let pattern = patched.unwrap().activations.get("blocks.1.attn.hook_pattern").unwrap().clone();
    assert_eq!(pattern.slice("0, 3:, 1").unwrap().norm().unwrap(), 0.0);
    assert!(pattern.slice("0, 3:, 0").unwrap().norm().unwrap() > 0.0);
}

#[test]
fn generation_calls_hooks_in_every_pass() {
    let model = sample();
    let prompt = model.tokens(TEXT).unwrap();
    let options = GenerateOptions { max_tokens: Some(6), sampler: SamplerOptions::greedy(), ..Default::default() };
    let control = Control::default();
    let plain = model.generate_tokens(&prompt, &options, &control).unwrap().tokens;
    let seen = RefCell::new(Vec::new());
    let look = || {
        vec![Hook::new("blocks.0.{hook_resid_post,attn.hook_pattern}", |_, x| {
            seen.borrow_mut().push(x.shape().to_vec());
            Ok(None)
        })]
    };
    let watched = trace::generate(&model, &prompt, &options, look(), &control).unwrap();
    assert_eq!(watched.tokens, plain);
    let (n, heads, width) = (prompt.len(), model.info().heads, model.info().hidden_size);
    let expected = (0..6).flat_map(|i| match i {
        0 => [vec![heads, n, n], vec![n, width]],
        i => [vec![heads, 1, n + i], vec![1, width]],
    });
    assert_eq!(*seen.borrow(), expected.collect::<Vec<_>>());
    let silenced = trace::generate(&model, &prompt, &options, vec![scale("blocks.*.hook_attn_out", 0.0)], &control);
    assert_ne!(silenced.unwrap().tokens, plain);
    // What hooks changed is in no cache of later calls.
    assert_eq!(model.generate_tokens(&prompt, &options, &control).unwrap().tokens, plain);
}

#[test]
fn mistakes_are_said() {
    let model = sample();
    let tokens = model.tokens("To be").unwrap();
    let says = |patterns: &[&str]| {
        trace::run_with_cache(&model, &tokens, patterns, &Control::default()).unwrap_err().to_string()
    };
    let e = says(&["blocks.*.hook_resid_post", "blocks.*.hook_resid_pots"]);
    assert!(
        e.contains("hook point \"blocks.*.hook_resid_pots\" not found; did you mean \"blocks.0.hook_resid_post\"?"),
        "{e}"
    );
    assert!(e.contains("hooks() lists them"), "{e}");
    assert!(says(&["blocks.0.atn.hook_q"]).contains("did you mean \"blocks.0.attn.hook_q\"?"));
    assert!(says(&["blocks.{0"]).contains("expected a glob"));
    let two = cache(&model, &tokens, &["blocks.{0,1}.hook_resid_*", "blocks.[01].hook_resid_post"]);
    assert_eq!(two.activations.len(), 6);
    let e = two.activations.get("blocks.0.hook_resid_prr").unwrap_err().to_string();
    assert!(e.contains("did you mean \"blocks.0.hook_resid_pre\"?"), "{e}");
    let cut = Hook::new("blocks.1.hook_mlp_out", |_, x| x.slice("1:").map(Some));
    let e = hooked(&model, &tokens, vec![cut]).unwrap_err().to_string();
    let (n, width) = (tokens.len(), model.info().hidden_size);
    let expected = format!("shape [{n}, {width}], found shape [{}, {width}]", n - 1);
    assert!(e.contains("hook at \"blocks.1.hook_mlp_out\"") && e.contains(&expected), "{e}");
    assert!(matches!(hooked(&model, &[], vec![]), Err(Error::Argument { .. })));
    assert!(matches!(hooked(&model, &[1; 300], vec![]), Err(Error::ContextOverflow { .. })));
}

#[test]
fn after_an_error_in_a_hook_everything_is_as_it_was() {
    struct Fails(usize);
    impl Hooks for Fails {
        fn wants(&self, point: Point, _: usize) -> bool {
            matches!(point, Point::ResidPost | Point::FinalNormalized)
        }
        fn visit(&mut self, _: Point, _: usize, value: candle_core::Tensor) -> Result<candle_core::Tensor> {
            self.0 -= 1;
            if self.0 == 0 { Err(Error::Numeric("enough".into())) } else { Ok(value) }
        }
    }
    let model = sample();
    let (control, tokens) = (Control::default(), model.tokens(TEXT).unwrap());
    let (first, rest) = tokens.split_at(3);
    let mut sequence = model.backend().sequence().unwrap();
    sequence.feed(first, Rows::None, &control).unwrap();
    let mut other = sequence.fork().unwrap();
    for passes in [1, 2, model.info().layers + 1] {
        let e = sequence.feed_with(rest, Rows::Last, &mut Fails(passes), &control).unwrap_err();
        assert!(e.to_string().contains("enough"), "{e}");
        assert_eq!(sequence.tokens(), first);
    }
    let again = sequence.feed_with(rest, Rows::Last, &mut Fails(1000), &control).unwrap();
    assert_eq!(again, other.feed(rest, Rows::Last, &control).unwrap());
    assert_eq!(sequence.tokens(), tokens);
}

#[test]
fn a_hook_may_use_the_model_and_stop_the_pass_and_even_panic() {
    let model = load("sample", &LoadOptions { threads: Some(1), ..options() }, &Control::default()).unwrap();
    let tokens = model.tokens("To be").unwrap();
    let plain = model.logits(&tokens, &Control::default()).unwrap().into_data();
    let asks = Hook::new("blocks.0.hook_resid_post", |_, x| {
        let inner = hooked(&model, &tokens, vec![Hook::new("hook_embed", |_, x| Ok(Some(x.clone())))])?;
        assert_eq!(inner.to_vec()?, model.logits(&tokens, &Control::default())?.into_data());
        Ok(Some(x.clone()))
    });
    assert_eq!(hooked(&model, &tokens, vec![asks]).unwrap().to_vec().unwrap(), plain);

    let interrupt = Interrupt::default();
    let control = Control::new(interrupt.clone(), |_| {});
    let stops = Hook::new("blocks.0.hook_resid_post", |_, _| {
        interrupt.raise();
        Ok(None)
    });
    let stopped = trace::run_with_hooks(&model, &tokens, vec![stops], &control);
    assert!(matches!(stopped, Err(Error::Interrupted)));

    let panics = std::panic::AssertUnwindSafe(|| {
        hooked(&model, &tokens, vec![Hook::new("blocks.1.hook_mlp_out", |_, _| panic!("a hook's own fault"))])
    });
    assert!(std::panic::catch_unwind(panics).is_err());
    assert_eq!(hooked(&model, &tokens, vec![]).unwrap().to_vec().unwrap(), plain);
}

#[test]
fn a_batch_gives_what_each_prompt_gives_alone() {
    let model = sample();
    let control = Control::default();
    let prompts: Vec<Vec<u32>> =
        ["To be, or not to be", "ROMEO", TEXT, "I"].iter().map(|t| model.tokens(t).unwrap()).collect();
    let batch = trace::run_batch(&model, &prompts, &control).unwrap();
    for (prompt, logits) in prompts.iter().zip(&batch) {
        let alone = Tensor::from_vec(model.logits(prompt, &control).unwrap().into_data(), logits.shape()).unwrap();
        assert!(off(logits, &alone) < 1e-4);
    }
    assert!(trace::run_batch(&model, &[], &control).unwrap().is_empty());
    let e = trace::run_batch(&model, &[vec![1], vec![]], &control).unwrap_err().to_string();
    assert!(e.starts_with("text 1 of the batch: expected at least one token"), "{e}");
    assert!(trace::run_batch(&model, &[vec![1], vec![1; 300]], &control).is_err());
    assert!(trace::run_batch(&model, &[vec![1], vec![5000]], &control).is_err());
}

#[test]
fn the_lens_ends_in_what_the_model_says() {
    let model = sample();
    let (control, tokens) = (Control::default(), model.tokens(TEXT).unwrap());
    let lens = trace::logit_lens(&model, &tokens, 3, &control).unwrap();
    assert_eq!(lens.layers.len(), model.info().layers + 1);
    assert!(lens.layers.iter().all(|l| l.len() == tokens.len() && l.iter().all(|p| p.len() == 3)));
    let says = model.next(&tokens, 3, &control).unwrap();
    let last = lens.layers.last().unwrap().last().unwrap();
    for (a, b) in says.iter().zip(last) {
        assert!(a.token == b.token && (a.logprob - b.logprob).abs() < 1e-4, "{says:?} {last:?}");
    }
}

#[cfg(feature = "llama-cpp")]
#[test]
fn llama_cpp_says_who_can() {
    let options = LoadOptions { backend: BackendChoice::Only(BackendKind::LlamaCpp), ..LoadOptions::default() };
    let model = load("sample", &options, &Control::default()).unwrap();
    let tokens = model.tokens("To be").unwrap();
    let e = trace::run_with_cache(&model, &tokens, &["*"], &Control::default()).unwrap_err();
    assert!(matches!(e, Error::Unsupported { .. }) && e.to_string().contains("#{ backend: \"candle\" }"), "{e}");
    let target = Target { position: -1, token: 1, minus: None };
    assert!(trace::gradients(&model, &tokens, &["*"], target, &Control::default()).is_err());
    // A batch needs no look inside.
    let batch = trace::run_batch(&model, std::slice::from_ref(&tokens), &Control::default()).unwrap();
    assert_eq!(batch[0].to_vec().unwrap(), model.logits(&tokens, &Control::default()).unwrap().into_data());
}

/// The metric with `step · direction` added to one activation.
fn nudged(model: &Model, tokens: &[u32], name: &str, direction: &Tensor, step: f64, target: Target) -> f64 {
    let hook = Hook::new(name, |_, x| {
        let by = direction.binary_scalar(Binary::Mul, step, &Control::default())?;
        x.binary(Binary::Add, &by, &Control::default()).map(Some)
    });
    let logits = hooked(model, tokens, vec![hook]).unwrap();
    let row = logits.index(target.position).unwrap();
    let at = |row: &Tensor, token: u32| row.index(i64::from(token)).unwrap().item().unwrap();
    match target.minus {
        Some(minus) => at(&row, target.token) - at(&row, minus),
        None => at(&row.log_softmax(-1, &Control::default()).unwrap(), target.token),
    }
}

#[test]
fn gradients_are_those_of_finite_differences_in_every_architecture() {
    let mut wrong = Vec::new();
    for folder in std::fs::read_dir(references()).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        let (model, _folder) = fixture(&name);
        let tokens = [5, 9, 2, 40, 7, 31];
        let last = model.info().layers - 1;
        let patterns = ["hook_embed", "ln_final.*", "blocks.0.*", &format!("blocks.{last}.*")];
        for target in
            [Target { position: -1, token: 11, minus: None }, Target { position: 3, token: 11, minus: Some(30) }]
        {
            let found = trace::gradients(&model, &tokens, &patterns, target, &Control::default()).unwrap();
            for (seed, (point, gradient)) in found.gradients.iter().enumerate() {
                let direction = Tensor::randn(gradient.shape(), seed as u64 + 1).unwrap();
                let expected = gradient.dot(&direction).unwrap();
                let size = gradient.norm().unwrap();
                // A wide step is bent (or takes another expert), a narrow one is lost in f32: one of them must do.
                let measured: Vec<f64> = [5e-3, 5e-4, 5e-5]
                    .iter()
                    .map(|by| (by / size.max(1e-3)).min(2e-2))
                    .map(|step| {
                        let at = |step| nudged(&model, &tokens, point, &direction, step, target);
                        (at(step) - at(-step)) / (2.0 * step)
                    })
                    .collect();
                if !measured.iter().any(|m| (m - expected).abs() <= 0.03 * size + 2e-4) {
                    wrong.push(format!("{name} {point}: {expected} measured {measured:?}, size {size}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn on_what_is_linear_attribution_is_exact() {
    let model = sample();
    let control = Control::default();
    let (clean, corrupt) = (model.tokens("To be or not").unwrap(), model.tokens("To be or you").unwrap());
    assert_eq!(clean.len(), corrupt.len());
    let target = Target { position: -1, token: 20, minus: Some(300) };
    let name = "ln_final.hook_normalized";
    let gradient = trace::gradients(&model, &corrupt, &[name], target, &control).unwrap();
    let value = trace::gradients(&model, &clean, &[name], target, &control).unwrap().value;
    let at = |tokens: &[u32]| cache(&model, tokens, &[name]).activations.get(name).unwrap().clone();
    let change = at(&clean).binary(Binary::Sub, &at(&corrupt), &control).unwrap();
    let attributed = gradient.gradients.get(name).unwrap().dot(&change).unwrap();
    assert!((attributed - f64::from(value - gradient.value)).abs() < 1e-4);
    let logits = cache(&model, &clean, &["hook_embed"]).logits.index(-1).unwrap().to_vec().unwrap();
    assert!((logits[20] - logits[300] - value).abs() < 1e-5);
}
