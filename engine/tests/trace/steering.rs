//! Steered handles, against runs with hooks.

use super::*;
use minerva_engine::generate::{GenerateOptions, SamplerOptions};
use minerva_engine::trace::{Target, steer};

const TOKENS: [u32; 6] = [5, 9, 2, 40, 7, 31];

fn plus<'a>(pattern: &str, vector: &'a Tensor, factor: f64) -> Hook<'a> {
    Hook::new(pattern, move |_, x| {
        let by = vector.binary_scalar(Binary::Mul, factor, &Control::default())?;
        x.binary(Binary::Add, &by, &Control::default()).map(Some)
    })
}

fn logits(model: &Model, tokens: &[u32]) -> Tensor {
    hooked(model, tokens, vec![]).unwrap()
}

#[test]
fn a_steered_handle_does_what_a_hook_does_in_every_call() {
    for (name, point) in [
        ("llama", "blocks.1.hook_resid_post"),
        ("gemma2", "blocks.*.hook_attn_out"),
        ("gpt2", "hook_embed"),
        ("mixtral", "blocks.0.attn.hook_z"),
        ("olmo2", "ln_final.hook_normalized"),
        ("qwen2", "blocks.0.mlp.hook_post"),
    ] {
        let (model, _folder) = fixture(name);
        let before = logits(&model, &TOKENS);
        let one = cache(&model, &TOKENS, &[point]).activations.iter().next().unwrap().1.index(0).unwrap();
        let vector = Tensor::randn(one.shape(), 3).unwrap();
        let steered = steer(&model, point, &vector, 0.7).unwrap();
        let expected = hooked(&model, &TOKENS, vec![plus(point, &vector, 0.7)]).unwrap();
        assert!(off(&expected, &before) > 1e-3, "{name}");
        let control = Control::default();
        // Looked into, plain, in a batch, token by token.
        assert!(off(&logits(&steered, &TOKENS), &expected) < 5e-5, "{name}");
        let plain = steered.logits(&TOKENS, &control).unwrap();
        assert!(off(&Tensor::from_vec(plain.into_data(), expected.shape()).unwrap(), &expected) < 1e-4, "{name}");
        let batch = trace::run_batch(&steered, &[vec![3], TOKENS.to_vec()], &control).unwrap();
        assert!(off(&batch[1], &expected) < 1e-4, "{name}");
        let mut session = steered.session().unwrap();
        TOKENS.iter().for_each(|t| session.feed_tokens(&[*t], &control).unwrap());
        let last = session.logits(&control).unwrap().to_vec();
        assert!(off(&Tensor::from_vec(last, &[expected.shape()[1]]).unwrap(), &expected.index(-1).unwrap()) < 1e-4);
        // The original is as it was.
        assert_eq!(off(&logits(&model, &TOKENS), &before), 0.0);
    }
}

#[test]
fn steering_adds_up_and_generates() {
    let model = sample();
    let (control, tokens) = (Control::default(), model.tokens(TEXT).unwrap());
    let point = "blocks.1.hook_resid_post";
    let vector = Tensor::randn(&[model.info().hidden_size], 5).unwrap();
    let back = steer(&steer(&model, point, &vector, 2.0).unwrap(), point, &vector, -2.0).unwrap();
    assert!(off(&logits(&back, &tokens), &logits(&model, &tokens)) < 1e-4);
    assert_eq!(back.steers().len(), 2);
    assert_eq!(model.steers().len(), 0);

    let two = steer(&steer(&model, point, &vector, 3.0).unwrap(), "blocks.0.hook_mlp_out", &vector, 1.0).unwrap();
    let text = two.steers()[0].to_string();
    assert!(text.starts_with("3 × v (norm ") && text.ends_with("at blocks.1.hook_resid_post"), "{text}");
    let options = GenerateOptions { max_tokens: Some(8), sampler: SamplerOptions::greedy(), ..Default::default() };
    let hooks = || vec![plus(point, &vector, 3.0), plus("blocks.0.hook_mlp_out", &vector, 1.0)];
    let expected = trace::generate(&model, &tokens, &options, hooks(), &control).unwrap().tokens;
    assert_eq!(two.generate_tokens(&tokens, &options, &control).unwrap().tokens, expected);
    let plain = model.generate_tokens(&tokens, &options, &control).unwrap().tokens;
    assert_ne!(expected, plain);

    // The lens ends in what the steered model says, and hooks see what is added.
    let lens = trace::logit_lens(&two, &tokens, 1, &control).unwrap();
    let says = two.next(&tokens, 1, &control).unwrap()[0].token;
    assert_eq!(lens.layers.last().unwrap().last().unwrap()[0].token, says);
    let by = |m: &Model| cache(m, &tokens, &[point]).activations.get(point).unwrap().clone();
    let only = steer(&model, point, &vector, 3.0).unwrap();
    let added = by(&only).binary(Binary::Sub, &by(&model), &control).unwrap();
    let expected = vector.binary_scalar(Binary::Mul, 3.0, &control).unwrap();
    assert!(off(&added.index(2).unwrap(), &expected) < 1e-4);

    // Gradients are those of the steered model.
    let target = Target { position: -1, token: 20, minus: Some(30) };
    let value = trace::gradients(&two, &tokens, &["hook_embed"], target, &control).unwrap().value;
    let row = logits(&two, &tokens).index(-1).unwrap().to_vec().unwrap();
    assert!((value - (row[20] - row[30])).abs() < 1e-3);
}

#[test]
fn mistakes_are_said() {
    let model = sample();
    let width = model.info().hidden_size;
    let vector = Tensor::randn(&[width], 5).unwrap();
    let says = |point: &str, v: &Tensor, k: f64| steer(&model, point, v, k).unwrap_err().to_string();
    let e = says("blocks.0.hook_resid_post", &Tensor::randn(&[width + 1], 1).unwrap(), 1.0);
    assert!(e.contains(&format!("shape [{width}]")) && e.contains(&format!("shape [{}]", width + 1)), "{e}");
    assert!(says("blocks.0.attn.hook_pattern", &vector, 1.0).contains("a row of values per token"));
    assert!(says("blocks.0.hook_resid_pst", &vector, 1.0).contains("did you mean \"blocks.0.hook_resid_post\"?"));
    assert!(says("hook_embed", &vector, f64::NAN).contains("a finite factor"));
    assert!(says("hook_embed", &Tensor::from_vec(vec![f32::NAN; width], &[width]).unwrap(), 1.0).contains("finite"));
    steer(&model, "hook_embed", &vector.reshape(&[1, width as i64]).unwrap(), 1.0).unwrap();
}

#[cfg(feature = "llama-cpp")]
#[test]
fn llama_cpp_says_who_can() {
    let options = LoadOptions { backend: BackendChoice::Only(BackendKind::LlamaCpp), ..LoadOptions::default() };
    let model = load("sample", &options, &Control::default()).unwrap();
    let vector = Tensor::randn(&[model.info().hidden_size], 5).unwrap();
    let e = steer(&model, "hook_embed", &vector, 1.0).unwrap_err().to_string();
    assert!(e.contains("load the model with #{ backend: \"candle\" }"), "{e}");
    let e = trace::patch(&model, &[1], &[2], "resid_pre", trace::PatchOptions::default(), &Control::default());
    assert!(e.unwrap_err().to_string().contains("#{ backend: \"candle\" }"));
}
