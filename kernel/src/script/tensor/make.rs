//! Functions that make tensors.

use super::convert::{dtype, size, sizes, tensor};
use crate::script::define;
use crate::script::error::guard;
use minerva_engine::Result;
use minerva_engine::tensor::Tensor;
use rhai::{Dynamic, Engine};
use std::time::{SystemTime, UNIX_EPOCH};

pub fn register(engine: &mut Engine) {
    let doc =
        "A tensor from a number or nested arrays of numbers: whole ones make I64, fractions F32, truth values BOOL.";
    define("tensor", &["values: array", "Tensor"], doc)
        .example("tensor([[1.0, 2.0], [3.0, 4.0]]).shape // → [2, 2]")
        .register_into_engine(engine, |values: Dynamic| guard(|| tensor(&values)));
    let doc = "A tensor of a type such as \"F16\" or \"float64\" from a number or nested arrays of numbers.";
    define("tensor", &["values: array", "dtype: string", "Tensor"], doc)
        .example("tensor([1, 2], \"F16\").dtype // → \"F16\"")
        .register_into_engine(engine, |values: Dynamic, name: &str| guard(|| tensor(&values)?.cast(dtype(name)?)));

    type Fill = fn(&[usize]) -> Result<Tensor>;
    let filled: [(&str, &str, Fill); 2] = [
        ("zeros", "F32 zeros of a shape such as [2, 3].", Tensor::zeros),
        ("ones", "F32 ones of a shape.", Tensor::ones),
    ];
    for (name, doc, fill) in filled {
        define(name, &["shape: array", "Tensor"], doc)
            .example(&format!("{name}([2, 3]).shape // → [2, 3]"))
            .register_into_engine(engine, move |shape: Dynamic| guard(|| fill(&sizes(name, &shape)?)));
    }
    for (name, like) in
        [("zeros_like", Tensor::zeros_like as fn(&Tensor) -> Result<Tensor>), ("ones_like", Tensor::ones_like)]
    {
        define(name, &["t: Tensor", "Tensor"], "Of the shape and type of another tensor.")
            .example(&format!("{name}(tensor([1, 2, 3])).shape // → [3]"))
            .register_into_engine(engine, move |t: Tensor| guard(|| like(&t)));
    }
    let doc = "An F32 tensor of a shape that holds one value everywhere.";
    define("full", &["shape: array", "value: float", "Tensor"], doc)
        .example("full([2], 0.5).to_array() // → [0.5, 0.5]")
        .register_into_engine(engine, |shape: Dynamic, value: f64| {
            guard(|| Tensor::full(&sizes("full", &shape)?, value))
        });
    define("full", &["shape: array", "value: int", "Tensor"], doc)
        .register_into_engine(engine, |shape: Dynamic, value: i64| {
            guard(|| Tensor::full(&sizes("full", &shape)?, value as f64))
        });
    define("eye", &["n: int", "Tensor"], "The identity matrix in F32.")
        .example("eye(2).to_array() // → [[1.0, 0.0], [0.0, 1.0]]")
        .register_into_engine(engine, |n: i64| guard(|| Tensor::eye(size("eye", n)?)));
    ranges(engine);
    noise(engine);
}

fn ranges(engine: &mut Engine) {
    let doc = "0, 1, 2, … up to but without stop; I64 where all is whole, else F32.";
    define("arange", &["stop: float", "Tensor"], doc)
        .example("arange(3).to_array() // → [0, 1, 2]")
        .register_into_engine(engine, |stop: Dynamic| guard(|| Tensor::arange(0.0, real("arange", &stop)?, 1.0)));
    let doc = "start, start + 1, … up to but without stop; I64 where all is whole, else F32.";
    define("arange", &["start: float", "stop: float", "Tensor"], doc)
        .example("arange(1, 3).to_array() // → [1, 2]")
        .register_into_engine(engine, |start: Dynamic, stop: Dynamic| {
            guard(|| Tensor::arange(real("arange", &start)?, real("arange", &stop)?, 1.0))
        });
    let doc = "start, start + step, … up to but without stop; I64 where all is whole, else F32.";
    define("arange", &["start: float", "stop: float", "step: float", "Tensor"], doc)
        .example("arange(0, 6, 2).to_array() // → [0, 2, 4]")
        .register_into_engine(engine, |start: Dynamic, stop: Dynamic, step: Dynamic| {
            guard(|| Tensor::arange(real("arange", &start)?, real("arange", &stop)?, real("arange", &step)?))
        });
    let doc = "n F32 values from start to stop, both included, at equal distances.";
    define("linspace", &["start: float", "stop: float", "n: int", "Tensor"], doc)
        .example("linspace(0, 1, 5).to_array() // → [0.0, 0.25, 0.5, 0.75, 1.0]")
        .register_into_engine(engine, |start: Dynamic, stop: Dynamic, n: i64| {
            guard(|| Tensor::linspace(real("linspace", &start)?, real("linspace", &stop)?, size("linspace", n)?))
        });
}

fn noise(engine: &mut Engine) {
    type Noise = fn(&[usize], u64) -> Result<Tensor>;
    let table: [(&str, &str, Noise); 2] = [
        ("randn", "F32 values of the standard normal distribution", Tensor::randn),
        ("rand", "F32 values spread evenly over [0, 1)", Tensor::rand),
    ];
    for (name, what, make) in table {
        define(name, &["shape: array", "seed: int", "Tensor"], &format!("{what}; the same for the same seed."))
            .example(&format!("{name}([2, 2], 42).shape // → [2, 2]"))
            .register_into_engine(engine, move |shape: Dynamic, seed: i64| {
                guard(|| make(&sizes(name, &shape)?, seed as u64))
            });
        define(name, &["shape: array", "Tensor"], &format!("{what}, different each time; give a seed to repeat them."))
            .register_into_engine(engine, move |shape: Dynamic| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
                guard(|| make(&sizes(name, &shape)?, now))
            });
    }
}

fn real(what: &str, value: &Dynamic) -> Result<f64> {
    let number = value.as_float().or_else(|_| value.as_int().map(|v| v as f64));
    number.map_err(|found| minerva_engine::Error::argument(what, "numbers", found))
}
