//! Trains the sample model: a byte-level BPE tokenizer and a small Llama on one text file, through the engine's own
//! transformer, on the CPU.
//!
//!     cargo run --release -p minerva-engine --example train_sample -- tinyshakespeare.txt out=DIR minutes=30
//!
//! Options are `key=value`: `out`, `steps` or `minutes` (the schedule's length), `batch`, `length` (tokens per row),
//! `lr`, `dropout`, `seed`, `every` (steps between looks at the held-out text), `from` (weights to go on from, a `best.safetensors`;
//! with `steps=0` they are only written out). Prints the curve and a sample of text, and writes
//! `curve.csv`, `model.gguf` and the hub's layout (`config.json`, `tokenizer.json`, `tokenizer_config.json`,
//! `model.safetensors`): the same numbers twice, rounded to f16 once.

mod train_sample {
    pub mod data;
    pub mod export;
    pub mod options;
    pub mod schedule;
    pub mod tokenizer;
}

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use minerva_engine::Control;
use minerva_engine::transformer::{
    Names, Naming, Norm, Rope, RopeScaling, RopeStyle, Sizes, Spec, Tap, Transformer, Variables, Weights,
};
use std::io::Write;
use std::time::Instant;
use train_sample::{data::Data, export, options::Options, schedule::Schedule, tokenizer};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Tokens a sequence of the model may hold, and the longest row it is trained on.
const CONTEXT: usize = 256;

fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    std::fs::create_dir_all(&options.out)?;
    let text = std::fs::read_to_string(&options.corpus)?;
    // The last part is held out, for the tokenizer too.
    let cut = text.len() * 95 / 100;
    let cut = (cut..text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(text.len());
    let (train, held_out) = text.split_at(cut);

    let tokenizer = tokenizer::train(train)?;
    let train = Data::new(&tokenizer, train)?;
    let held_out = Data::new(&tokenizer, held_out)?;
    println!("{} tokens to train on, {} held out", train.len(), held_out.len());

    let spec = spec(tokenizer.get_vocab_size(true))?;
    let device = Device::Cpu;
    let variables = Variables::random(&spec, options.seed, &device)?;
    if let Some(path) = &options.from {
        let saved = candle_core::safetensors::load(path, &device)?;
        for (name, var) in variables.all() {
            var.set(saved.get(name).ok_or_else(|| format!("{path:?} has no {name}"))?)?;
        }
    }
    let weights = Weights::build(&spec, &Names::of(&spec, Naming::Hub), &mut variables.clone())?;
    let model = Transformer::new(spec, weights, CONTEXT, &device)?;
    let count: usize = variables.all().iter().map(|(_, v)| v.elem_count()).sum();
    println!("{count} weights");

    // Inside candle's pool, so that the many short parallel sections of a step find its threads awake.
    if options.steps != Some(0) {
        let spec = model.spec().clone();
        let dropping = Transformer::new(spec, model.weights().clone(), CONTEXT, &device)?.with_dropout(options.dropout);
        let fit = || fit([&dropping, &model], &variables, &train, &held_out, &options).map_err(|e| e.to_string());
        device.with_context(fit)?;
    }
    export::write(&options.out, model.spec(), &variables, &tokenizer)?;
    println!("{}", sample(&model, &tokenizer, 200)?);
    Ok(())
}

/// The architecture: Llama with grouped queries and a tied output layer, about a million weights.
fn spec(vocab_size: usize) -> Result<Spec> {
    let sizes = Sizes {
        vocab: vocab_size,
        hidden: 128,
        mlp: 352,
        layers: 5,
        heads: 4,
        kv_heads: 2,
        head_dim: 32,
        context: CONTEXT,
    };
    let mut spec = Spec::plain(sizes, Norm::rms(1e-5))?;
    spec.use_rope(Rope { theta: 10_000.0, dims: 32, style: RopeStyle::HalfSplit, scaling: RopeScaling::None });
    spec.architecture = "llama".into();
    spec.name = "Minerva sample (tiny Shakespeare)".into();
    spec.tied = true;
    Ok(spec)
}

/// Trains, and leaves in `variables` the weights that did best on the held-out text.
/// The model comes twice, with dropout and without, over the same variables.
fn fit(
    [dropping, model]: [&Transformer; 2],
    variables: &Variables,
    train: &Data,
    held_out: &Data,
    options: &Options,
) -> Result<()> {
    let matrices: Vec<Var> = variables.all().iter().filter(|(_, v)| v.rank() > 1).map(|(_, v)| v.clone()).collect();
    let vectors: Vec<Var> = variables.all().iter().filter(|(_, v)| v.rank() == 1).map(|(_, v)| v.clone()).collect();
    let params = ParamsAdamW { lr: 0.0, beta1: 0.9, beta2: 0.98, eps: 1e-8, weight_decay: 0.1 };
    let mut on_matrices = AdamW::new(matrices, params.clone())?;
    let mut on_vectors = AdamW::new(vectors, ParamsAdamW { weight_decay: 0.0, ..params })?;
    let mut csv = std::fs::File::create(options.out.join("curve.csv"))?;
    writeln!(csv, "step,seconds,learning_rate,train_loss,validation_loss")?;

    let schedule = Schedule::new(options);
    let mut batches = train.batches(options.seed, options.batch, options.length);
    let (mut sum, mut steps, mut best) = (0.0, 0, f32::INFINITY);
    let start = Instant::now();
    for step in 0.. {
        let lr = schedule.rate(step, start.elapsed());
        if step % options.every == 0 || lr.is_none() {
            let validation = validate(model, held_out)?;
            let train = if steps > 0 { sum / steps as f32 } else { f32::NAN };
            (sum, steps) = (0.0, 0);
            let seconds = start.elapsed().as_secs_f32();
            println!("step {step:6}  {seconds:6.0} s  train {train:.4}  validation {validation:.4}");
            let train = if train.is_nan() { String::new() } else { format!("{train:.4}") };
            writeln!(csv, "{step},{seconds:.1},{:.6},{train},{validation:.4}", lr.unwrap_or(0.0))?;
            if validation < best {
                best = validation;
                save(variables, options)?;
            }
        }
        let Some(lr) = lr else { break };
        let (inputs, targets) = batches.next()?;
        let loss = loss(dropping, &inputs, &targets)?;
        let mut grads = loss.backward()?;
        clip(&mut grads, variables)?;
        on_matrices.set_learning_rate(lr);
        on_vectors.set_learning_rate(lr);
        on_matrices.step(&grads)?;
        on_vectors.step(&grads)?;
        sum += loss.to_scalar::<f32>()?;
        steps += 1;
    }
    let saved = candle_core::safetensors::load(options.out.join("best.safetensors"), model.device())?;
    for (name, var) in variables.all() {
        var.set(saved.get(name).ok_or("the checkpoint lacks a weight")?)?;
    }
    println!("best validation loss {best:.4}");
    Ok(())
}

/// Scales gradients down to a norm of 1 all together.
fn clip(grads: &mut GradStore, variables: &Variables) -> Result<()> {
    let mut square = 0.0;
    for (_, var) in variables.all() {
        if let Some(grad) = grads.get(var) {
            square += grad.sqr()?.sum_all()?.to_scalar::<f32>()?;
        }
    }
    let norm = square.sqrt();
    if norm > 1.0 {
        for (_, var) in variables.all() {
            if let Some(grad) = grads.remove(var) {
                grads.insert(var, (grad / f64::from(norm))?);
            }
        }
    }
    Ok(())
}

fn save(variables: &Variables, options: &Options) -> Result<()> {
    let tensors = variables.all().iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
    Ok(candle_core::safetensors::save(&tensors, options.out.join("best.safetensors"))?)
}

/// Mean cross entropy in nats per token.
fn loss(model: &Transformer, inputs: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let control = Control::default();
    let hidden = model.hidden(inputs, None, &mut Tap::none(), &control)?;
    let logits = model.logits(&hidden, &mut Tap::none(), &control)?.flatten(0, 1)?;
    Ok(candle_nn::loss::cross_entropy(&logits, &targets.flatten_all()?)?)
}

/// Loss over the same rows of held-out text each time.
fn validate(model: &Transformer, held_out: &Data) -> Result<f32> {
    let mut sum = 0.0;
    let rows = held_out.rows(CONTEXT);
    let count = rows.len();
    for (inputs, targets) in rows {
        sum += loss(model, &inputs, &targets)?.detach().to_scalar::<f32>()?;
    }
    Ok(sum / count.max(1) as f32)
}

/// Text that the model writes by itself, at temperature 0.8.
fn sample(model: &Transformer, tokenizer: &tokenizers::Tokenizer, tokens: usize) -> Result<String> {
    use rand::{RngExt, SeedableRng};
    let control = Control::default();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let mut cache = model.cache();
    let mut all = vec![tokenizer::BOS];
    for _ in 0..tokens {
        let last = all.last().copied().unwrap_or(tokenizer::BOS);
        let hidden =
            model.hidden(&Tensor::new(&[[last]], model.device())?, Some(&mut cache), &mut Tap::none(), &control)?;
        let logits = (model.logits(&hidden, &mut Tap::none(), &control)?.flatten_all()? / 0.8)?;
        let weights = candle_nn::ops::softmax(&logits, 0)?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
        let mut left: f32 = rng.random();
        let next = weights.iter().position(|w| {
            left -= w;
            left <= 0.0
        });
        all.push(next.unwrap_or(0) as u32);
    }
    tokenizer.decode(&all, true).map_err(|e| e.to_string().into())
}
