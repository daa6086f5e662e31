//! The bytes of a GGUF tensor, from the rows that its recipe names.

use super::plan::{Recipe, Run};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::format::{DType, TensorFile, TensorInfo, dequantize, quantize};
use std::borrow::Cow;

/// Values converted between two looks at the interrupt: a few milliseconds of work.
const PIECE: usize = 1 << 18;

/// Makes the bytes, as `dtype`. A tensor that is stored so already is handed on where it lies.
pub(super) fn make<'a>(
    file: &'a dyn TensorFile,
    recipe: &Recipe,
    dtype: DType,
    control: &Control,
) -> Result<Cow<'a, [u8]>> {
    if let Some(bytes) = as_it_is(file, recipe, dtype)? {
        return Ok(bytes.into());
    }
    let elements: usize = recipe.shape.iter().product();
    let bytes = dtype.bytes_for(elements).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let mut out = Vec::with_capacity(bytes);
    let mut values: Vec<f32> = Vec::with_capacity(PIECE);
    let mut flush = |values: &mut Vec<f32>| -> Result<()> {
        control.check()?;
        out.extend_from_slice(&quantize(values, dtype).map_err(|e| named(e, recipe))?);
        values.clear();
        Ok(())
    };
    let step = (PIECE / recipe.cols.max(1)).max(1);
    let mut open: Option<(&Run, Rows)> = None;
    for run in &recipe.runs {
        // Rows that change their order are many runs of one tensor.
        let source = match open.take() {
            Some((last, rows)) if last.tensor == run.tensor => rows,
            _ => Rows::of(file, run, recipe.cols)?,
        };
        for start in (0..run.rows).step_by(step) {
            let rows = step.min(run.rows - start);
            let from = values.len();
            source.read(run.start + start, rows, &mut values)?;
            if run.scale != 1.0 || recipe.offset != 0.0 {
                values.iter_mut().skip(from).for_each(|v| *v = (*v + recipe.offset) * run.scale);
            }
            // A vector is a column of rows of one value: blocks must not be cut.
            if values.len() >= PIECE && (recipe.cols > 1 || values.len().is_multiple_of(dtype.block())) {
                flush(&mut values)?;
            }
        }
        open = Some((run, source));
    }
    flush(&mut values)?;
    Ok(out.into())
}

/// The tensor's own bytes, where the recipe takes one whole and changes nothing.
fn as_it_is<'a>(file: &'a dyn TensorFile, recipe: &Recipe, dtype: DType) -> Result<Option<&'a [u8]>> {
    let [run] = recipe.runs.as_slice() else { return Ok(None) };
    let index = file.index_of(&run.tensor)?;
    let Some(info) = file.tensors().get(index) else { return Ok(None) };
    let elements: usize = recipe.shape.iter().product();
    let whole = info.elements() == elements && info.dtype == dtype;
    let plain = !run.transposed && run.scale == 1.0 && recipe.offset == 0.0;
    if whole && plain { file.data(index).map(Some) } else { Ok(None) }
}

/// The rows of a hub tensor.
struct Rows<'a> {
    info: &'a TensorInfo,
    data: &'a [u8],
    cols: usize,
    transposed: bool,
}

impl<'a> Rows<'a> {
    fn of(file: &'a dyn TensorFile, run: &Run, cols: usize) -> Result<Self> {
        let index = file.index_of(&run.tensor)?;
        let wrong = || Error::argument(&*run.tensor, "a tensor of the file", "none");
        let info = file.tensors().get(index).ok_or_else(wrong)?;
        info.dtype.computable()?;
        Ok(Self { info, data: file.data(index)?, cols, transposed: run.transposed })
    }

    fn read(&self, start: usize, rows: usize, out: &mut Vec<f32>) -> Result<()> {
        if self.transposed {
            return self.read_columns(start, rows, out);
        }
        let at = |row: usize| self.info.dtype.bytes_for(row * self.cols).and_then(|n| usize::try_from(n).ok());
        let bytes = at(start).zip(at(start + rows)).and_then(|(from, to)| self.data.get(from..to));
        let bytes = bytes.ok_or_else(|| self.short(start + rows))?;
        let from = out.len();
        out.resize(from + rows * self.cols, 0.0);
        let values = out.get_mut(from..).unwrap_or_default();
        dequantize(self.info.dtype, bytes, values)
    }

    /// Rows that are stored as columns of `[cols, all rows]`.
    fn read_columns(&self, start: usize, rows: usize, out: &mut Vec<f32>) -> Result<()> {
        let all = self.info.shape.last().copied().unwrap_or(0);
        let width = self.info.dtype.block_bytes();
        let from = out.len();
        out.resize(from + rows * self.cols, 0.0);
        let mut line = vec![0.0; rows];
        for col in 0..self.cols {
            let first = (col * all + start) * width;
            let bytes = self.data.get(first..first + rows * width).filter(|_| start + rows <= all);
            dequantize(self.info.dtype, bytes.ok_or_else(|| self.short(start + rows))?, &mut line)?;
            for (row, value) in line.iter().enumerate() {
                if let Some(place) = out.get_mut(from + row * self.cols + col) {
                    *place = *value;
                }
            }
        }
        Ok(())
    }

    fn short(&self, rows: usize) -> Error {
        let expected = format!("at least {rows} rows of {}", self.cols);
        Error::argument(&self.info.name, expected, format!("shape {:?}", self.info.shape))
    }
}

fn named(error: Error, recipe: &Recipe) -> Error {
    match error {
        Error::Numeric(text) => Error::Numeric(format!("tensor {:?}: {text}", recipe.name)),
        other => other,
    }
}
