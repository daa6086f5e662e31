//! The steps of eager attention in pieces, on plain tensors: a long text's scores take seconds, and whoever waits for them
//! may change their mind.

use super::attention::capped;
use super::slices;
use crate::control::Control;
use crate::error::Result;
use candle_core::{Device, Tensor};

/// Multiply-adds between two looks at the interrupt: some 10 ms. In tests little, so that small texts come in pieces.
pub const WORK: usize = if cfg!(test) { 1 << 8 } else { 1 << 28 };
/// Values between two looks where each takes an exponential: some 10 ms.
const VALUES: usize = if cfg!(test) { 1 << 5 } else { 1 << 22 };

/// `cap(q kᵀ) + mask` for scaled `q`, `[stacks, groups * queries, d]`, and `k`, `[stacks, keys, d]`:
/// `[stacks, groups * queries, keys]`. The mask is `[queries, keys]` or `[heads, queries, keys]`.
pub fn scores(
    [q, k]: [&Tensor; 2],
    cap: Option<f64>,
    mask: Option<&Tensor>,
    queries: usize,
    control: &Control,
) -> Result<Tensor> {
    let heads = mask.filter(|m| m.rank() == 3).map_or(Ok(1), |m| m.dim(0))?;
    let ((stacks, rows, d), keys) = (q.dims3()?, k.dim(1)?);
    let (groups, step) = (rows / queries.max(1), (WORK / (keys * d).max(1)).clamp(1, queries.max(1)));
    let mut out = Vec::with_capacity(stacks * rows * keys);
    for stack in 0..stacks {
        let k = k.narrow(0, stack, 1)?.transpose(1, 2)?;
        for group in 0..groups {
            // A batch has the heads of its first row again.
            let head = (stack * groups + group) % heads.max(1);
            for start in (0..queries).step_by(step) {
                control.check()?;
                let count = step.min(queries - start);
                let q = q.narrow(0, stack, 1)?.narrow(1, group * queries + start, count)?.contiguous()?;
                let part = capped(cap, q.matmul(&k)?)?;
                let part = match mask {
                    Some(mask) => part.broadcast_add(&rows_of(mask, head, start, count)?)?,
                    None => part,
                };
                append(&mut out, &part)?;
            }
        }
    }
    Ok(Tensor::from_vec(out, (stacks, rows, keys), &Device::Cpu)?)
}

/// What a mask, `[queries, keys]` or `[heads, queries, keys]`, says of some queries of a head.
pub fn rows_of(mask: &Tensor, head: usize, start: usize, count: usize) -> Result<Tensor> {
    let mask = if mask.rank() == 3 { mask.get(head)? } else { mask.clone() };
    Ok(mask.narrow(0, start, count)?)
}

/// Softmax over the last dimension.
pub fn softmax(x: &Tensor, control: &Control) -> Result<Tensor> {
    let keys = x.dims().last().copied().unwrap_or(1).max(1);
    let flat = x.contiguous()?.reshape(((), keys))?;
    let (rows, step) = (flat.dim(0)?, (VALUES / keys).max(1));
    let mut out = Vec::with_capacity(rows * keys);
    for start in (0..rows).step_by(step) {
        control.check()?;
        append(&mut out, &candle_nn::ops::softmax_last_dim(&flat.narrow(0, start, step.min(rows - start))?)?)?;
    }
    Ok(Tensor::from_vec(out, x.shape(), &Device::Cpu)?)
}

/// `a · b` for `[stacks, rows, inner]` and `[stacks, inner, columns]`.
pub fn product(a: &Tensor, b: &Tensor, control: &Control) -> Result<Tensor> {
    let ((stacks, rows, inner), columns) = (a.dims3()?, b.dim(2)?);
    let step = (WORK / (inner * columns).max(1)).clamp(1, rows.max(1));
    let mut out = Vec::with_capacity(stacks * rows * columns);
    for stack in 0..stacks {
        let b = b.narrow(0, stack, 1)?.contiguous()?;
        for start in (0..rows).step_by(step) {
            control.check()?;
            let part = a.narrow(0, stack, 1)?.narrow(1, start, step.min(rows - start))?.contiguous()?;
            append(&mut out, &part.matmul(&b)?)?;
        }
    }
    Ok(Tensor::from_vec(out, (stacks, rows, columns), &Device::Cpu)?)
}

fn append(out: &mut Vec<f32>, part: &Tensor) -> Result<()> {
    slices::with(part, |values| {
        out.extend_from_slice(values);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::error::Error;
    use crate::transformer::attention;

    fn random(shape: (usize, usize, usize)) -> Tensor {
        Tensor::randn(0f32, 1.0, shape, &Device::Cpu).unwrap()
    }

    fn off(a: &Tensor, b: &Tensor) -> f32 {
        assert_eq!(a.dims(), b.dims());
        (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn pieces_make_the_whole() {
        let control = Control::default();
        let (queries, groups, d) = (37, 2, 8);
        let (q, k) = (random((3, groups * queries, d)), random((3, queries, d)));
        let whole = q.matmul(&k.transpose(1, 2).unwrap()).unwrap();
        let made = scores([&q, &k], None, None, queries, &control).unwrap();
        assert!(off(&made, &whole) < 1e-5);
        for (slopes, heads) in [(None, 1), (Some([0.5f32, 0.25, 0.125, 0.1, 0.05, 0.01].as_slice()), 6)] {
            let mask = attention::mask(0, queries, Some(9), slopes, &Device::Cpu, &control).unwrap().unwrap();
            let made = scores([&q, &k], Some(2.0), Some(&mask), queries, &control).unwrap();
            let shaped = |t: &Tensor| t.reshape((6, queries, queries)).unwrap();
            let soft = ((&whole / 2.0).unwrap().tanh().unwrap() * 2.0).unwrap();
            let masked = shaped(&soft).broadcast_add(&mask).unwrap();
            assert_eq!(mask.rank(), if heads == 1 { 2 } else { 3 });
            let (a, b) = (softmax(&made, &control).unwrap(), candle_nn::ops::softmax_last_dim(&masked).unwrap());
            assert!(off(&shaped(&a), &b) < 1e-6);
            let v = random((3, queries, d));
            let z = product(&a, &v, &control).unwrap();
            assert!(off(&z, &b.reshape(a.shape()).unwrap().matmul(&v).unwrap()) < 1e-5);
        }
    }

    #[test]
    fn every_step_stops_when_asked_to() {
        let control = Control::default();
        control.interrupt.raise();
        let x = random((2, 20, 20));
        let stopped = [
            scores([&x, &x], None, None, 20, &control).map(drop),
            softmax(&x, &control).map(drop),
            product(&x, &x, &control).map(drop),
        ];
        assert!(stopped.iter().all(|r| matches!(r, Err(Error::Interrupted))));
    }
}
