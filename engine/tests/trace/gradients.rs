//! Derivatives of predictions by activations.

use super::*;
use minerva_engine::trace::Target;

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
