//! Products with stored matrices that gradients pass through.

use super::matrix::Matrix;
use crate::control::Control;
use crate::error::{Error, Result};
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Shape, Storage, Tensor};

/// Weights expanded to f32 at a time on the way back, 8 MB.
const EXPANDED: usize = 2 << 20;

/// `x · Wᵀ` as an operation of candle's: it keeps the matrix, not its expansion, for the way back.
struct Projection {
    matrix: Matrix,
    control: Control,
}

impl Matrix {
    /// As [`Matrix::project`], for an `x` whose gradient will be asked for. The weights themselves get none.
    pub fn project_tracked(&self, x: &Tensor, control: &Control) -> Result<Tensor> {
        let operation = Projection { matrix: self.clone(), control: control.clone() };
        let result = x.contiguous()?.apply_op1(operation);
        // What candle hands on of an interrupt is its text.
        control.check()?;
        Ok(result?)
    }

    /// `grad · W` for `grad` of shape `[…, rows]`: `[…, cols]`.
    fn project_back(&self, grad: &Tensor, control: &Control) -> Result<Tensor> {
        let [rows, cols] = self.shape();
        let mut shape = grad.dims().to_vec();
        if shape.pop() != Some(rows) {
            let expected = format!("a last dimension of {rows}");
            return Err(Error::argument("gradient of a projection", expected, format!("{:?}", grad.dims())));
        }
        let count: usize = shape.iter().product();
        shape.push(cols);
        let grad = grad.reshape((count, rows))?;
        let step = (EXPANDED / cols.max(1)).max(1);
        let mut sum = Tensor::zeros((count, cols), DType::F32, &Device::Cpu)?;
        for start in (0..rows).step_by(step) {
            control.check()?;
            let end = (start + step).min(rows);
            let w = Tensor::from_vec(self.expand(start..end)?, (end - start, cols), &Device::Cpu)?;
            sum = (sum + grad.narrow(1, start, end - start)?.contiguous()?.matmul(&w)?)?;
        }
        Ok(sum.reshape(shape)?)
    }
}

impl CustomOp1 for Projection {
    fn name(&self) -> &'static str {
        "projection"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let values = storage.as_slice::<f32>()?;
        let (start, end) = layout
            .contiguous_offsets()
            .ok_or_else(|| candle_core::Error::Msg("a projection needs contiguous values".into()))?;
        let values = values.get(start..end).unwrap_or_default().to_vec();
        let x = Tensor::from_vec(values, layout.shape(), &Device::Cpu)?;
        let y = self.matrix.project(&x, &self.control).map_err(candle_core::Error::wrap)?.contiguous()?;
        let shape = y.shape().clone();
        let (storage, layout) = y.storage_and_layout();
        match (&*storage, layout.contiguous_offsets()) {
            (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) => {
                Ok((CpuStorage::F32(values.get(start..end).unwrap_or_default().to_vec()), shape))
            }
            _ => Err(candle_core::Error::Msg("a projection gives f32 on the processor".into())),
        }
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> candle_core::Result<Option<Tensor>> {
        self.matrix.project_back(grad, &self.control).map(Some).map_err(candle_core::Error::wrap)
    }
}
