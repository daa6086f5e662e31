//! What a tensor is and how it shows itself: shape, type, statistics, histogram, saving.

use super::convert::{dtype, item, size, to_array};
use crate::display::tensor as show;
use crate::display::{Cell, Table};
use crate::script::error::{ScriptResult, guard, raise};
use crate::script::{Host, define};
use minerva_engine::Error;
use minerva_engine::tensor::{Histogram, Stats, Tensor, number, save_all};
use rhai::{Array, Dynamic, Engine, Map};

pub fn register(engine: &mut Engine, host: &Host) {
    engine.register_type_with_name::<Tensor>("Tensor");
    let h = host.clone();
    host.shows::<Tensor>(engine, move |t| show::bundle(t, &h.control()));
    // In text no picture is needed: these replace what `shows` registered.
    for name in ["to_string", "to_debug", "print", "debug"] {
        let h = host.clone();
        engine.register_fn(name, move |t: &mut Tensor| show::plain(t, &h.control()));
    }
    getters(engine);
    values(engine);
    statistics(engine, host);
    saving(engine, host);
}

fn getters(engine: &mut Engine) {
    let shape = |t: &mut Tensor| -> Array { t.shape().iter().map(|d| Dynamic::from(*d as i64)).collect() };
    engine.register_get("shape", shape);
    engine.register_get("dtype", |t: &mut Tensor| t.dtype().name().to_owned());
    engine.register_get("name", |t: &mut Tensor| t.name().unwrap_or_default().to_owned());
    engine.register_get("ndim", |t: &mut Tensor| t.rank() as i64);
    engine.register_get("size", |t: &mut Tensor| t.elements() as i64);
    engine.register_get("nbytes", |t: &mut Tensor| t.bytes() as i64);
    engine.register_get("device", |t: &mut Tensor| t.device());
    engine.register_get("T", |t: &mut Tensor| guard(|| t.t()));
    define("len", &["t: Tensor", "int"], "The length of the first dimension.").register_into_engine(
        engine,
        |t: Tensor| -> ScriptResult<i64> {
            let scalar = || raise(Error::argument("len", "a tensor with dimensions", "a scalar"));
            t.shape().first().map(|d| *d as i64).ok_or_else(scalar)
        },
    );
}

fn values(engine: &mut Engine) {
    define("item", &["t: Tensor", "number"], "The only value of a tensor of one element.")
        .register_into_engine(engine, |t: Tensor| guard(|| item(&t)));
    define("to_array", &["t: Tensor", "array"], "The values as nested arrays.")
        .register_into_engine(engine, |t: Tensor| guard(|| to_array(&t)));
    for name in ["to", "astype"] {
        let doc = "The same values in another type: \"F64\", \"F32\", \"F16\", \"BF16\", \"I64\", \"I32\", \"U8\", \"BOOL\" …";
        define(name, &["t: Tensor", "dtype: string", "Tensor"], doc)
            .register_into_engine(engine, |t: Tensor, name: &str| guard(|| t.cast(dtype(name)?)));
    }
}

fn statistics(engine: &mut Engine, host: &Host) {
    engine.register_type_with_name::<Stats>("Stats");
    host.shows::<Stats>(engine, |s| {
        let mut table = Table::new(["n", "min", "max", "mean", "std", "norm", "zeros", "NaN", "±Inf"]);
        let mut row = vec![Cell::number(s.n)];
        row.extend([s.min, s.max, s.mean, s.std, s.norm].map(|v| Cell::number(number(v))));
        row.extend([s.zeros, s.nan, s.pos_inf + s.neg_inf].map(Cell::number));
        table.push(row);
        table.bundle()
    });
    engine.register_get("n", |s: &mut Stats| s.n as i64);
    engine.register_get("min", |s: &mut Stats| s.min);
    engine.register_get("max", |s: &mut Stats| s.max);
    engine.register_get("mean", |s: &mut Stats| s.mean);
    engine.register_get("std", |s: &mut Stats| s.std);
    engine.register_get("norm", |s: &mut Stats| s.norm);
    engine.register_get("zeros", |s: &mut Stats| s.zeros as i64);
    engine.register_get("nan", |s: &mut Stats| s.nan as i64);
    engine.register_get("inf", |s: &mut Stats| (s.pos_inf + s.neg_inf) as i64);
    let h = host.clone();
    let doc =
        "n, min, max, mean, std, norm of the finite values (std divides by n), and how many are zero, NaN or infinite.";
    define("stats", &["t: Tensor", "Stats"], doc)
        .register_into_engine(engine, move |t: Tensor| guard(|| t.stats(&h.control())));

    let counts = |h: &mut Histogram| -> Array { h.counts.iter().map(|c| Dynamic::from(*c as i64)).collect() };
    engine.register_get("counts", counts);
    let edges = |h: &mut Histogram| -> Array { h.edges.iter().map(|e| Dynamic::from(*e)).collect() };
    engine.register_get("edges", edges);
    engine.register_get("outside", |h: &mut Histogram| h.outside as i64);
    let doc = "How the values are spread, in 20 equal bins from the smallest to the largest.";
    let h = host.clone();
    define("hist", &["t: Tensor", "Histogram"], doc)
        .register_into_engine(engine, move |t: Tensor| guard(|| t.hist(20, None, &h.control())));
    let doc = "How the values are spread, in this many equal bins from the smallest to the largest.";
    let h = host.clone();
    define("hist", &["t: Tensor", "bins: int", "Histogram"], doc)
        .register_into_engine(engine, move |t: Tensor, bins: i64| {
            guard(|| t.hist(size("hist", bins)?, None, &h.control()))
        });
    let doc = "How the values from low to high are spread, in this many equal bins.";
    let h = host.clone();
    define("hist", &["t: Tensor", "bins: int", "low: float", "high: float", "Histogram"], doc).register_into_engine(
        engine,
        move |t: Tensor, bins: i64, low: f64, high: f64| {
            guard(|| t.hist(size("hist", bins)?, Some((low, high)), &h.control()))
        },
    );
}

fn saving(engine: &mut Engine, host: &Host) {
    let doc = "Writes the tensor into a .safetensors file, under its name or as \"tensor\". Quantized values are written as F32.";
    let h = host.clone();
    define("save", &["t: Tensor", "path: string"], doc)
        .register_into_engine(engine, move |t: Tensor, path: &str| guard(|| t.save(path, &h.control())));
    let doc = "Writes a map of tensors into one .safetensors file.";
    let h = host.clone();
    define("save", &["tensors: map", "path: string"], doc).register_into_engine(engine, move |map: Map, path: &str| {
        guard(|| {
            let tensors = map
                .iter()
                .map(|(name, value)| {
                    let wrong = || Error::argument(format!("save, entry {name:?}"), "a tensor", value.type_name());
                    value.read_lock::<Tensor>().map(|t| (name.as_str(), t.clone())).ok_or_else(wrong)
                })
                .collect::<Result<Vec<_>, _>>()?;
            let list: Vec<(&str, &Tensor)> = tensors.iter().map(|(n, t)| (*n, t)).collect();
            save_all(path, &list, &h.control())
        })
    });
}
