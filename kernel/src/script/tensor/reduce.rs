//! Reductions: of all values to a number, of one dimension to a tensor.

use crate::script::error::{ScriptResult, guard};
use crate::script::{Host, define};
use minerva_engine::format::DType;
use minerva_engine::tensor::{Reduction, Tensor};
use rhai::{Dynamic, Engine};

pub fn register(engine: &mut Engine, host: &Host) {
    let table = [
        ("sum", Reduction::Sum, "The sum"),
        ("mean", Reduction::Mean, "The mean"),
        ("prod", Reduction::Prod, "The product"),
        ("min", Reduction::Min, "The smallest value"),
        ("max", Reduction::Max, "The largest value"),
        ("std", Reduction::Std, "The population standard deviation (divides by n, as NumPy does)"),
        // `var` is a reserved word of the language.
        ("variance", Reduction::Var, "The population variance (divides by n, as NumPy does)"),
        ("norm", Reduction::Norm(2.0), "The Euclidean norm"),
        ("argmax", Reduction::ArgMax, "The position of the first largest value"),
        ("argmin", Reduction::ArgMin, "The position of the first smallest value"),
        ("any", Reduction::Any, "Whether any value is not zero"),
        ("all", Reduction::All, "Whether no value is zero"),
    ];
    for (name, how, what) in table {
        let h = host.clone();
        define(name, &["t: Tensor", "number"], &format!("{what} of all values."))
            .example(&format!("tensor([[1.0, 2.0], [3.0, 4.0]]).{name}()"))
            .register_into_engine(engine, move |t: Tensor| one(&h, &t, how));
        let h = host.clone();
        define(name, &["t: Tensor", "dim: int", "Tensor"], &format!("{what} along a dimension; -1 is the last."))
            .example(&format!("tensor([[1.0, 2.0], [3.0, 4.0]]).{name}(0).shape // → [2]"))
            .register_into_engine(engine, move |t: Tensor, dim: i64| guard(|| t.reduce(how, dim, false, &h.control())));
        let h = host.clone();
        let doc = format!("{what} along a dimension, which stays with length 1 when keep is true.");
        define(name, &["t: Tensor", "dim: int", "keep: bool", "Tensor"], &doc)
            .example(&format!("tensor([[1.0, 2.0], [3.0, 4.0]]).{name}(-1, true).shape // → [2, 1]"))
            .register_into_engine(engine, move |t: Tensor, dim: i64, keep: bool| {
                guard(|| t.reduce(how, dim, keep, &h.control()))
            });
    }
    let doc = "The p-norm of all values: (Σ|x|^p)^(1/p).";
    let h = host.clone();
    define("norm", &["t: Tensor", "p: float", "float"], doc)
        .example("tensor([1.0, -2.0]).norm(1.0) // → 3.0")
        .register_into_engine(engine, move |t: Tensor, p: f64| one(&h, &t, Reduction::Norm(p)));
    let doc = "The p-norm along a dimension.";
    let h = host.clone();
    define("norm", &["t: Tensor", "p: float", "dim: int", "Tensor"], doc)
        .example("tensor([[1.0, -2.0]]).norm(1.0, -1).to_array() // → [3.0]")
        .register_into_engine(engine, move |t: Tensor, p: f64, dim: i64| {
            guard(|| t.reduce(Reduction::Norm(p), dim, false, &h.control()))
        });
}

/// A number of the type the reduction has: an int for integers and positions, a bool for any and all.
fn one(host: &Host, t: &Tensor, how: Reduction) -> ScriptResult<Dynamic> {
    guard(|| {
        let value = t.reduce_all(how, &host.control())?;
        Ok(match t.reduced_type(how) {
            DType::I64 => Dynamic::from(value as i64),
            DType::BOOL => Dynamic::from(value != 0.0),
            _ => Dynamic::from(value),
        })
    })
}
