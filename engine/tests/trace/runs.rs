//! Activations read and replaced, during generation, in batches; the lens.

use super::*;
use minerva_engine::backend::Rows;
use minerva_engine::generate::{GenerateOptions, SamplerOptions};
use minerva_engine::model::{LoadOptions, load};
use minerva_engine::trace::{self, Hook};
use minerva_engine::transformer::{Hooks, Point};
use minerva_engine::{Control, Error, Interrupt, Result};
use std::cell::RefCell;

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
    let e = says(&["attn_pattern"]);
    assert!(e.contains("the most alike") && e.contains("\"blocks.*.attn.hook_pattern\""), "{e}");
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
    use minerva_engine::backend::BackendKind;
    use minerva_engine::model::BackendChoice;
    use minerva_engine::trace::Target;
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
