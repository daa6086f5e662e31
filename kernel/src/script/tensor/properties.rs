//! What a tensor is and how it shows itself: shape, type, statistics, histogram, saving.

use super::convert::{dtype, item, size, to_array};
use crate::display::tensor as show;
use crate::display::{Cell, Table};
use crate::script::error::{ScriptResult, guard, raise};
use crate::script::{Host, define, define_type, property};
use minerva_engine::Error;
use minerva_engine::tensor::{Histogram, Stats, Tensor, number, save_all};
use rhai::{Array, Dynamic, Engine, Map};

pub fn register(engine: &mut Engine, host: &Host) {
    let doc = "Numbers in a shape, in memory or still in their file. Operators work value by value with NumPy's broadcasting: + - * / % ** == != < <= > >= & | !. t[0] and t[-1] take an entry of the first dimension, t[\"0:3, :, -1\"] and t[2..5] slices, t[[0, 2]] a list, t[mask] what a BOOL tensor marks; for goes through the first dimension.";
    let example = "let t = tensor([[1, 2, 3], [4, 5, 6]]);\nt[\"1, 0:2\"].to_array() // → [4, 5]\n(t * 2).sum() // → 42\nt[t > 2].to_array() // → [3, 4, 5, 6]\nfor row in t { print(row.sum()); }";
    define_type::<Tensor>(engine, "Tensor", doc, example);
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
    property("shape", &["t: Tensor", "array"], "The length of each dimension.").register_into_engine(engine, shape);
    property("dtype", &["t: Tensor", "string"], "How values are stored: \"F32\", \"F16\", \"Q4_0\" …")
        .register_into_engine(engine, |t: &mut Tensor| t.dtype().name().to_owned());
    property("name", &["t: Tensor", "string"], "Its name in its file; empty where it has none.")
        .register_into_engine(engine, |t: &mut Tensor| t.name().unwrap_or_default().to_owned());
    property("ndim", &["t: Tensor", "int"], "How many dimensions it has.")
        .register_into_engine(engine, |t: &mut Tensor| t.rank() as i64);
    property("size", &["t: Tensor", "int"], "How many values it has.")
        .register_into_engine(engine, |t: &mut Tensor| t.elements() as i64);
    property("nbytes", &["t: Tensor", "int"], "Bytes its values take.")
        .register_into_engine(engine, |t: &mut Tensor| t.bytes() as i64);
    property("device", &["t: Tensor", "string"], "Where it lies: \"cpu\", \"cuda:0\", or the file.")
        .register_into_engine(engine, |t: &mut Tensor| t.device());
    property("T", &["t: Tensor", "Tensor"], "With the dimensions in reverse order.")
        .register_into_engine(engine, |t: &mut Tensor| guard(|| t.t()));
    define("len", &["t: Tensor", "int"], "The length of the first dimension.")
        .example("tensor([[1, 2], [3, 4], [5, 6]]).len() // → 3")
        .register_into_engine(engine, |t: Tensor| -> ScriptResult<i64> {
            let scalar = || raise(Error::argument("len", "a tensor with dimensions", "a scalar"));
            t.shape().first().map(|d| *d as i64).ok_or_else(scalar)
        });
}

fn values(engine: &mut Engine) {
    define("item", &["t: Tensor", "number"], "The only value of a tensor of one element.")
        .example("tensor([5]).item() // → 5")
        .register_into_engine(engine, |t: Tensor| guard(|| item(&t)));
    define("to_array", &["t: Tensor", "array"], "The values as nested arrays.")
        .example("ones([2, 2]).to_array() // → [[1.0, 1.0], [1.0, 1.0]]")
        .register_into_engine(engine, |t: Tensor| guard(|| to_array(&t)));
    for name in ["to", "astype"] {
        let doc = "The same values in another type: \"F64\", \"F32\", \"F16\", \"BF16\", \"I64\", \"I32\", \"U8\", \"BOOL\" …";
        define(name, &["t: Tensor", "dtype: string", "Tensor"], doc)
            .example(&format!("tensor([1, 2]).{name}(\"F16\").dtype // → \"F16\""))
            .register_into_engine(engine, |t: Tensor, name: &str| guard(|| t.cast(dtype(name)?)));
    }
}

fn statistics(engine: &mut Engine, host: &Host) {
    define_type::<Stats>(
        engine,
        "Stats",
        "What t.stats() found.",
        "let s = tensor([1.0, 2.0, 3.0]).stats();\ns.mean // → 2.0",
    );
    host.shows::<Stats>(engine, |s| {
        let mut table = Table::new(["n", "min", "max", "mean", "std", "norm", "zeros", "NaN", "±Inf"]);
        let mut row = vec![Cell::number(s.n)];
        row.extend([s.min, s.max, s.mean, s.std, s.norm].map(|v| Cell::number(number(v))));
        row.extend([s.zeros, s.nan, s.pos_inf + s.neg_inf].map(Cell::number));
        table.push(row);
        table.bundle()
    });
    property("n", &["s: Stats", "int"], "How many values.").register_into_engine(engine, |s: &mut Stats| s.n as i64);
    property("min", &["s: Stats", "float"], "The smallest finite value.")
        .register_into_engine(engine, |s: &mut Stats| s.min);
    property("max", &["s: Stats", "float"], "The largest finite value.")
        .register_into_engine(engine, |s: &mut Stats| s.max);
    property("mean", &["s: Stats", "float"], "The mean of the finite values.")
        .register_into_engine(engine, |s: &mut Stats| s.mean);
    property("std", &["s: Stats", "float"], "Their standard deviation, which divides by n.")
        .register_into_engine(engine, |s: &mut Stats| s.std);
    property("norm", &["s: Stats", "float"], "Their Euclidean norm.")
        .register_into_engine(engine, |s: &mut Stats| s.norm);
    property("zeros", &["s: Stats", "int"], "How many are zero.")
        .register_into_engine(engine, |s: &mut Stats| s.zeros as i64);
    property("nan", &["s: Stats", "int"], "How many are NaN.")
        .register_into_engine(engine, |s: &mut Stats| s.nan as i64);
    property("inf", &["s: Stats", "int"], "How many are infinite.")
        .register_into_engine(engine, |s: &mut Stats| (s.pos_inf + s.neg_inf) as i64);
    let h = host.clone();
    let doc =
        "n, min, max, mean, std, norm of the finite values (std divides by n), and how many are zero, NaN or infinite.";
    define("stats", &["t: Tensor", "Stats"], doc)
        .example("tensor([0.0, 3.0, 4.0]).stats().norm // → 5.0")
        .register_into_engine(engine, move |t: Tensor| guard(|| t.stats(&h.control())));

    let example = "let h = rand([100], 1).hist(4);\nh.counts.len() // → 4\nh.edges.len() // → 5";
    define_type::<Histogram>(engine, "Histogram", "How the values of a tensor are spread.", example);
    let counts = |h: &mut Histogram| -> Array { h.counts.iter().map(|c| Dynamic::from(*c as i64)).collect() };
    property("counts", &["h: Histogram", "array"], "How many values are in each bin.")
        .register_into_engine(engine, counts);
    let edges = |h: &mut Histogram| -> Array { h.edges.iter().map(|e| Dynamic::from(*e)).collect() };
    property("edges", &["h: Histogram", "array"], "Where the bins begin and end: one more than there are bins.")
        .register_into_engine(engine, edges);
    property("outside", &["h: Histogram", "int"], "How many finite values are in no bin.")
        .register_into_engine(engine, |h: &mut Histogram| h.outside as i64);
    let doc = "How the values are spread, in 20 equal bins from the smallest to the largest.";
    let h = host.clone();
    define("hist", &["t: Tensor", "Histogram"], doc)
        .example("m.tensor(\"blk.0.attn_q.weight\").hist()")
        .register_into_engine(engine, move |t: Tensor| guard(|| t.hist(20, None, &h.control())));
    let doc = "How the values are spread, in this many equal bins from the smallest to the largest.";
    let h = host.clone();
    define("hist", &["t: Tensor", "bins: int", "Histogram"], doc)
        .example("rand([1000], 1).hist(5)")
        .register_into_engine(engine, move |t: Tensor, bins: i64| {
            guard(|| t.hist(size("hist", bins)?, None, &h.control()))
        });
    let doc = "How the values from low to high are spread, in this many equal bins.";
    let h = host.clone();
    define("hist", &["t: Tensor", "bins: int", "low: float", "high: float", "Histogram"], doc)
        .example("randn([1000], 1).hist(6, -3.0, 3.0)")
        .register_into_engine(engine, move |t: Tensor, bins: i64, low: f64, high: f64| {
            guard(|| t.hist(size("hist", bins)?, Some((low, high)), &h.control()))
        });
}

fn saving(engine: &mut Engine, host: &Host) {
    let doc = "Writes the tensor into a .safetensors file, under its name or as \"tensor\". Quantized values are written as F32.";
    let h = host.clone();
    define("save", &["t: Tensor", "path: string"], doc)
        .example("m.tensor(\"blk.0.attn_q.weight\").save(\"attn_q.safetensors\");")
        .register_into_engine(engine, move |t: Tensor, path: &str| guard(|| t.save(path, &h.control())));
    let doc = "Writes a map of tensors into one .safetensors file.";
    let h = host.clone();
    define("save", &["tensors: map", "path: string"], doc)
        .example("save(#{ a: ones([2]), b: zeros([3]) }, \"two.safetensors\");")
        .register_into_engine(engine, move |map: Map, path: &str| {
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
