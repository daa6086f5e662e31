//! The tensor handle.

use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::{DType, TensorFile};
use crate::tensor::memory;
use crate::tensor::values::Values;
use candle_core::{DType as CandleType, Device, Tensor as Candle};
use half::{bf16, f16};
use std::sync::Arc;

/// A tensor: a name, a type, a shape, and values in memory or still in their file. Cloning copies none of them.
#[derive(Clone)]
pub struct Tensor {
    name: Option<Arc<str>>,
    dtype: DType,
    shape: Arc<[usize]>,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Memory(Candle),
    /// A window of a file's tensor: whole entries of its outer dimensions, from value `start` on.
    File {
        file: Arc<dyn TensorFile>,
        index: usize,
        start: usize,
    },
}

impl Tensor {
    /// A tensor of candle's, on whatever device it is.
    pub fn from_candle(tensor: Candle) -> Result<Self> {
        let dtype = of_candle(tensor.dtype())
            .ok_or_else(|| Error::unsupported(format!("a candle tensor of type {:?}", tensor.dtype()), ""))?;
        Ok(Self { name: None, dtype, shape: tensor.dims().into(), source: Source::Memory(tensor) })
    }

    /// Whether both are one tensor in memory: copies of a handle, not tensors of equal values.
    pub fn is_same(&self, other: &Self) -> bool {
        matches!((&self.source, &other.source), (Source::Memory(a), Source::Memory(b)) if a.id() == b.id())
    }

    /// The tensor at a position of a file. Nothing is read until values are needed.
    pub fn from_file(file: Arc<dyn TensorFile>, index: usize) -> Result<Self> {
        let info = file.tensors().get(index).ok_or_else(|| {
            Error::argument("tensor index", format!("less than {}", file.tensors().len()), index.to_string())
        })?;
        let (name, dtype, shape) = (info.name.as_str().into(), info.dtype, info.shape.as_slice().into());
        Ok(Self { name: Some(name), dtype, shape, source: Source::File { file, index, start: 0 } })
    }

    /// The tensor of this name in a file; an unknown name is an error that suggests the nearest.
    pub fn from_file_named(file: Arc<dyn TensorFile>, name: &str) -> Result<Self> {
        let index = file.index_of(name)?;
        Self::from_file(file, index)
    }

    /// An F32 tensor of row-major values.
    pub fn from_vec(values: Vec<f32>, shape: &[usize]) -> Result<Self> {
        Self::from_values(values, shape)
    }

    /// An F64 tensor of row-major values.
    pub fn from_f64(values: Vec<f64>, shape: &[usize]) -> Result<Self> {
        Self::from_values(values, shape)
    }

    /// Values of any type candle stores; their number must be that of the shape.
    pub(crate) fn from_values<T: candle_core::WithDType>(values: Vec<T>, shape: &[usize]) -> Result<Self> {
        let expected = memory::elements("tensor", shape)?;
        if expected != values.len() {
            return Err(Error::argument(
                "tensor",
                format!("{expected} values for shape {shape:?}"),
                format!("{} values", values.len()),
            ));
        }
        Self::from_candle(Candle::from_vec(values, shape, &Device::Cpu)?)
    }

    /// Truth values, one byte each.
    pub(crate) fn from_bools(values: Vec<u8>, shape: &[usize]) -> Result<Self> {
        Ok(Self { dtype: DType::BOOL, ..Self::from_values(values, shape)? })
    }

    /// The same tensor under a name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Its name; results of computations have none.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Row-major shape, outermost dimension first. A scalar's is empty.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of values.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// How the values are stored: in the file while they are there, in memory afterwards.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Bytes that the values take where they are.
    pub fn bytes(&self) -> u64 {
        // A window of a quantized tensor may end inside a block.
        let blocks = self.elements().div_ceil(self.dtype.block()) as u64;
        blocks.saturating_mul(self.dtype.block_bytes() as u64)
    }

    /// Whether the values are in memory rather than still in their file.
    pub fn is_loaded(&self) -> bool {
        matches!(self.source, Source::Memory(_))
    }

    /// Where the values are: `"cpu"`, `"cuda:0"`, `"metal:0"`, `"file"`.
    pub fn device(&self) -> String {
        match &self.source {
            Source::File { .. } => "file".to_owned(),
            Source::Memory(t) => match t.device().location() {
                candle_core::DeviceLocation::Cpu => "cpu".to_owned(),
                candle_core::DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
                candle_core::DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
            },
        }
    }

    /// A copy whose values are in memory: quantized ones as F32, others in the type they are stored in (types that candle
    /// lacks in the next one that holds all their values).
    pub fn load(&self, control: &Control) -> Result<Self> {
        match &self.source {
            Source::Memory(_) => Ok(self.clone()),
            Source::File { .. } => {
                let loaded = self.cast_with(memory_type(self.dtype), control)?;
                Ok(Self { name: self.name.clone(), ..loaded })
            }
        }
    }

    /// The values as a candle tensor: as they are when in memory, else loaded as [`Tensor::load`] does.
    pub fn to_candle(&self) -> Result<Candle> {
        match &self.source {
            Source::Memory(t) => Ok(t.clone()),
            Source::File { .. } => match self.load(&Control::default())?.source {
                Source::Memory(t) => Ok(t),
                Source::File { .. } => Err(Error::backend("candle", "a tensor could not be loaded")),
            },
        }
    }

    /// All values as F32, row-major.
    pub fn to_vec(&self) -> Result<Vec<f32>> {
        memory::room_for(&self.describe("the values of"), self.elements(), size_of::<f32>())?;
        self.values()?.collect(&Control::default(), &self.describe("read"))
    }

    /// All values as F64, row-major: exact for every type but the largest 64-bit integers.
    pub fn to_vec_f64(&self) -> Result<Vec<f64>> {
        memory::room_for(&self.describe("the values of"), self.elements(), size_of::<f64>())?;
        self.values()?.collect(&Control::default(), &self.describe("read"))
    }

    /// All values as integers, row-major; fractions are cut off.
    pub fn to_vec_i64(&self) -> Result<Vec<i64>> {
        memory::room_for(&self.describe("the values of"), self.elements(), size_of::<i64>())?;
        self.values()?.collect(&Control::default(), &self.describe("read"))
    }

    /// The only value of a tensor of one element.
    pub fn item(&self) -> Result<f64> {
        self.one()?;
        let mut out = [0f64];
        self.values()?.read(0, &mut out)?;
        Ok(out[0])
    }

    /// The only value, as an integer: exact for I64.
    pub fn item_i64(&self) -> Result<i64> {
        self.one()?;
        let mut out = [0i64];
        self.values()?.read(0, &mut out)?;
        Ok(out[0])
    }

    fn one(&self) -> Result<()> {
        if self.elements() == 1 {
            return Ok(());
        }
        Err(Error::argument("item()", "a tensor of one element", format!("shape {:?}", self.shape))
            .with_help("index it first: t[0], t[\"2, -1\"]; or use to_array()"))
    }

    /// The same values in another type: F64, F32, F16, BF16, I64, I32, I16, U32, U8 or BOOL (non-zero is true). Integers from fractions
    /// are cut off towards zero.
    pub fn cast(&self, dtype: DType) -> Result<Self> {
        self.cast_with(dtype, &Control::default())
    }

    pub(crate) fn cast_with(&self, dtype: DType, control: &Control) -> Result<Self> {
        if dtype == self.dtype && self.is_loaded() {
            return Ok(self.clone());
        }
        let label = self.describe("load");
        memory::room_for(&label, self.elements(), dtype.block_bytes())?;
        let values = self.values()?;
        let (n, shape) = (self.elements(), self.shape());
        macro_rules! through {
            ($from:ty, $to:ty, $convert:expr) => {{
                let mut out = vec![<$to>::default(); n];
                values.fill(control, &label, &mut out, |part, start| {
                    let mut read = vec![<$from>::default(); part.len()];
                    values.read(start, &mut read)?;
                    for (o, v) in part.iter_mut().zip(read) {
                        *o = $convert(v);
                    }
                    Ok(())
                })?;
                out
            }};
        }
        match dtype {
            DType::F64 => Self::from_values(values.collect::<f64>(control, &label)?, shape),
            DType::F32 => Self::from_values(values.collect::<f32>(control, &label)?, shape),
            DType::I64 => Self::from_values(values.collect::<i64>(control, &label)?, shape),
            DType::F16 => Self::from_values(through!(f64, f16, f16::from_f64), shape),
            DType::BF16 => Self::from_values(through!(f64, bf16, bf16::from_f64), shape),
            DType::I32 => Self::from_values(through!(i64, i32, |v| v as i32), shape),
            DType::I16 => Self::from_values(through!(i64, i16, |v| v as i16), shape),
            DType::U32 => Self::from_values(through!(i64, u32, |v| v as u32), shape),
            DType::U8 => Self::from_values(through!(i64, u8, |v| v as u8), shape),
            DType::BOOL => Self::from_bools(through!(f64, u8, |v: f64| u8::from(v != 0.0)), shape),
            other => Err(Error::argument("cast", "F64, F32, F16, BF16, I64, I32, I16, U32, U8 or BOOL", other.name())),
        }
    }

    /// The values, on this machine's memory or in the file, in row-major order.
    pub(crate) fn values(&self) -> Result<Values> {
        Ok(match &self.source {
            Source::Memory(t) => Values::Memory(t.to_device(&Device::Cpu)?.contiguous()?),
            Source::File { file, index, start } => Values::File {
                file: file.clone(),
                index: *index,
                dtype: self.dtype,
                start: *start,
                len: self.elements(),
            },
        })
    }

    /// The candle tensor on the CPU, for computations.
    pub(crate) fn host(&self) -> Result<Candle> {
        Ok(self.to_candle()?.to_device(&Device::Cpu)?)
    }

    /// A result of shape operations on this tensor: same type and values, other shape.
    pub(crate) fn with_candle(&self, tensor: Candle) -> Result<Self> {
        let dtype = if self.dtype == DType::BOOL { Some(DType::BOOL) } else { None };
        let made = Self::from_candle(tensor)?;
        Ok(Self { dtype: dtype.unwrap_or(made.dtype), ..made })
    }

    /// Entries `first..first + count` of the outermost dimension; values of a file stay there. The caller has checked the range.
    pub(crate) fn window(&self, first: usize, count: usize) -> Result<Self> {
        let Some((_, inner)) = self.shape.split_first() else {
            return Ok(self.clone());
        };
        let shape: Arc<[usize]> = std::iter::once(count).chain(inner.iter().copied()).collect();
        let name = if count == self.shape.first().copied().unwrap_or(0) { self.name.clone() } else { None };
        match &self.source {
            Source::Memory(t) => self.with_candle(t.narrow(0, first, count)?),
            Source::File { file, index, start } => {
                let start = start + first * inner.iter().product::<usize>();
                let source = Source::File { file: file.clone(), index: *index, start };
                Ok(Self { name, dtype: self.dtype, shape, source })
            }
        }
    }

    /// The same values in the same order under another shape of as many elements. The caller has checked that.
    pub(crate) fn with_shape(&self, shape: &[usize]) -> Result<Self> {
        match &self.source {
            Source::Memory(t) => self.with_candle(t.reshape(shape)?),
            Source::File { .. } => Ok(Self { shape: shape.into(), ..self.clone() }),
        }
    }

    /// `"load blk.0.attn_q.weight"`: a label for progress and errors.
    pub(crate) fn describe(&self, what: &str) -> String {
        match &self.name {
            Some(name) => format!("{what} {name}"),
            None => format!("{what} {}{:?}", self.dtype.name().to_lowercase(), self.shape),
        }
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({})", self.describe("").trim_start())
    }
}

/// The type in which values of `dtype` are computed with in memory.
pub(crate) fn memory_type(dtype: DType) -> DType {
    match dtype {
        DType::F64 | DType::F16 | DType::BF16 | DType::I64 | DType::I32 | DType::I16 => dtype,
        DType::U32 | DType::U8 | DType::BOOL => dtype,
        DType::I8 => DType::I16,
        DType::U16 => DType::U32,
        DType::U64 => DType::I64,
        _ => DType::F32,
    }
}

fn of_candle(dtype: CandleType) -> Option<DType> {
    Some(match dtype {
        CandleType::U8 => DType::U8,
        CandleType::U32 => DType::U32,
        CandleType::I16 => DType::I16,
        CandleType::I32 => DType::I32,
        CandleType::I64 => DType::I64,
        CandleType::BF16 => DType::BF16,
        CandleType::F16 => DType::F16,
        CandleType::F32 => DType::F32,
        CandleType::F64 => DType::F64,
        _ => return None,
    })
}
