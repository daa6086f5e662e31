//! Between the language's values and tensors.

use crate::display::type_name;
use crate::script::error::{ScriptResult, guard, raise};
use minerva_engine::error::nearest;
use minerva_engine::format::DType;
use minerva_engine::tensor::Tensor;
use minerva_engine::{Error, Result};
use rhai::{Array, Dynamic};

/// More values than this are not turned into an array of the language, where each takes 16 bytes and more.
const MOST_ITEMS: usize = 10_000_000;

/// What the numbers of a nested array are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Bool,
    Int,
    Float,
}

/// A tensor from a number, a truth value, a tensor, or an array of these, nested as deep as one likes. Whole numbers make I64, fractions
/// F32, truth values BOOL; tensors in an array are stacked.
///
/// # Errors
/// When rows differ in length or something else than a number stands in them.
pub fn tensor(value: &Dynamic) -> Result<Tensor> {
    if let Some(t) = value.read_lock::<Tensor>() {
        return Ok(t.clone());
    }
    if let Some(array) = value.read_lock::<Array>()
        && array.first().is_some_and(|v| v.is::<Tensor>())
    {
        let parts = array.iter().map(tensor).collect::<Result<Vec<_>>>()?;
        return Tensor::stack(&parts, 0);
    }
    let mut shape = Vec::new();
    let mut probe = value.clone();
    while let Some(array) = probe.clone().read_lock::<Array>() {
        shape.push(array.len());
        match array.first() {
            Some(first) => probe = first.clone(),
            None => break,
        }
    }
    let (mut floats, mut ints) = (Vec::new(), Vec::new());
    let mut kind = Kind::Bool;
    gather(value, &shape, &mut Vec::new(), &mut kind, &mut floats, &mut ints)?;
    match kind {
        _ if floats.is_empty() => Tensor::from_vec(Vec::new(), &shape),
        Kind::Float => Tensor::from_vec(floats.iter().map(|v| *v as f32).collect(), &shape),
        Kind::Int => Tensor::from_integers(ints, &shape),
        Kind::Bool => Tensor::from_integers(ints, &shape)?.cast(DType::BOOL),
    }
}

fn gather(
    value: &Dynamic,
    shape: &[usize],
    path: &mut Vec<usize>,
    kind: &mut Kind,
    floats: &mut Vec<f64>,
    ints: &mut Vec<i64>,
) -> Result<()> {
    let place = |path: &[usize]| if path.is_empty() { "tensor".to_owned() } else { format!("tensor, at {path:?}") };
    let Some((length, inner)) = shape.split_first() else {
        let (found, as_float, as_int) = if let Ok(v) = value.as_int() {
            (Kind::Int, v as f64, v)
        } else if let Ok(v) = value.as_float() {
            (Kind::Float, v, v as i64)
        } else if let Ok(v) = value.as_bool() {
            (Kind::Bool, f64::from(v), i64::from(v))
        } else {
            return Err(Error::argument(place(path), "a number", type_name(value)));
        };
        *kind = (*kind).max(found);
        floats.push(as_float);
        ints.push(as_int);
        return Ok(());
    };
    let array = value.read_lock::<Array>().ok_or_else(|| {
        Error::argument(place(path), format!("an array of {length}, as its neighbours are"), type_name(value))
    })?;
    if array.len() != *length {
        let found = format!("one of {}", array.len());
        return Err(Error::argument(place(path), format!("an array of {length}, as its neighbours are"), found));
    }
    for (i, item) in array.iter().enumerate() {
        path.push(i);
        gather(item, inner, path, kind, floats, ints)?;
        path.pop();
    }
    Ok(())
}

/// The values as nested arrays: floats, ints or bools.
pub fn to_array(t: &Tensor) -> Result<Dynamic> {
    let n = t.elements();
    if n > MOST_ITEMS {
        let error = Error::argument("to_array", format!("at most {MOST_ITEMS} values"), format!("{n}"));
        return Err(error.with_help("take a slice of the tensor first"));
    }
    let mut flat = match kind_of(t.dtype()) {
        Kind::Float => t.to_vec_f64()?.into_iter().map(Dynamic::from).collect::<Vec<_>>(),
        Kind::Int => t.to_vec_i64()?.into_iter().map(Dynamic::from).collect(),
        Kind::Bool => t.to_vec_i64()?.into_iter().map(|v| Dynamic::from(v != 0)).collect(),
    }
    .into_iter();
    Ok(nest(t.shape(), &mut flat))
}

fn nest(shape: &[usize], flat: &mut impl Iterator<Item = Dynamic>) -> Dynamic {
    match shape.split_first() {
        None => flat.next().unwrap_or_default(),
        Some((length, inner)) => Dynamic::from_array((0..*length).map(|_| nest(inner, flat)).collect()),
    }
}

/// The only value of a tensor: a float, an int or a bool.
pub fn item(t: &Tensor) -> Result<Dynamic> {
    Ok(match kind_of(t.dtype()) {
        Kind::Float => Dynamic::from(t.item()?),
        Kind::Int => Dynamic::from(t.item_i64()?),
        Kind::Bool => Dynamic::from(t.item_i64()? != 0),
    })
}

fn kind_of(dtype: DType) -> Kind {
    use DType as D;
    match dtype {
        D::BOOL => Kind::Bool,
        D::I8 | D::I16 | D::I32 | D::I64 | D::U8 | D::U16 | D::U32 | D::U64 => Kind::Int,
        _ => Kind::Float,
    }
}

/// A type from its name: ours and ggml's (`"F16"`), NumPy's (`"float16"`), PyTorch's (`"half"`).
pub fn dtype(name: &str) -> Result<DType> {
    let known = [
        ("float64", DType::F64),
        ("double", DType::F64),
        ("float32", DType::F32),
        ("float", DType::F32),
        ("float16", DType::F16),
        ("half", DType::F16),
        ("bfloat16", DType::BF16),
        ("int64", DType::I64),
        ("long", DType::I64),
        ("int", DType::I64),
        ("int32", DType::I32),
        ("int16", DType::I16),
        ("uint32", DType::U32),
        ("uint8", DType::U8),
        ("bool", DType::BOOL),
    ];
    let lower = name.trim().to_lowercase();
    let alias = known.iter().find(|(n, _)| *n == lower).map(|(_, d)| *d);
    alias.or_else(|| DType::from_name(&lower)).ok_or_else(|| {
        let names = DType::ALL.iter().map(|d| d.name()).chain(known.iter().map(|(n, _)| *n));
        let error =
            Error::argument("dtype", "F64, F32, F16, BF16, I64, I32, I16, U32, U8 or BOOL", format!("{name:?}"));
        match nearest(name, names) {
            Some(near) => error.with_help(format!("did you mean {near:?}?")),
            None => error,
        }
    })
}

/// A whole number of at least 0 as an argument.
pub fn size(what: &str, value: i64) -> Result<usize> {
    usize::try_from(value).map_err(|_| Error::argument(what, "a whole number of at least 0", value.to_string()))
}

/// An array of whole numbers, such as a shape that may hold -1.
pub fn integers(what: &str, array: &Array) -> Result<Vec<i64>> {
    let wrong = |v: &Dynamic| Error::argument(what, "an array of whole numbers, such as [2, 3]", type_name(v));
    array.iter().map(|v| v.as_int().map_err(|_| wrong(v))).collect()
}

/// A shape: an array of whole numbers of at least 0, or one such number.
pub fn sizes(what: &str, value: &Dynamic) -> Result<Vec<usize>> {
    if let Ok(n) = value.as_int() {
        return Ok(vec![size(what, n)?]);
    }
    let array =
        value.read_lock::<Array>().ok_or_else(|| Error::argument(what, "a shape such as [2, 3]", type_name(value)))?;
    integers(what, &array)?.into_iter().map(|d| size(what, d)).collect()
}

/// A tensor, or a number or array that becomes one.
pub fn argument(what: &str, value: &Dynamic) -> ScriptResult<Tensor> {
    if value.is::<Tensor>() || value.is_array() || value.is_int() || value.is_float() || value.is_bool() {
        return guard(|| tensor(value));
    }
    Err(raise(Error::argument(what, "a tensor, a number or an array of numbers", type_name(value))))
}
