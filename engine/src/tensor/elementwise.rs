//! Arithmetic value by value, with NumPy's broadcasting.

use crate::control::Control;
use crate::error::Result;
use crate::format::DType;
use crate::tensor::values::{Number, fill};
use crate::tensor::{Tensor, memory, shape, values};
use half::{bf16, f16};

/// An operation on two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // NumPy's names are the documentation
pub enum Binary {
    Add,
    Sub,
    Mul,
    /// True division: integers give F32.
    Div,
    /// Remainder with the sign of the divisor, as NumPy's.
    Rem,
    Pow,
    /// NaN when either is.
    Maximum,
    /// NaN when either is.
    Minimum,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// An operation on one value. Integers are taken as F32 but by `Abs`, `Neg`, `Sign`, `Sqr` and `Relu`, which keep them.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)] // NumPy's names are the documentation
pub enum Unary {
    Neg,
    Abs,
    Sign,
    Sqr,
    Relu,
    Exp,
    Log,
    Log2,
    Log10,
    Sqrt,
    Rsqrt,
    Recip,
    Sin,
    Cos,
    Tanh,
    Sigmoid,
    /// x·sigmoid(x), as in Llama's MLP.
    Silu,
    /// With the error function, as PyTorch's default.
    Gelu,
    /// The tanh approximation, as GPT-2's.
    GeluTanh,
    Floor,
    Ceil,
    /// Halves to even, as NumPy's.
    Round,
    /// True where the value is NaN.
    IsNan,
    /// True where the value is finite.
    IsFinite,
}

impl Binary {
    fn compares(self) -> bool {
        matches!(self, Self::Eq | Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge)
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Rem => "%",
            Self::Pow => "**",
            Self::Maximum => "maximum",
            Self::Minimum => "minimum",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }

    fn real(self) -> fn(f64, f64) -> f64 {
        match self {
            Self::Add => |a, b| a + b,
            Self::Sub => |a, b| a - b,
            Self::Mul => |a, b| a * b,
            Self::Div => |a, b| a / b,
            Self::Rem => |a, b| {
                let r = a % b;
                if r != 0.0 && (r < 0.0) != (b < 0.0) { r + b } else { r }
            },
            Self::Pow => f64::powf,
            Self::Maximum => |a, b| if a.is_nan() || a > b { a } else { b },
            Self::Minimum => |a, b| if a.is_nan() || a < b { a } else { b },
            Self::Eq => |a, b| f64::from(a == b),
            Self::Ne => |a, b| f64::from(a != b),
            Self::Lt => |a, b| f64::from(a < b),
            Self::Le => |a, b| f64::from(a <= b),
            Self::Gt => |a, b| f64::from(a > b),
            Self::Ge => |a, b| f64::from(a >= b),
        }
    }

    fn integer(self) -> fn(i64, i64) -> i64 {
        match self {
            Self::Add => i64::wrapping_add,
            Self::Sub => i64::wrapping_sub,
            Self::Mul => i64::wrapping_mul,
            // Division never comes here. A remainder by 0 is 0, as NumPy's.
            Self::Div | Self::Rem => |a, b| match a.checked_rem(b) {
                Some(r) if r != 0 && (r < 0) != (b < 0) => r + b,
                Some(r) => r,
                None => 0,
            },
            Self::Pow => |a, b| a.wrapping_pow(u32::try_from(b).unwrap_or(0)),
            Self::Maximum => i64::max,
            Self::Minimum => i64::min,
            Self::Eq => |a, b| i64::from(a == b),
            Self::Ne => |a, b| i64::from(a != b),
            Self::Lt => |a, b| i64::from(a < b),
            Self::Le => |a, b| i64::from(a <= b),
            Self::Gt => |a, b| i64::from(a > b),
            Self::Ge => |a, b| i64::from(a >= b),
        }
    }
}

impl Unary {
    fn keeps_integers(self) -> bool {
        matches!(self, Self::Neg | Self::Abs | Self::Sign | Self::Sqr | Self::Relu)
    }

    fn real(self) -> fn(f64) -> f64 {
        match self {
            Self::Neg => |x| -x,
            Self::Abs => f64::abs,
            Self::Sign => |x| if x == 0.0 || x.is_nan() { x } else { x.signum() },
            Self::Sqr => |x| x * x,
            Self::Relu => |x| if x < 0.0 { 0.0 } else { x },
            Self::Exp => f64::exp,
            Self::Log => f64::ln,
            Self::Log2 => f64::log2,
            Self::Log10 => f64::log10,
            Self::Sqrt => f64::sqrt,
            Self::Rsqrt => |x| 1.0 / x.sqrt(),
            Self::Recip => f64::recip,
            Self::Sin => f64::sin,
            Self::Cos => f64::cos,
            Self::Tanh => f64::tanh,
            Self::Sigmoid => sigmoid,
            Self::Silu => |x| x * sigmoid(x),
            Self::Gelu => |x| 0.5 * x * (1.0 + candle_core::cpu::erf::erf_f64(x * std::f64::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => |x| {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            },
            Self::Floor => f64::floor,
            Self::Ceil => f64::ceil,
            Self::Round => f64::round_ties_even,
            Self::IsNan => |x| f64::from(x.is_nan()),
            Self::IsFinite => |x| f64::from(x.is_finite()),
        }
    }
}

/// Without overflow for large negative `x`.
fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

/// Whether values of this type are whole numbers or truth values.
pub(crate) fn is_integer(dtype: DType) -> bool {
    use DType as D;
    matches!(dtype, D::I8 | D::I16 | D::I32 | D::I64 | D::U8 | D::U16 | D::U32 | D::U64 | D::BOOL)
}

/// The type that values of `dtype` are computed in.
pub(crate) fn arithmetic_type(dtype: DType) -> DType {
    match dtype {
        DType::F64 | DType::F16 | DType::BF16 => dtype,
        _ if is_integer(dtype) => DType::I64,
        _ => DType::F32,
    }
}

/// The type of sums and the like: F64 from F64, else F32.
pub(crate) fn sum_type(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// The type of `a + b`.
pub(crate) fn promote(a: DType, b: DType) -> DType {
    let (a, b) = (arithmetic_type(a), arithmetic_type(b));
    match (a, b) {
        _ if a == b => a,
        (DType::I64, other) | (other, DType::I64) => other,
        (DType::F64, _) | (_, DType::F64) => DType::F64,
        _ => DType::F32,
    }
}

/// The type of tensors joined into one: their own when they agree.
pub(crate) fn promote_joined(a: DType, b: DType) -> DType {
    if a == b { crate::tensor::handle::memory_type(a) } else { promote(a, b) }
}

impl Tensor {
    /// `self op other`, broadcasting. Comparisons give BOOL, division of integers F32, everything else the promoted type.
    pub fn binary(&self, op: Binary, other: &Self, control: &Control) -> Result<Self> {
        let shape = shape::broadcast(op.symbol(), self.shape(), other.shape())?;
        let joined = promote(self.dtype(), other.dtype());
        // A negative power of an integer is a fraction.
        let fraction = op == Binary::Div || (op == Binary::Pow && other.dtype() == DType::I64);
        let dtype = if fraction && joined == DType::I64 { DType::F32 } else { joined };
        let n = memory::elements(op.symbol(), &shape)?;
        memory::room_for(op.symbol(), n, dtype.block_bytes() + 4)?;
        let (a, b) = (self.spread(&shape)?, other.spread(&shape)?);
        let out = if op.compares() { DType::BOOL } else { dtype };
        if dtype == DType::I64 {
            build::<i64>(out, &shape, n, control, |part, start| zip(part, start, &a, &b, op.integer()))
        } else {
            build::<f64>(out, &shape, n, control, |part, start| zip(part, start, &a, &b, op.real()))
        }
    }

    /// `self op number`, the type of the tensor winning: an F16 tensor times 0.5 is F16. An integer tensor with a fraction gives F32.
    pub fn binary_scalar(&self, op: Binary, number: f64, control: &Control) -> Result<Self> {
        self.with_scalar(op, number, false, control)
    }

    /// `number op self`.
    pub fn scalar_binary(&self, op: Binary, number: f64, control: &Control) -> Result<Self> {
        self.with_scalar(op, number, true, control)
    }

    fn with_scalar(&self, op: Binary, number: f64, flipped: bool, control: &Control) -> Result<Self> {
        let own = arithmetic_type(self.dtype());
        let whole = number.fract() == 0.0 && number.abs() < 2f64.powi(62);
        let fraction = op == Binary::Div || (op == Binary::Pow && (flipped || number < 0.0)) || !whole;
        let dtype = if own == DType::I64 && fraction { DType::F32 } else { own };
        // As in NumPy the number takes the tensor's type first, so that an F32 0.1 equals 0.1.
        let number = match dtype {
            DType::F32 => f64::from(number as f32),
            DType::F16 => f16::from_f64(number).to_f64(),
            DType::BF16 => bf16::from_f64(number).to_f64(),
            _ => number,
        };
        let n = self.elements();
        memory::room_for(op.symbol(), n, dtype.block_bytes())?;
        let a = self.values()?;
        let out = if op.compares() { DType::BOOL } else { dtype };
        if dtype == DType::I64 {
            let (f, s) = (op.integer(), number as i64);
            build::<i64>(out, self.shape(), n, control, |part, start| {
                a.read(start, part)?;
                part.iter_mut().for_each(|v| *v = if flipped { f(s, *v) } else { f(*v, s) });
                Ok(())
            })
        } else {
            let f = op.real();
            build::<f64>(out, self.shape(), n, control, |part, start| {
                a.read(start, part)?;
                part.iter_mut().for_each(|v| *v = if flipped { f(number, *v) } else { f(*v, number) });
                Ok(())
            })
        }
    }

    /// The operation on every value.
    pub fn unary(&self, op: Unary, control: &Control) -> Result<Self> {
        if matches!(op, Unary::IsNan | Unary::IsFinite) {
            return self.map_to(DType::BOOL, op.real(), control);
        }
        let own = arithmetic_type(self.dtype());
        if own == DType::I64 && op.keeps_integers() {
            let values = self.values()?;
            return build::<i64>(own, self.shape(), self.elements(), control, |part, start| {
                values.read(start, part)?;
                part.iter_mut().for_each(|v| {
                    *v = match op {
                        Unary::Neg => v.wrapping_neg(),
                        Unary::Abs => v.wrapping_abs(),
                        Unary::Sign => v.signum(),
                        Unary::Sqr => v.wrapping_mul(*v),
                        _ => (*v).max(0),
                    };
                });
                Ok(())
            });
        }
        self.map_to(if own == DType::I64 { DType::F32 } else { own }, op.real(), control)
    }

    /// Values below `low` raised to it and above `high` lowered to it; NaN stays.
    pub fn clamp(&self, low: f64, high: f64, control: &Control) -> Result<Self> {
        let cut = move |x| {
            let x = if x < low { low } else { x };
            if x > high { high } else { x }
        };
        self.map_to(arithmetic_type(self.dtype()), cut, control)
    }

    /// A function of every value, computed in double precision.
    fn map_to(&self, dtype: DType, f: impl Fn(f64) -> f64 + Sync, control: &Control) -> Result<Self> {
        memory::room_for("arithmetic", self.elements(), dtype.block_bytes())?;
        let values = self.values()?;
        build::<f64>(dtype, self.shape(), self.elements(), control, |part, start| {
            values.read(start, part)?;
            part.iter_mut().for_each(|v| *v = f(*v));
            Ok(())
        })
    }

    /// The values repeated to fill `shape`, for reading.
    fn spread(&self, shape: &[usize]) -> Result<values::Values> {
        if self.shape() == shape { self.values() } else { self.broadcast_to(shape)?.values() }
    }
}

fn zip<T: Number>(
    part: &mut [T],
    start: usize,
    a: &values::Values,
    b: &values::Values,
    f: fn(T, T) -> T,
) -> Result<()> {
    let mut right = vec![T::default(); part.len()];
    a.read(start, part)?;
    b.read(start, &mut right)?;
    part.iter_mut().zip(right).for_each(|(x, y)| *x = f(*x, y));
    Ok(())
}

/// What [`build`] computes in.
pub(crate) trait Working: Number {
    fn real(self) -> f64;
    fn whole(self) -> i64;
}

impl Working for f64 {
    fn real(self) -> f64 {
        self
    }
    fn whole(self) -> i64 {
        self as i64
    }
}

impl Working for i64 {
    fn real(self) -> f64 {
        self as f64
    }
    fn whole(self) -> i64 {
        self
    }
}

/// A tensor of type F64, F32, F16, BF16, I64 or BOOL from values that `compute` writes chunk by chunk, in parallel.
pub(crate) fn build<W: Working>(
    dtype: DType,
    shape: &[usize],
    n: usize,
    control: &Control,
    compute: impl Fn(&mut [W], usize) -> Result<()> + Sync,
) -> Result<Tensor> {
    macro_rules! into {
        ($t:ty, $convert:expr) => {{
            let mut out = vec![<$t>::default(); n];
            fill(control, "compute", &mut out, values::CHUNK, |part, start| {
                let mut work = vec![W::default(); part.len()];
                compute(&mut work, start)?;
                part.iter_mut().zip(work).for_each(|(o, v)| *o = $convert(v));
                Ok(())
            })?;
            out
        }};
    }
    match dtype {
        DType::F64 => Tensor::from_values(into!(f64, |v: W| v.real()), shape),
        DType::F16 => Tensor::from_values(into!(f16, |v: W| f16::from_f64(v.real())), shape),
        DType::BF16 => Tensor::from_values(into!(bf16, |v: W| bf16::from_f64(v.real())), shape),
        DType::I64 => Tensor::from_values(into!(i64, |v: W| v.whole()), shape),
        DType::BOOL => Tensor::from_bools(into!(u8, |v: W| u8::from(v.whole() != 0)), shape),
        _ => Tensor::from_values(into!(f32, |v: W| v.real() as f32), shape),
    }
}
