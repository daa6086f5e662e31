//! Weights from a file of tensors, checked against the spec.

use super::bindings::{self, Names};
use super::matrix::Matrix;
use super::spec::Spec;
use super::weights::{Part, Source, Weight};
use crate::control::Control;
use crate::cpu::integer::Precision;
use crate::error::{Error, Result};
use crate::format::{DType, TensorFile, TensorInfo, dequantize, quantize};
use candle_core::{Device, Tensor};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What the weights of a load take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Number of weights.
    pub parameters: u64,
    /// Bytes used in place, in the file's mapping.
    pub mapped: u64,
    /// Bytes allocated, on any device.
    pub allocated: u64,
    /// Bytes of each storage type, in the order met.
    pub by_dtype: Vec<(DType, u64)>,
}

impl Footprint {
    /// The type that holds most of the bytes.
    pub fn main_dtype(&self) -> Option<DType> {
        self.by_dtype.iter().max_by_key(|(_, bytes)| *bytes).map(|(dtype, _)| *dtype)
    }

    fn count(&mut self, dtype: DType, elements: usize, bytes: u64, mapped: bool) {
        self.parameters += elements as u64;
        *(if mapped { &mut self.mapped } else { &mut self.allocated }) += bytes;
        match self.by_dtype.iter_mut().find(|(d, _)| *d == dtype) {
            Some((_, sum)) => *sum += bytes,
            None => self.by_dtype.push((dtype, bytes)),
        }
    }
}

/// Values converted between two looks at the interrupt: some milliseconds of work for the slowest type.
const PIECE: usize = 1 << 18;

/// Tensors a configuration may ask for beyond those there are before it is taken for nonsense: enough to name what is
/// missing, too few to fill memory with names.
const BEYOND: u64 = 100_000;

/// How matrices shall be held, where not as the file has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Storage {
    /// Every matrix in this type.
    pub dtype: Option<DType>,
    /// Dense matrices in this quantized type; the embedding and the output layer in one that costs them less.
    pub quantize: Option<DType>,
    /// What activations are rounded to before many of them meet a quantized matrix; `None`: they stay f32.
    pub rounding: Option<Precision>,
}

/// Reads weights from a file: matrices stay where they are, vectors become f32.
#[derive(Debug)]
pub struct FileSource<'a> {
    file: Arc<dyn TensorFile>,
    storage: Storage,
    /// Names of the embedding and the output layer.
    outer: [String; 2],
    device: Device,
    control: &'a Control,
    /// Matrices that were to be quantized and are not.
    left: usize,
    total: u64,
    footprint: Footprint,
}

impl<'a> FileSource<'a> {
    /// Checks that `file` holds exactly the tensors of `spec`, in the right shapes, and makes it ready to be read.
    ///
    /// `storage` asks for matrices held otherwise than in the file; on a device other than the CPU they are f32.
    pub fn new(
        file: Arc<dyn TensorFile>,
        spec: &Spec,
        names: &Names,
        storage: Storage,
        device: &Device,
        control: &'a Control,
    ) -> Result<Self> {
        check_weights(&*file, spec, names)?;
        let total = file.tensors().iter().map(|t| t.bytes).sum();
        let outer = [bindings::Slot::Embed, bindings::Slot::Head].map(|slot| names.tensor(slot, 0, 0, "weight"));
        Ok(Self {
            file,
            storage,
            outer,
            device: device.clone(),
            control,
            left: 0,
            total,
            footprint: Footprint::default(),
        })
    }

    /// What was read so far takes.
    pub fn footprint(&self) -> &Footprint {
        &self.footprint
    }

    /// Reports that the load is complete, and what could not be quantized as asked.
    pub fn finish(&self) {
        if let Some(to) = self.storage.quantize.filter(|_| self.left > 0) {
            self.control.warn(format!(
                "{} matrices are not held as {to}: they are quantized already, or their rows do not fill its blocks of {}",
                self.left,
                to.block()
            ));
        }
        self.control.progress(&self.label(), self.total, self.total, "B");
    }

    fn label(&self) -> String {
        let name = self.file.path().file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        format!("load {name}")
    }

    fn progress(&self) -> Result<()> {
        self.control.check()?;
        let done = (self.footprint.mapped + self.footprint.allocated).min(self.total.saturating_sub(1));
        self.control.progress(&self.label(), done, self.total, "B");
        Ok(())
    }

    /// The type a matrix of `cols` columns is converted to, if to any: one whose blocks do not fit the rows falls back to
    /// what the file has.
    fn target(&self, name: &str, stored: DType, cols: usize) -> Option<DType> {
        let fits = |d: &DType| *d != stored && d.bytes_for(cols).is_some();
        let quantize = self.storage.quantize.filter(|_| !stored.is_quantized());
        // What llama.cpp does as well: these two matter most, and there is one of each.
        let outer = quantize.filter(|_| self.outer.iter().any(|n| n == name)).map(|_| [DType::Q6_K, DType::Q8_0]);
        match (self.storage.dtype, outer) {
            (Some(dtype), _) => Some(dtype).filter(fits),
            (None, Some(types)) => types.into_iter().find(fits),
            (None, None) => quantize.filter(fits),
        }
    }

    fn convert(&self, stored: Matrix, to: DType) -> Result<Matrix> {
        let [rows, cols] = stored.shape();
        let whole = to.bytes_for(rows.saturating_mul(cols)).and_then(|n| usize::try_from(n).ok());
        let mut bytes = Vec::with_capacity(whole.unwrap_or(0));
        // In parts, so that the f32 form of a large matrix never exists as a whole and an interrupt is seen soon.
        let step = (PIECE / cols.max(1)).max(1);
        for start in (0..rows).step_by(step) {
            self.control.check()?;
            let values = stored.expand(start..(start + step).min(rows))?;
            bytes.extend(quantize(&values, to)?);
        }
        Matrix::owned(bytes, to, rows, cols)
    }
}

impl Source for FileSource<'_> {
    fn matrix(&mut self, name: &str, part: Part) -> Result<Weight> {
        let stored = Matrix::mapped(self.file.clone(), self.file.index_of(name)?, part, self.control)?;
        let [rows, cols] = stored.shape();
        let weight = if self.device.is_cpu() {
            let target = self.target(name, stored.dtype(), cols);
            if self.storage.quantize.is_some() && target.is_none() {
                self.left += 1;
            }
            let matrix = match target {
                Some(to) => self.convert(stored, to)?,
                None => stored,
            };
            self.footprint.count(matrix.dtype(), rows * cols, matrix.bytes(), matrix.is_mapped());
            Weight::Stored(matrix.rounding(self.storage.rounding))
        } else {
            let tensor = Tensor::from_vec(stored.expand(0..rows)?, (rows, cols), &self.device)?;
            self.footprint.count(DType::F32, rows * cols, (rows * cols * 4) as u64, false);
            Weight::Dense(tensor)
        };
        self.progress()?;
        Ok(weight)
    }

    fn vector(&mut self, name: &str, start: usize, size: usize) -> Result<Tensor> {
        let index = self.file.index_of(name)?;
        let all = self.file.tensors().get(index).map_or((DType::F32, 0), |t| (t.dtype, t.elements()));
        let mut values = vec![0.0; all.1];
        dequantize(all.0, self.file.data(index)?, &mut values)?;
        let values = values.get(start..start + size).ok_or_else(|| {
            Error::argument(name, format!("at least {} values", start + size), format!("{}", values.len()))
        })?;
        self.footprint.count(DType::F32, size, (size * 4) as u64, false);
        Ok(Tensor::from_slice(values, size, &self.device)?)
    }

    fn ones(&self, size: usize) -> Result<Tensor> {
        Ok(Tensor::ones(size, candle_core::DType::F32, &self.device)?)
    }
}

/// Whether `file` holds exactly the tensors of `spec`, in the right shapes.
///
/// # Errors
/// Names every tensor that is missing, of the wrong shape, or that nothing uses.
pub fn check_weights(file: &dyn TensorFile, spec: &Spec, names: &Names) -> Result<()> {
    let (asked, there) = (bindings::expected_count(spec), file.tensors().len() as u64);
    if asked > there.saturating_add(BEYOND) {
        let what = format!("the configuration asks for at least {asked} tensors, the file has {there}");
        return Err(
            Error::format(file.path(), what).with_help("the configuration and the weights must be of the same model")
        );
    }
    let expected = bindings::expected(spec, names);
    let mut problems = Vec::new();
    let found: HashMap<&str, &TensorInfo> = file.tensors().iter().map(|t| (t.name.as_str(), t)).collect();
    for e in &expected {
        match found.get(e.name.as_str()) {
            None => problems.push(format!("{} is missing", e.name)),
            Some(t) if t.shape != e.shape => {
                problems.push(format!("{} has shape {:?} where {:?} is expected", e.name, t.shape, e.shape));
            }
            Some(_) => {}
        }
    }
    let known: HashSet<&str> = expected.iter().map(|e| e.name.as_str()).collect();
    let head = names.tensor(bindings::Slot::Head, 0, 0, "weight");
    for t in file.tensors() {
        // Some writers store a tied output layer a second time.
        let repeated = spec.tied && t.name == head;
        if !known.contains(t.name.as_str()) && !bindings::is_derived(&t.name) && !repeated {
            problems.push(format!("{} is not part of this architecture", t.name));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    const SHOWN: usize = 5;
    let more = problems.len().saturating_sub(SHOWN);
    problems.truncate(SHOWN);
    let mut text = problems.join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    let what = format!(
        "the weights do not fit architecture {:?} with {} layers: {text}",
        spec.architecture,
        spec.layers.len()
    );
    Err(Error::format(file.path(), what).with_help("the configuration and the weights must be of the same model"))
}
