#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! The forward pass against itself (fused and differentiable operations, cached and not, batched and not) and against
//! finite differences. Outside references are in the tests of the candle backend.

use super::*;
use crate::control::Control;
use candle_core::{Device, Tensor, Var};

/// Many axes at once: grouped queries, biases, norms on q and k, a window, partial rotation.
fn spec(style: RopeStyle, tied: bool) -> Spec {
    let sizes = Sizes { vocab: 13, hidden: 16, mlp: 24, layers: 2, heads: 4, kv_heads: 2, head_dim: 8, context: 32 };
    let mut spec = Spec::plain(sizes, Norm::rms(1e-5)).unwrap();
    spec.use_rope(Rope { theta: 100.0, dims: 6, style, scaling: RopeScaling::None });
    spec.layers[1].window = Some(3);
    (spec.qkv_bias, spec.output_bias, spec.mlp.bias, spec.tied) = (true, true, true, tied);
    spec.qk_norm = Some(QkNorm { norm: spec.norm, shape: QkNormShape::Shared });
    spec
}

fn random(spec: &Spec) -> Variables {
    let variables = Variables::random(spec, 3, &Device::Cpu).unwrap();
    // Norms and biases off their neutral values, so that a mistake with them shows; larger matrices, so that attention
    // is far from uniform.
    for (i, (_, var)) in variables.all().iter().enumerate() {
        let scale = if var.rank() == 1 { 1.0 } else { 3.0 };
        let wave: Vec<f32> = (0..var.elem_count()).map(|j| 0.3 * ((i * 7 + j * 3) as f32).sin()).collect();
        let wave = Tensor::from_vec(wave, var.shape(), &Device::Cpu).unwrap();
        var.set(&((var.as_tensor() * scale).unwrap() + wave).unwrap()).unwrap();
    }
    variables
}

fn tracked(spec: &Spec, variables: &Variables) -> Transformer {
    let names = Names::of(spec, Naming::Hub);
    let weights = Weights::build(spec, &names, &mut variables.clone()).unwrap();
    Transformer::new(spec.clone(), weights, 32, &Device::Cpu).unwrap()
}

/// The same weights as constants: takes the fused operations.
struct Constants(Variables);

impl Source for Constants {
    fn matrix(&mut self, name: &str, part: Part) -> crate::Result<Weight> {
        match self.0.matrix(name, part)? {
            Weight::Dense(t) => Ok(Weight::Dense(t.detach())),
            stored => Ok(stored),
        }
    }
    fn vector(&mut self, name: &str, start: usize, size: usize) -> crate::Result<Tensor> {
        Ok(self.0.vector(name, start, size)?.detach())
    }
    fn ones(&self, size: usize) -> crate::Result<Tensor> {
        self.0.ones(size)
    }
}

fn fused(spec: &Spec, variables: &Variables) -> Transformer {
    let names = Names::of(spec, Naming::Hub);
    let weights = Weights::build(spec, &names, &mut Constants(variables.clone())).unwrap();
    Transformer::new(spec.clone(), weights, 32, &Device::Cpu).unwrap()
}

fn logits(model: &Transformer, rows: &[[u32; 9]]) -> Tensor {
    let control = Control::default();
    let ids = Tensor::from_slice(rows.as_flattened(), (rows.len(), 9), &Device::Cpu).unwrap();
    let hidden = model.hidden(&ids, None, &mut Tap::none(), &control).unwrap();
    model.logits(&hidden, &mut Tap::none(), &control).unwrap()
}

fn distance(a: &Tensor, b: &Tensor) -> f32 {
    (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap()
}

const ROWS: [[u32; 9]; 2] = [[1, 5, 2, 12, 0, 7, 7, 3, 9], [4, 4, 8, 1, 11, 2, 6, 10, 0]];

#[test]
fn the_differentiable_operations_compute_what_the_fused_ones_do() {
    for style in [RopeStyle::HalfSplit, RopeStyle::Interleaved] {
        let spec = spec(style, false);
        let variables = random(&spec);
        let (a, b) = (logits(&tracked(&spec, &variables), &ROWS), logits(&fused(&spec, &variables), &ROWS));
        assert!(a.track_op() && !b.track_op());
        let spread = a.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(spread > 1.0, "logits are too flat to tell: {spread}");
        assert!(distance(&a, &b) < 2e-5 * spread);
    }
}

#[test]
fn rows_of_a_batch_do_not_see_each_other_and_the_cache_changes_nothing() {
    let spec = spec(RopeStyle::HalfSplit, true);
    let model = fused(&spec, &random(&spec));
    let control = Control::default();
    let both = logits(&model, &ROWS);
    for (i, row) in ROWS.iter().enumerate() {
        let alone = logits(&model, &[*row]);
        assert!(distance(&both.get(i).unwrap(), &alone.get(0).unwrap()) < 1e-4);
        let mut cache = model.cache();
        let parts: Vec<Tensor> = row
            .chunks(2)
            .map(|part| {
                let ids = Tensor::from_slice(part, (1, part.len()), &Device::Cpu).unwrap();
                let hidden = model.hidden(&ids, Some(&mut cache), &mut Tap::none(), &control).unwrap();
                model.logits(&hidden, &mut Tap::none(), &control).unwrap()
            })
            .collect();
        assert!(distance(&Tensor::cat(&parts, 1).unwrap(), &alone) < 1e-4);
        assert_eq!(cache.len(), 9);
    }
}

#[test]
fn a_query_sees_its_window_and_nothing_after_itself() {
    let mut spec = spec(RopeStyle::HalfSplit, true);
    spec.layers.iter_mut().for_each(|l| l.window = Some(2));
    let model = fused(&spec, &random(&spec));
    let base = logits(&model, &ROWS[..1]);
    let changed = |at: usize| {
        let mut row = ROWS[0];
        row[at] = (row[at] + 1) % 13;
        let other = logits(&model, &[row]);
        let moved: Vec<usize> = (0..9)
            .filter(|i| {
                let at = |t: &Tensor| t.get(0).unwrap().get(*i).unwrap();
                distance(&at(&base), &at(&other)) > 1e-5
            })
            .collect();
        moved
    };
    // Two layers with windows of two tokens reach back two positions.
    assert_eq!(changed(0), [0, 1, 2]);
    assert_eq!(changed(4), [4, 5, 6]);
    assert_eq!(changed(8), [8]);
}

#[test]
fn gradients_are_those_of_finite_differences() {
    for (style, tied) in [(RopeStyle::HalfSplit, true), (RopeStyle::Interleaved, false)] {
        let spec = spec(style, tied);
        let variables = random(&spec);
        let model = tracked(&spec, &variables);
        let targets = Tensor::new(&[5u32, 2, 12, 0, 7, 7, 3, 9, 1, 4, 8, 1, 11, 2, 6, 10, 0, 2], &Device::Cpu).unwrap();
        let loss = || {
            let logits = logits(&model, &ROWS).flatten(0, 1).unwrap();
            candle_nn::loss::cross_entropy(&logits, &targets).unwrap()
        };
        let grads = loss().backward().unwrap();
        let value = || f64::from(loss().to_scalar::<f32>().unwrap());
        for (name, var) in variables.all() {
            let grad = grads.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
            let norm = f64::from(grad.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap()).sqrt();
            // A bias on k moves all scores of a query alike, and softmax takes that out: without norms on k it would
            // have no gradient; with them it has.
            assert!(norm > 1e-5, "{name}: a gradient of {norm}");
            // Along the gradient the loss rises by its norm; along another direction by the inner product.
            let along = (grad / norm).unwrap();
            let across = wave(var);
            let product = (grad * &across).unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
            for (direction, expected) in [(along, norm), (across, f64::from(product))] {
                let start = var.as_tensor().copy().unwrap();
                let at = |step: f64| {
                    var.set(&(&start + (&direction * step).unwrap()).unwrap()).unwrap();
                    value()
                };
                let h = 4e-3;
                // Fourth order, as f32 leaves no room for small steps.
                let slope = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                var.set(&start).unwrap();
                let error = (slope - expected).abs();
                assert!(error < 0.01 * expected.abs() + 3e-4, "{name}: slope {slope}, gradient {expected}");
            }
        }
    }
}

fn wave(var: &Var) -> Tensor {
    let n = var.elem_count();
    let values: Vec<f32> = (0..n).map(|i| (i as f32 * 1.7 + 0.3).cos() / (n as f32).sqrt()).collect();
    Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap()
}

#[test]
fn dropout_is_off_unless_asked_for() {
    let spec = spec(RopeStyle::HalfSplit, true);
    let model = fused(&spec, &random(&spec));
    assert_eq!(distance(&logits(&model, &ROWS), &logits(&model, &ROWS)), 0.0);
    let model = model.with_dropout(0.5);
    assert!(distance(&logits(&model, &ROWS), &logits(&model, &ROWS)) > 0.1);
}

#[test]
fn llama3_scaling_keeps_high_frequencies_and_divides_low_ones() {
    let scaling = RopeScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 8192.0 };
    let rope = |scaling| Rope { theta: 500_000.0, dims: 128, style: RopeStyle::HalfSplit, scaling };
    let (plain, scaled) = (frequencies(&rope(RopeScaling::None), 1, 1), frequencies(&rope(scaling), 1, 1));
    assert_eq!(scaled[0], plain[0]);
    assert_eq!(scaled[63], plain[63] / 8.0);
    let ratios: Vec<f32> = plain.iter().zip(&scaled).map(|(p, s)| p / s).collect();
    assert!(ratios.windows(2).all(|w| w[0] <= w[1] * 1.0001));
    let factors = RopeScaling::Factors(ratios);
    let table = frequencies(&rope(factors), 1, 1);
    assert!(table.iter().zip(&scaled).all(|(a, b)| (a / b - 1.0).abs() < 1e-6));
}
