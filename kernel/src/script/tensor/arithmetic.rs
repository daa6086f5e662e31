//! Operators and functions of every value.

use super::convert::argument;
use crate::script::error::{ScriptResult, guard};
use crate::script::{Host, define};
use minerva_engine::format::DType;
use minerva_engine::tensor::{Binary, Tensor, Unary};
use rhai::{Dynamic, Engine};

pub fn register(engine: &mut Engine, host: &Host) {
    operators(engine, host);
    functions(engine, host);
    logic(engine, host);
}

/// What an operator gives: a tensor, but a comparison of single values is true or false, so that `if t[0] == 1`, `in` and
/// `filter` take it as one of numbers.
fn given(op: Binary, value: Tensor) -> minerva_engine::Result<Dynamic> {
    let compares = matches!(op, Binary::Eq | Binary::Ne | Binary::Lt | Binary::Le | Binary::Gt | Binary::Ge);
    if compares && value.shape().is_empty() {
        return Ok((value.item()? != 0.0).into());
    }
    Ok(Dynamic::from(value))
}

/// Each operator between two tensors, and between a tensor and a number on either side.
fn operators(engine: &mut Engine, host: &Host) {
    let table = [
        ("+", Binary::Add, "Sums, value by value, with NumPy's broadcasting."),
        ("-", Binary::Sub, "Differences, value by value."),
        ("*", Binary::Mul, "Products, value by value; the matrix product is matmul."),
        ("/", Binary::Div, "Quotients, value by value; integers give F32."),
        ("%", Binary::Rem, "Remainders with the sign of the divisor, as in NumPy."),
        ("**", Binary::Pow, "Powers, value by value."),
        ("==", Binary::Eq, "Where values are equal: a BOOL tensor; of single values true or false."),
        ("!=", Binary::Ne, "Where values differ: a BOOL tensor."),
        ("<", Binary::Lt, "Where the left is smaller: a BOOL tensor."),
        ("<=", Binary::Le, "Where the left is not larger: a BOOL tensor."),
        (">", Binary::Gt, "Where the left is larger: a BOOL tensor."),
        (">=", Binary::Ge, "Where the left is not smaller: a BOOL tensor."),
        ("maximum", Binary::Maximum, "The larger of two values; NaN when either is."),
        ("minimum", Binary::Minimum, "The smaller of two values; NaN when either is."),
        ("pow", Binary::Pow, "Powers, value by value."),
    ];
    for (name, op, doc) in table {
        let h = host.clone();
        let example = match rhai::is_valid_identifier(name) {
            true => format!("tensor([1, 4]).{name}(tensor([3, 2]))"),
            false => format!("tensor([1, 4]) {name} tensor([3, 2])"),
        };
        define(name, &["a: Tensor", "b: Tensor", "Tensor"], doc)
            .example(&example)
            .register_into_engine(engine, move |a: Tensor, b: Tensor| {
                guard(|| given(op, a.binary(op, &b, &h.control())?))
            });
        let h = host.clone();
        define(name, &["a: Tensor", "b: float", "Tensor"], doc)
            .register_into_engine(engine, move |a: Tensor, b: f64| {
                guard(|| given(op, a.binary_scalar(op, b, &h.control())?))
            });
        let h = host.clone();
        define(name, &["a: Tensor", "b: int", "Tensor"], doc).register_into_engine(engine, move |a: Tensor, b: i64| {
            guard(|| given(op, a.binary_scalar(op, b as f64, &h.control())?))
        });
        let h = host.clone();
        define(name, &["a: float", "b: Tensor", "Tensor"], doc)
            .register_into_engine(engine, move |a: f64, b: Tensor| {
                guard(|| given(op, b.scalar_binary(op, a, &h.control())?))
            });
        let h = host.clone();
        define(name, &["a: int", "b: Tensor", "Tensor"], doc).register_into_engine(engine, move |a: i64, b: Tensor| {
            guard(|| given(op, b.scalar_binary(op, a as f64, &h.control())?))
        });
    }
    let h = host.clone();
    define("-", &["t: Tensor", "Tensor"], "The negative of every value.")
        .register_into_engine(engine, move |t: Tensor| guard(|| t.unary(Unary::Neg, &h.control())));
}

fn functions(engine: &mut Engine, host: &Host) {
    let table = [
        ("abs", Unary::Abs, "The magnitude of every value."),
        ("sign", Unary::Sign, "-1, 0 or 1 for every value."),
        ("square", Unary::Sqr, "The square of every value."),
        ("sqrt", Unary::Sqrt, "The square root of every value; NaN where it is negative."),
        ("rsqrt", Unary::Rsqrt, "1 / sqrt of every value."),
        ("reciprocal", Unary::Recip, "1 / x for every value."),
        ("exp", Unary::Exp, "e to the power of every value."),
        ("log", Unary::Log, "The natural logarithm of every value."),
        ("ln", Unary::Log, "The natural logarithm of every value."),
        ("log2", Unary::Log2, "The logarithm to base 2 of every value."),
        ("log10", Unary::Log10, "The logarithm to base 10 of every value."),
        ("sin", Unary::Sin, "The sine of every value."),
        ("cos", Unary::Cos, "The cosine of every value."),
        ("tanh", Unary::Tanh, "The hyperbolic tangent of every value."),
        ("sigmoid", Unary::Sigmoid, "1 / (1 + exp(-x)) for every value."),
        ("relu", Unary::Relu, "Negative values raised to 0."),
        ("silu", Unary::Silu, "x · sigmoid(x) for every value."),
        ("gelu", Unary::Gelu, "The Gaussian error linear unit, with the error function."),
        ("gelu_tanh", Unary::GeluTanh, "The tanh approximation of gelu, as GPT-2 has it."),
        ("floor", Unary::Floor, "Every value rounded down."),
        ("ceil", Unary::Ceil, "Every value rounded up."),
        ("ceiling", Unary::Ceil, "Every value rounded up."),
        ("round", Unary::Round, "Every value rounded, halves to even."),
        ("isnan", Unary::IsNan, "Where values are NaN: a BOOL tensor."),
        ("isfinite", Unary::IsFinite, "Where values are finite: a BOOL tensor."),
    ];
    for (name, op, doc) in table {
        let h = host.clone();
        define(name, &["t: Tensor", "Tensor"], doc)
            .example(&format!("tensor([0.5, 1.0]).{name}()"))
            .register_into_engine(engine, move |t: Tensor| guard(|| t.unary(op, &h.control())));
    }
    let doc = "Values below low raised to it and above high lowered to it.";
    for name in ["clamp", "clip"] {
        let h = host.clone();
        let example = format!("tensor([-2.0, 0.5, 3.0]).{name}(0, 1).to_array() // → [0.0, 0.5, 1.0]");
        define(name, &["t: Tensor", "low: float", "high: float", "Tensor"], doc)
            .example(&example)
            .register_into_engine(engine, move |t: Tensor, low: Dynamic, high: Dynamic| -> ScriptResult<Tensor> {
                let (low, high) = (argument("clamp", &low)?, argument("clamp", &high)?);
                guard(|| t.clamp(low.item()?, high.item()?, &h.control()))
            });
    }
}

/// `!`, `&`, `|` and `where`, which take anything that is not zero as true.
fn logic(engine: &mut Engine, host: &Host) {
    let both = |op: Binary| {
        let h = host.clone();
        move |a: Tensor, b: Tensor| {
            guard(|| a.cast(DType::BOOL)?.binary(op, &b.cast(DType::BOOL)?, &h.control())?.cast(DType::BOOL))
        }
    };
    define("&", &["a: Tensor", "b: Tensor", "Tensor"], "Where both are true.")
        .register_into_engine(engine, both(Binary::Minimum));
    define("|", &["a: Tensor", "b: Tensor", "Tensor"], "Where either is true.")
        .register_into_engine(engine, both(Binary::Maximum));
    let h = host.clone();
    define("!", &["t: Tensor", "Tensor"], "Where the values are zero or false.")
        .register_into_engine(engine, move |t: Tensor| guard(|| t.binary_scalar(Binary::Eq, 0.0, &h.control())));
    let doc = "yes where the mask is true, no elsewhere; numbers and tensors broadcast.";
    let h = host.clone();
    define("where", &["mask: Tensor", "yes: any", "no: any", "Tensor"], doc)
        .example("where(tensor([true, false]), 1.0, 0.0).to_array() // → [1.0, 0.0]")
        .register_into_engine(engine, move |mask: Tensor, yes: Dynamic, no: Dynamic| -> ScriptResult<Tensor> {
            let (yes, no) = (argument("where", &yes)?, argument("where", &no)?);
            guard(|| yes.where_else(&mask, &no, &h.control()))
        });
}
