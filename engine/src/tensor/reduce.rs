//! Reductions over one dimension or all of them, with NumPy's semantics: NaN propagates, the first of equals wins.

use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::DType;
use crate::tensor::elementwise::{arithmetic_type, sum_type};
use crate::tensor::meter::Meter;
use crate::tensor::values::{CHUNK, Values};
use crate::tensor::{Tensor, memory, shape};
use rayon::prelude::*;

/// A way to make one value of many. Accumulates in double precision.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)] // NumPy's names are the documentation
pub enum Reduction {
    Sum,
    Mean,
    Prod,
    Min,
    Max,
    /// Population variance (divides by n), as NumPy's default.
    Var,
    /// Population standard deviation (divides by n), as NumPy's default.
    Std,
    /// (Σ|x|^p)^(1/p); 2 is the Euclidean norm, infinity the largest magnitude, 0 counts what is not zero.
    Norm(f64),
    /// Position of the first largest value.
    ArgMax,
    /// Position of the first smallest value.
    ArgMin,
    /// Whether any value is not zero.
    Any,
    /// Whether no value is zero.
    All,
}

impl Reduction {
    fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Prod => "prod",
            Self::Min => "min",
            Self::Max => "max",
            Self::Var => "var",
            Self::Std => "std",
            Self::Norm(_) => "norm",
            Self::ArgMax => "argmax",
            Self::ArgMin => "argmin",
            Self::Any => "any",
            Self::All => "all",
        }
    }

    fn needs_values(self) -> bool {
        matches!(self, Self::Min | Self::Max | Self::ArgMax | Self::ArgMin)
    }
}

/// A partial result; merging goes from lower positions to higher ones.
trait Accumulator: Copy + Send + Sync {
    fn push(&mut self, v: f64, at: usize);
    fn merge(&mut self, later: &Self);
}

#[derive(Clone, Copy)]
struct Fold {
    value: f64,
    f: fn(f64, f64) -> f64,
    join: fn(f64, f64) -> f64,
}

impl Accumulator for Fold {
    #[inline]
    fn push(&mut self, v: f64, _: usize) {
        self.value = (self.f)(self.value, v);
    }
    fn merge(&mut self, later: &Self) {
        self.value = (self.join)(self.value, later.value);
    }
}

#[derive(Clone, Copy, Default)]
struct Total(f64);

impl Accumulator for Total {
    #[inline]
    fn push(&mut self, v: f64, _: usize) {
        self.0 += v;
    }
    fn merge(&mut self, later: &Self) {
        self.0 += later.0;
    }
}

/// Chan, Golub and LeVeque's update of mean and squared deviations.
#[derive(Clone, Copy, Default)]
struct Moments {
    n: f64,
    mean: f64,
    m2: f64,
}

impl Accumulator for Moments {
    #[inline]
    fn push(&mut self, v: f64, _: usize) {
        self.n += 1.0;
        let d = v - self.mean;
        self.mean += d / self.n;
        self.m2 += d * (v - self.mean);
    }
    fn merge(&mut self, later: &Self) {
        let n = self.n + later.n;
        if n == 0.0 {
            return;
        }
        let d = later.mean - self.mean;
        self.m2 += later.m2 + d * d * self.n * later.n / n;
        self.mean += d * later.n / n;
        self.n = n;
    }
}

/// The first best value and where it is; NaN is better than anything, as in NumPy.
#[derive(Clone, Copy)]
struct Best {
    value: f64,
    at: usize,
    none: bool,
    sign: f64,
}

impl Accumulator for Best {
    #[inline]
    fn push(&mut self, v: f64, at: usize) {
        if self.none || (!self.value.is_nan() && (v.is_nan() || v * self.sign > self.value * self.sign)) {
            *self = Self { value: v, at, none: false, sign: self.sign };
        }
    }
    fn merge(&mut self, later: &Self) {
        if !later.none {
            self.push(later.value, later.at);
        }
    }
}

/// A tensor seen as `[outer, length, inner]`, to be reduced over the middle.
#[derive(Clone, Copy)]
struct View {
    outer: usize,
    length: usize,
    inner: usize,
}

/// Reduces the middle of `view`; one accumulator per outer and inner position.
fn reduce<A: Accumulator>(values: &Values, view: View, start: A, control: &Control, label: &str) -> Result<Vec<A>> {
    let View { outer, length, inner } = view;
    let mut totals = vec![start; outer * inner];
    if totals.is_empty() || length == 0 {
        return Ok(totals);
    }
    let meter = Meter::new(control, label, outer * length * inner, "values");
    // A long inner dimension is cut into bands, which are independent; a long middle one into spans, which are merged. Spans cost
    // memory of their own, so there are many only where a band is narrow.
    let band = inner.min(CHUNK);
    let bands = inner.div_ceil(band);
    let most = if band == 1 { usize::MAX } else { (16 / (outer * bands)).max(1) };
    let spans = (length * band).div_ceil(CHUNK).clamp(1, most).min(length);
    let span = length.div_ceil(spans);
    let rows_at_once = (CHUNK / band).max(1);

    // Short outer rows are grouped, so that a task is worth starting.
    let group = if bands == 1 && spans == 1 { (CHUNK / (length * inner).max(1)).max(1) } else { 1 };
    let parts = outer.div_ceil(group) * bands * spans;
    let results = (0..parts)
        .into_par_iter()
        .map_init(Vec::new, |buffer: &mut Vec<f64>, part| {
            let (first_outer, rest) = ((part / (bands * spans)) * group, part % (bands * spans));
            let (b, s) = (rest / spans, rest % spans);
            let columns = band.min(inner - b * band);
            let last_outer = (first_outer + group).min(outer);
            let mut found = vec![start; columns * (last_outer - first_outer)];
            for (o, found) in (first_outer..last_outer).zip(found.chunks_mut(columns)) {
                let (mut row, end) = (s * span, ((s + 1) * span).min(length));
                while row < end {
                    let rows = rows_at_once.min(end - row);
                    buffer.resize(rows * columns, 0.0);
                    meter.step(rows * columns)?;
                    // More than one row at once only where a band is the whole width.
                    values.read((o * length + row) * inner + b * band, buffer)?;
                    for (i, line) in buffer.chunks(columns).enumerate() {
                        for (a, v) in found.iter_mut().zip(line) {
                            a.push(*v, row + i);
                        }
                    }
                    row += rows;
                }
            }
            Ok((first_outer, b, found))
        })
        .collect::<Result<Vec<_>>>()?;
    for (first_outer, b, found) in results {
        let columns = band.min(inner - b * band);
        for (i, line) in found.chunks(columns).enumerate() {
            let from = (first_outer + i) * inner + b * band;
            for (total, a) in totals.iter_mut().skip(from).zip(line) {
                total.merge(a);
            }
        }
    }
    meter.finish();
    Ok(totals)
}

/// The reduced values, as `f64`: positions for the arg reductions.
fn run(values: &Values, view: View, how: Reduction, control: &Control, label: &str) -> Result<Vec<f64>> {
    let n = view.length as f64;
    let fold = |value, f, join| reduce(values, view, Fold { value, f, join }, control, label);
    let best = |sign| reduce(values, view, Best { value: f64::NAN, at: 0, none: true, sign }, control, label);
    let moments = || reduce(values, view, Moments::default(), control, label);
    let folded = |list: Vec<Fold>, end: &dyn Fn(f64) -> f64| list.into_iter().map(|a| end(a.value)).collect();
    Ok(match how {
        Reduction::Sum => reduce(values, view, Total::default(), control, label)?.iter().map(|a| a.0).collect(),
        Reduction::Mean => reduce(values, view, Total::default(), control, label)?.iter().map(|a| a.0 / n).collect(),
        Reduction::Prod => folded(fold(1.0, |a, v| a * v, |a, b| a * b)?, &|v| v),
        Reduction::Var => moments()?.iter().map(|m| m.m2 / n).collect(),
        Reduction::Std => moments()?.iter().map(|m| (m.m2 / n).sqrt()).collect(),
        Reduction::Max => best(1.0)?.iter().map(|b| b.value).collect(),
        Reduction::Min => best(-1.0)?.iter().map(|b| b.value).collect(),
        Reduction::ArgMax => best(1.0)?.iter().map(|b| b.at as f64).collect(),
        Reduction::ArgMin => best(-1.0)?.iter().map(|b| b.at as f64).collect(),
        Reduction::Any => folded(fold(0.0, |a, v| if v != 0.0 { 1.0 } else { a }, f64::max)?, &|v| v),
        Reduction::All => folded(fold(1.0, |a, v| if v == 0.0 { 0.0 } else { a }, f64::min)?, &|v| v),
        Reduction::Norm(2.0) => folded(fold(0.0, |a, v| v.mul_add(v, a), |a, b| a + b)?, &f64::sqrt),
        Reduction::Norm(1.0) => folded(fold(0.0, |a, v| a + v.abs(), |a, b| a + b)?, &|v| v),
        Reduction::Norm(0.0) => folded(fold(0.0, |a, v| if v == 0.0 { a } else { a + 1.0 }, |a, b| a + b)?, &|v| v),
        Reduction::Norm(f64::INFINITY) => {
            let larger = |a: f64, v: f64| if a.is_nan() || a > v.abs() { a } else { v.abs() };
            folded(fold(0.0, larger, larger)?, &|v| v)
        }
        Reduction::Norm(p) => {
            if !(p.is_finite() && p > 0.0) {
                return Err(Error::argument("norm", "an order of at least 0, or infinity", p.to_string()));
            }
            powers(values, view, p, control, label)?
        }
    })
}

/// The p-norm for any p; its closure carries p, so it does not fit [`Fold`].
fn powers(values: &Values, view: View, p: f64, control: &Control, label: &str) -> Result<Vec<f64>> {
    #[derive(Clone, Copy)]
    struct Power {
        sum: f64,
        p: f64,
    }
    impl Accumulator for Power {
        fn push(&mut self, v: f64, _: usize) {
            self.sum += v.abs().powf(self.p);
        }
        fn merge(&mut self, later: &Self) {
            self.sum += later.sum;
        }
    }
    let sums = reduce(values, view, Power { sum: 0.0, p }, control, label)?;
    Ok(sums.iter().map(|a| a.sum.powf(1.0 / p)).collect())
}

impl Tensor {
    /// Reduces one dimension; `keep` leaves it with length 1. Sums, means and the like are F32 (F64 from F64), extremes keep the type
    /// (quantized: F32), positions and integer sums are I64, truth values BOOL.
    pub fn reduce(&self, how: Reduction, dim: i64, keep: bool, control: &Control) -> Result<Self> {
        let at = shape::axis(how.name(), dim, self.rank())?;
        let length = self.shape().get(at).copied().unwrap_or(1);
        if length == 0 && how.needs_values() {
            let found = format!("shape {:?}", self.shape());
            return Err(Error::argument(how.name(), "a dimension that is not empty", found));
        }
        let view = View {
            outer: self.shape().iter().take(at).product(),
            length,
            inner: self.shape().iter().skip(at + 1).product(),
        };
        memory::room_for(how.name(), view.outer.saturating_mul(view.inner), 64)?;
        let label = self.describe(how.name());
        let found = run(&self.values()?, view, how, control, &label)?;
        let mut shape = self.shape().to_vec();
        if keep {
            shape.iter_mut().skip(at).take(1).for_each(|d| *d = 1);
        } else {
            shape.remove(at);
        }
        Self::from_values(found, &shape)?.cast(self.reduced_type(how))
    }

    /// Reduces all values to one number.
    pub fn reduce_all(&self, how: Reduction, control: &Control) -> Result<f64> {
        let n = self.elements();
        if n == 0 && how.needs_values() {
            let found = format!("shape {:?}", self.shape());
            return Err(Error::argument(how.name(), "a tensor that is not empty", found));
        }
        let view = View { outer: 1, length: n, inner: 1 };
        let found = run(&self.values()?, view, how, control, &self.describe(how.name()))?;
        Ok(found.first().copied().unwrap_or(f64::NAN))
    }

    /// The type [`Tensor::reduce`] gives.
    pub fn reduced_type(&self, how: Reduction) -> DType {
        let own = arithmetic_type(self.dtype());
        match how {
            Reduction::Any | Reduction::All => DType::BOOL,
            Reduction::ArgMax | Reduction::ArgMin => DType::I64,
            Reduction::Min | Reduction::Max => own,
            Reduction::Sum | Reduction::Prod if own == DType::I64 => DType::I64,
            _ => sum_type(own),
        }
    }

    /// Means over a dimension.
    pub fn mean(&self, dim: i64) -> Result<Self> {
        self.reduce(Reduction::Mean, dim, false, &Control::default())
    }

    /// Sums over a dimension.
    pub fn sum(&self, dim: i64) -> Result<Self> {
        self.reduce(Reduction::Sum, dim, false, &Control::default())
    }

    /// Smallest values over a dimension.
    pub fn min(&self, dim: i64) -> Result<Self> {
        self.reduce(Reduction::Min, dim, false, &Control::default())
    }

    /// Largest values over a dimension.
    pub fn max(&self, dim: i64) -> Result<Self> {
        self.reduce(Reduction::Max, dim, false, &Control::default())
    }

    /// Population standard deviations over a dimension.
    pub fn std(&self, dim: i64) -> Result<Self> {
        self.reduce(Reduction::Std, dim, false, &Control::default())
    }

    /// Positions of the first largest values over a dimension.
    pub fn argmax(&self, dim: i64) -> Result<Self> {
        self.reduce(Reduction::ArgMax, dim, false, &Control::default())
    }

    /// The Euclidean norm of all values.
    pub fn norm(&self) -> Result<f64> {
        self.reduce_all(Reduction::Norm(2.0), &Control::default())
    }
}
