//! Hook points inside mixtures of experts.

use super::*;

const TOKENS: [u32; 5] = [5, 9, 2, 40, 7];
const NAMES: [&str; 4] = ["mixtral", "qwen2_moe", "qwen3_moe", "olmoe"];
const LOGITS: &str = "blocks.0.mlp.hook_router_logits";
const WEIGHTS: &str = "blocks.0.mlp.hook_expert_weights";
const INDICES: &str = "blocks.0.mlp.hook_expert_indices";

#[test]
fn the_router_is_seen() {
    for name in NAMES {
        let (model, _folder) = fixture(name);
        let trace = cache(&model, &TOKENS, &[LOGITS, WEIGHTS, INDICES]);
        let at = |point: &str| trace.activations.get(point).unwrap().clone();
        let (weights, indices) = (at(WEIGHTS), at(INDICES));
        assert!(off(&at(LOGITS).softmax(-1, &Control::default()).unwrap(), &weights) < 1e-6, "{name}");
        let (experts, used) = (weights.shape()[1], indices.shape()[1]);
        for (row, picks) in weights.to_vec().unwrap().chunks(experts).zip(indices.to_vec().unwrap().chunks(used)) {
            let mut order: Vec<usize> = (0..experts).collect();
            order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
            let expected: Vec<f32> = order[..used].iter().map(|e| *e as f32).collect();
            assert_eq!(picks, expected, "{name}");
        }
    }
}

#[test]
fn the_router_is_overruled() {
    for name in NAMES {
        let (model, _folder) = fixture(name);
        let plain = cache(&model, &TOKENS, &[LOGITS, INDICES]);
        let (experts, used) =
            (plain.activations.get(LOGITS).unwrap().shape()[1], plain.activations.get(INDICES).unwrap().shape()[1]);
        let run = |hook| hooked(&model, &TOKENS, vec![hook]).unwrap();
        // The same experts in another order weigh the same.
        let turned = run(Hook::new(INDICES, |_, x: &Tensor| {
            let values = x.to_vec()?.chunks(used).flat_map(|row| row.iter().rev().copied()).collect();
            Tensor::from_vec(values, x.shape()).map(Some)
        }));
        assert!(off(&turned, &plain.logits) < 1e-5, "{name}");
        // Experts forced by their numbers are those forced by logits that leave no choice, where weights are made equal.
        let wanted: Vec<usize> = (experts - used..experts).collect();
        let by_logits = run(Hook::new(LOGITS, |_, x: &Tensor| {
            let row = (0..experts).map(|e| if wanted.contains(&e) { 60.0 } else { -60.0 });
            Tensor::from_vec(row.cycle().take(x.elements()).collect(), x.shape()).map(Some)
        }));
        let equal = Hook::new(LOGITS, |_, x: &Tensor| {
            // So that each of the wanted has as much weight as there: 1 / used of all.
            let row = (0..experts).map(|e| if wanted.contains(&e) { 60.0 } else { -60.0 });
            Tensor::from_vec(row.cycle().take(x.elements()).collect(), x.shape()).map(Some)
        });
        let numbers = Hook::new(INDICES, |_, x: &Tensor| {
            let row = wanted.iter().rev().map(|e| *e as f32).collect::<Vec<_>>();
            Tensor::from_vec(row.iter().copied().cycle().take(x.elements()).collect(), x.shape()).map(Some)
        });
        let by_numbers = hooked(&model, &TOKENS, vec![equal, numbers]).unwrap();
        assert!(off(&by_logits, &by_numbers) < 1e-5, "{name}");
        assert!(off(&by_numbers, &plain.logits) > 1e-4, "{name}");
        for wrong in [experts as f32, -1.0, f32::NAN] {
            let bad = Hook::new(INDICES, move |_, x: &Tensor| {
                Tensor::from_vec(vec![wrong; x.elements()], x.shape()).map(Some)
            });
            let e = hooked(&model, &TOKENS, vec![bad]).unwrap_err().to_string();
            assert!(e.contains("numbers of experts, 0 to") && e.contains("each once per token"), "{e}");
        }
        let twice = Hook::new(INDICES, |_, x: &Tensor| Tensor::from_vec(vec![0.0; x.elements()], x.shape()).map(Some));
        assert!(used == 1 || hooked(&model, &TOKENS, vec![twice]).is_err(), "{name}");
    }
}
