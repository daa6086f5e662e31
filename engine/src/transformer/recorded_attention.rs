//! Attention whose matrix of scores is neither made nor kept on the way there, and made again a piece at a time on the way
//! back.

use super::attention::{capped, fused};
use super::attention_pieces::{WORK, rows_of};
use super::recorded::{Recorded, softmax_back};
use super::spec::Spec;
use crate::control::Control;
use crate::error::Result;
use candle_core::Tensor;

/// As [`super::attention::attend`], on the processor and without hooks on scores and pattern; `mask` is that of
/// `window` and `slopes`.
pub fn attend(
    spec: &Spec,
    window: Option<usize>,
    slopes: Option<&[f32]>,
    mask: Option<Tensor>,
    [q, k, v]: [&Tensor; 3],
    control: &Control,
) -> Result<Tensor> {
    let start = k.dim(1)? - q.dim(1)?;
    let z = fused(spec, start, window, slopes, [&q.detach(), &k.detach(), &v.detach()], control)?;
    let way = Way { scale: spec.attention_scale, cap: spec.attention_softcap, mask, control: control.clone() };
    let step = Recorded::new("attention", &z, move |inputs, _, g| way.back(inputs, g))?;
    let z = q.apply_op3(k, v, step);
    control.check()?;
    Ok(z?)
}

struct Way {
    scale: f64,
    cap: Option<f64>,
    mask: Option<Tensor>,
    control: Control,
}

impl Way {
    fn back(&self, [q, k, v]: [&Tensor; 3], gradient: &Tensor) -> Result<[Tensor; 3]> {
        let (batch, queries, heads, d) = q.dims4()?;
        let (stacks, keys, _) = k.dims3()?;
        let groups = batch * heads / stacks.max(1);
        // Heads side by side, each the rows of a matrix.
        let by_head = |t: &Tensor| t.transpose(1, 2)?.contiguous()?.reshape((batch * heads, queries, d));
        let (q, gradient) = ((by_head(q)? * self.scale)?, by_head(gradient)?);
        let step = (WORK / (keys * d).max(1)).clamp(1, queries.max(1));
        let (mut by_q, mut by_k, mut by_v) = (Vec::new(), Vec::new(), Vec::new());
        for stack in 0..stacks {
            let (k, v) = (k.get(stack)?, v.get(stack)?);
            let (mut k_sum, mut v_sum) = (k.zeros_like()?, v.zeros_like()?);
            for head in stack * groups..(stack + 1) * groups {
                for start in (0..queries).step_by(step) {
                    self.control.check()?;
                    let count = step.min(queries - start);
                    let (q, g) = (q.get(head)?.narrow(0, start, count)?, gradient.get(head)?.narrow(0, start, count)?);
                    let scores = capped(self.cap, q.matmul(&k.t()?)?)?;
                    let seen = match &self.mask {
                        Some(mask) => (&scores + rows_of(mask, head % heads.max(1), start, count)?)?,
                        None => scores.clone(),
                    };
                    let pattern = candle_nn::ops::softmax_last_dim(&seen)?;
                    v_sum = (v_sum + pattern.t()?.matmul(&g)?)?;
                    let by_scores = softmax_back(&pattern, &g.matmul(&v.t()?)?)?;
                    let by_scores = match self.cap {
                        Some(cap) => (by_scores * (scores / cap)?.sqr()?.affine(-1.0, 1.0)?)?,
                        None => by_scores,
                    };
                    by_q.push((by_scores.matmul(&k)? * self.scale)?);
                    k_sum = (k_sum + by_scores.t()?.matmul(&q)?)?;
                }
            }
            by_k.push(k_sum);
            by_v.push(v_sum);
        }
        let by_q = Tensor::cat(&by_q, 0)?.reshape((batch, heads, queries, d))?.transpose(1, 2)?.contiguous()?;
        Ok([by_q, Tensor::stack(&by_k, 0)?, Tensor::stack(&by_v, 0)?])
    }
}
