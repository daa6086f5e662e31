//! Reads the values of a tensor in row-major order, a range at a time, wherever they are and however they are stored.

use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::{DType, TensorFile, dequantize};
use crate::tensor::meter::Meter;
use candle_core::{CpuStorage, Storage};
use half::{bf16, f16};
use rayon::prelude::*;
use std::sync::Arc;

/// Values per task of parallel work: small enough for a cache, and a multiple of every block size.
pub(crate) const CHUNK: usize = 1 << 15;

/// What values are read as.
pub(crate) trait Number: Copy + Default + Send + Sync + 'static {
    fn of_f64(v: f64) -> Self;
    fn of_f32(v: f32) -> Self;
    fn of_i64(v: i64) -> Self;
    fn of_u64(v: u64) -> Self;
}

macro_rules! number {
    ($($t:ty),*) => {$(
        impl Number for $t {
            #[inline(always)]
            fn of_f64(v: f64) -> Self { v as $t }
            #[inline(always)]
            fn of_f32(v: f32) -> Self { v as $t }
            #[inline(always)]
            fn of_i64(v: i64) -> Self { v as $t }
            #[inline(always)]
            fn of_u64(v: u64) -> Self { v as $t }
        }
    )*};
}
number!(f32, f64, i64);

/// The values of one tensor.
#[derive(Clone)]
pub(crate) enum Values {
    /// A contiguous candle tensor on the CPU.
    Memory(candle_core::Tensor),
    /// `len` values of a file's tensor from value `start` on.
    File { file: Arc<dyn TensorFile>, index: usize, dtype: DType, start: usize, len: usize },
}

impl Values {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Memory(t) => t.elem_count(),
            Self::File { len, .. } => *len,
        }
    }

    /// Fills `out` with the values from `start` on.
    pub(crate) fn read<T: Number>(&self, start: usize, out: &mut [T]) -> Result<()> {
        if start.checked_add(out.len()).is_none_or(|end| end > self.len()) {
            return Err(Error::argument(
                "reading a tensor",
                format!("a range within {} values", self.len()),
                format!("{} values from {start}", out.len()),
            ));
        }
        match self {
            Self::Memory(t) => read_memory(t, start, out),
            Self::File { file, index, dtype, start: base, .. } => {
                let short = || {
                    let name = file.tensors().get(*index).map_or("", |t| t.name.as_str());
                    Error::format(file.path(), format!("tensor {name:?} has less data than its shape needs"))
                };
                read_bytes(*dtype, file.data(*index)?, base + start, out, short)
            }
        }
    }

    /// Every value, with the rest of the process's threads helping.
    pub(crate) fn collect<T: Number>(&self, control: &Control, label: &str) -> Result<Vec<T>> {
        let mut all = vec![T::default(); self.len()];
        self.fill(control, label, &mut all, |chunk, start| self.read(start, chunk))?;
        Ok(all)
    }

    /// Fills `out` in parallel: `write` gets a chunk of it and the position of the chunk's first value.
    pub(crate) fn fill<T: Send>(
        &self,
        control: &Control,
        label: &str,
        out: &mut [T],
        write: impl Fn(&mut [T], usize) -> Result<()> + Sync,
    ) -> Result<()> {
        fill(control, label, out, CHUNK, write)
    }

    /// Folds each chunk of values to one result, in parallel; results come in the order of the chunks, so that merging
    /// them gives the same sum on any number of threads.
    pub(crate) fn scan<R: Send>(
        &self,
        control: &Control,
        label: &str,
        fold: impl Fn(&[f64], usize) -> R + Sync,
    ) -> Result<Vec<R>> {
        let len = self.len();
        let meter = Meter::new(control, label, len, "values");
        let results = (0..len.div_ceil(CHUNK))
            .into_par_iter()
            .map_init(Vec::new, |buffer: &mut Vec<f64>, i| {
                let start = i * CHUNK;
                buffer.resize(CHUNK.min(len - start), 0.0);
                meter.step(buffer.len())?;
                self.read(start, buffer)?;
                Ok(fold(buffer, start))
            })
            .collect::<Result<Vec<R>>>()?;
        meter.finish();
        Ok(results)
    }
}

/// Fills `out` in parallel, `chunk` values at a time: `write` gets a chunk and the position of its first value.
pub(crate) fn fill<T: Send>(
    control: &Control,
    label: &str,
    out: &mut [T],
    chunk: usize,
    write: impl Fn(&mut [T], usize) -> Result<()> + Sync,
) -> Result<()> {
    let meter = Meter::new(control, label, out.len(), "values");
    let chunk = chunk.max(1);
    out.par_chunks_mut(chunk).enumerate().try_for_each(|(i, part)| {
        meter.step(part.len())?;
        write(part, i * chunk)
    })?;
    meter.finish();
    Ok(())
}

fn read_memory<T: Number>(tensor: &candle_core::Tensor, start: usize, out: &mut [T]) -> Result<()> {
    let (guard, layout) = tensor.storage_and_layout();
    let from = layout.start_offset() + start;
    let to = from + out.len();
    macro_rules! copy {
        ($v:expr, $convert:expr) => {{
            let part =
                $v.get(from..to).ok_or_else(|| Error::backend("candle", "a tensor is shorter than its shape"))?;
            for (o, v) in out.iter_mut().zip(part) {
                *o = $convert(*v);
            }
        }};
    }
    let Storage::Cpu(storage) = &*guard else {
        return Err(Error::backend("candle", "a tensor that should be on the CPU is not"));
    };
    match storage {
        CpuStorage::U8(v) => copy!(v, |v| T::of_u64(u64::from(v))),
        CpuStorage::U32(v) => copy!(v, |v| T::of_u64(u64::from(v))),
        CpuStorage::I16(v) => copy!(v, |v| T::of_i64(i64::from(v))),
        CpuStorage::I32(v) => copy!(v, |v| T::of_i64(i64::from(v))),
        CpuStorage::I64(v) => copy!(v, T::of_i64),
        CpuStorage::BF16(v) => copy!(v, |v: bf16| T::of_f32(v.to_f32())),
        CpuStorage::F16(v) => copy!(v, |v: f16| T::of_f32(v.to_f32())),
        CpuStorage::F32(v) => copy!(v, T::of_f32),
        CpuStorage::F64(v) => copy!(v, T::of_f64),
        _ => return Err(Error::unsupported(format!("computing with {:?} values", tensor.dtype()), "")),
    }
    Ok(())
}

fn read_bytes<T: Number>(
    dtype: DType,
    data: &[u8],
    start: usize,
    out: &mut [T],
    short: impl Fn() -> Error,
) -> Result<()> {
    macro_rules! plain {
        ($t:ty, $convert:expr) => {{
            const SIZE: usize = size_of::<$t>();
            let part = data.get(start * SIZE..(start + out.len()) * SIZE).ok_or_else(short)?;
            let (items, _) = part.as_chunks::<SIZE>();
            for (o, b) in out.iter_mut().zip(items) {
                *o = $convert(<$t>::from_le_bytes(*b));
            }
        }};
    }
    match dtype {
        DType::F32 => plain!(f32, T::of_f32),
        DType::F64 => plain!(f64, T::of_f64),
        DType::F16 => plain!(f16, |v: f16| T::of_f32(v.to_f32())),
        DType::BF16 => plain!(bf16, |v: bf16| T::of_f32(v.to_f32())),
        DType::I8 => plain!(i8, |v| T::of_i64(i64::from(v))),
        DType::I16 => plain!(i16, |v| T::of_i64(i64::from(v))),
        DType::I32 => plain!(i32, |v| T::of_i64(i64::from(v))),
        DType::I64 => plain!(i64, T::of_i64),
        DType::U8 | DType::BOOL => plain!(u8, |v| T::of_u64(u64::from(v))),
        DType::U16 => plain!(u16, |v| T::of_u64(u64::from(v))),
        DType::U32 => plain!(u32, |v| T::of_u64(u64::from(v))),
        DType::U64 => plain!(u64, T::of_u64),
        _ => {
            // Blocks: decode the ones that cover the range, and keep the part asked for.
            let block = dtype.block();
            let first = start / block;
            let last = (start + out.len()).div_ceil(block);
            let bytes = data.get(first * dtype.block_bytes()..last * dtype.block_bytes()).ok_or_else(short)?;
            let mut decoded = vec![0f32; (last - first) * block];
            dequantize(dtype, bytes, &mut decoded)?;
            let part = decoded.get(start - first * block..).unwrap_or_default();
            for (o, v) in out.iter_mut().zip(part) {
                *o = T::of_f32(*v);
            }
        }
    }
    Ok(())
}
