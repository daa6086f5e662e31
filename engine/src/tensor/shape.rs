//! Shapes: dimensions counted from either end, reshaping, transposing, joining, broadcasting.

use crate::error::{Error, Result};
use crate::tensor::{Tensor, elementwise, memory};
use candle_core::Tensor as Candle;

/// A dimension's position from a number that may count from the end.
pub(crate) fn axis(what: &str, dim: i64, rank: usize) -> Result<usize> {
    let n = rank as i64;
    let found = if dim < 0 { dim + n } else { dim };
    if found < 0 || found >= n {
        let expected = if rank == 0 {
            "a tensor with dimensions".to_owned()
        } else {
            format!("a dimension from {} to {}", -n, n - 1)
        };
        return Err(Error::argument(what, expected, dim.to_string()));
    }
    Ok(found as usize)
}

/// The shape two shapes broadcast to by NumPy's rules: aligned at the last dimension, equal or 1.
pub(crate) fn broadcast(what: &str, a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| (i + s.len()).checked_sub(rank).and_then(|j| s.get(j).copied()).unwrap_or(1);
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            _ => Err(Error::argument(
                what,
                "shapes that broadcast (equal or 1, aligned at the last dimension)",
                format!("{a:?} and {b:?}"),
            )),
        })
        .collect()
}

impl Tensor {
    /// The same values in row-major order under another shape. One dimension may be -1: whatever is left.
    pub fn reshape(&self, shape: &[i64]) -> Result<Self> {
        let n = self.elements();
        let wrong = || {
            Error::argument(
                "reshape",
                format!("a shape of {n} elements, as {:?} has (one dimension may be -1)", self.shape()),
                format!("{shape:?}"),
            )
        };
        let known = shape
            .iter()
            .filter(|d| **d != -1)
            .map(|d| usize::try_from(*d).map_err(|_| wrong()))
            .collect::<Result<Vec<_>>>()?;
        let product = memory::elements("reshape", &known)?;
        let rest = match shape.len() - known.len() {
            0 => None,
            1 if product > 0 && n.is_multiple_of(product) => Some(n / product),
            _ => return Err(wrong()),
        };
        let full: Vec<usize> =
            shape.iter().map(|d| usize::try_from(*d).ok().or(rest).ok_or_else(wrong)).collect::<Result<_>>()?;
        if memory::elements("reshape", &full)? != n {
            return Err(wrong());
        }
        self.with_shape(&full)
    }

    /// One dimension of all the values.
    pub fn flatten(&self) -> Result<Self> {
        self.with_shape(&[self.elements()])
    }

    /// Without its dimensions of length 1, or without the one named, which must have length 1.
    pub fn squeeze(&self, dim: Option<i64>) -> Result<Self> {
        let mut shape = self.shape().to_vec();
        match dim {
            None => shape.retain(|d| *d != 1),
            Some(dim) => {
                let at = axis("squeeze", dim, self.rank())?;
                let length = shape.remove(at);
                if length != 1 {
                    let found = format!("length {length} in shape {:?}", self.shape());
                    return Err(Error::argument(format!("squeeze({dim})"), "a dimension of length 1", found));
                }
            }
        }
        self.with_shape(&shape)
    }

    /// With a dimension of length 1 put in before `dim`; -1 appends it.
    pub fn unsqueeze(&self, dim: i64) -> Result<Self> {
        let at = axis("unsqueeze", dim, self.rank() + 1)?;
        let mut shape = self.shape().to_vec();
        shape.insert(at, 1);
        self.with_shape(&shape)
    }

    /// All dimensions in reverse order, as NumPy's `T`.
    pub fn t(&self) -> Result<Self> {
        let order: Vec<i64> = (0..self.rank() as i64).rev().collect();
        self.permute(&order)
    }

    /// Two dimensions exchanged.
    pub fn transpose(&self, a: i64, b: i64) -> Result<Self> {
        let (a, b) = (axis("transpose", a, self.rank())?, axis("transpose", b, self.rank())?);
        let mut order: Vec<i64> = (0..self.rank() as i64).collect();
        order.swap(a, b);
        self.permute(&order)
    }

    /// The dimensions in this order.
    pub fn permute(&self, order: &[i64]) -> Result<Self> {
        let axes = order.iter().map(|d| axis("permute", *d, self.rank())).collect::<Result<Vec<_>>>()?;
        let mut sorted = axes.clone();
        sorted.sort_unstable();
        if sorted.iter().enumerate().any(|(i, d)| i != *d) || sorted.len() != self.rank() {
            let expected = format!("each dimension of shape {:?} once", self.shape());
            return Err(Error::argument("permute", expected, format!("{order:?}")));
        }
        if self.rank() < 2 {
            return Ok(self.clone());
        }
        self.with_candle(self.host()?.permute(axes)?)
    }

    /// Repeated along dimensions of length 1 to fill `shape`.
    pub fn broadcast_to(&self, shape: &[usize]) -> Result<Self> {
        let full = broadcast("broadcast_to", self.shape(), shape)?;
        if full != shape {
            let found = format!("shape {:?}", self.shape());
            return Err(Error::argument("broadcast_to", format!("a shape that broadcasts to {shape:?}"), found));
        }
        memory::elements("broadcast_to", shape)?;
        self.with_candle(self.host()?.broadcast_as(shape)?)
    }

    /// Tensors joined along an existing dimension. Their other dimensions must be equal; types are promoted.
    pub fn cat(tensors: &[Self], dim: i64) -> Result<Self> {
        let first = tensors.first().ok_or_else(|| Error::argument("cat", "at least one tensor", "none"))?;
        let at = axis("cat", dim, first.rank())?;
        let same = |t: &Self| {
            t.rank() == first.rank()
                && t.shape().iter().zip(first.shape()).enumerate().all(|(i, (a, b))| i == at || a == b)
        };
        if let Some(other) = tensors.iter().find(|t| !same(t)) {
            return Err(Error::argument(
                "cat",
                format!("shapes like {:?}, equal but for dimension {at}", first.shape()),
                format!("{:?}", other.shape()),
            ));
        }
        let total = tensors.iter().map(Self::elements).fold(0usize, usize::saturating_add);
        memory::room_for("cat", total, size_of::<f64>())?;
        let dtype = tensors.iter().map(Self::dtype).reduce(elementwise::promote_joined).unwrap_or(first.dtype());
        // candle does not join empty tensors; they add nothing.
        let full: Vec<&Self> = tensors.iter().filter(|t| t.elements() > 0).collect();
        if full.is_empty() {
            let mut shape = first.shape().to_vec();
            if let Some(d) = shape.get_mut(at) {
                *d = tensors.iter().filter_map(|t| t.shape().get(at)).sum();
            }
            return Self::from_vec(Vec::new(), &shape)?.cast(dtype);
        }
        let parts = full
            .iter()
            .map(|t| t.cast(dtype)?.host()?.contiguous().map_err(Error::from))
            .collect::<Result<Vec<Candle>>>()?;
        let joined = Self::from_candle(Candle::cat(&parts, at)?)?;
        if dtype == crate::format::DType::BOOL { joined.cast(dtype) } else { Ok(joined) }
    }

    /// Tensors of one shape joined along a new dimension.
    pub fn stack(tensors: &[Self], dim: i64) -> Result<Self> {
        let lifted = tensors.iter().map(|t| t.unsqueeze(dim)).collect::<Result<Vec<_>>>()?;
        if let Some((a, b)) = tensors.iter().zip(tensors.iter().skip(1)).find(|(a, b)| a.shape() != b.shape()) {
            let expected = format!("tensors of one shape, {:?}", a.shape());
            return Err(Error::argument("stack", expected, format!("{:?}", b.shape())));
        }
        let first = tensors.first().ok_or_else(|| Error::argument("stack", "at least one tensor", "none"))?;
        Self::cat(&lifted, axis("stack", dim, first.rank() + 1)? as i64)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::format::DType;

    fn count(shape: &[usize]) -> Tensor {
        Tensor::from_vec((0..shape.iter().product::<usize>()).map(|i| i as f32).collect(), shape).unwrap()
    }

    #[test]
    fn reshape_infers_one_dimension_and_says_what_is_wrong() {
        let t = count(&[2, 3, 4]);
        assert_eq!(t.reshape(&[4, -1]).unwrap().shape(), [4, 6]);
        assert_eq!(t.reshape(&[-1]).unwrap().to_vec().unwrap(), t.to_vec().unwrap());
        let e = t.reshape(&[5, -1]).unwrap_err().to_string();
        assert_eq!(
            e,
            "reshape: expected a shape of 24 elements, as [2, 3, 4] has (one dimension may be -1), found [5, -1]"
        );
        assert!(t.reshape(&[-1, -1]).is_err() && t.reshape(&[-2, 12]).is_err());
        assert!(t.reshape(&[i64::MAX, i64::MAX]).is_err());
    }

    #[test]
    fn dimensions_move() {
        let t = count(&[2, 3, 4]);
        assert_eq!(t.t().unwrap().shape(), [4, 3, 2]);
        let p = t.permute(&[2, 0, 1]).unwrap();
        assert_eq!(p.shape(), [4, 2, 3]);
        // numpy: np.arange(24).reshape(2,3,4).transpose(2,0,1).ravel()[:8]
        assert_eq!(p.to_vec().unwrap()[..8], [0., 4., 8., 12., 16., 20., 1., 5.]);
        assert_eq!(t.transpose(-1, 0).unwrap().shape(), [4, 3, 2]);
        assert_eq!(t.unsqueeze(-1).unwrap().shape(), [2, 3, 4, 1]);
        assert_eq!(t.unsqueeze(0).unwrap().squeeze(None).unwrap().shape(), [2, 3, 4]);
        assert!(t.squeeze(Some(0)).is_err() && t.permute(&[0, 0, 1]).is_err() && t.permute(&[0, 1]).is_err());
        let e = t.transpose(3, 0).unwrap_err().to_string();
        assert_eq!(e, "transpose: expected a dimension from -3 to 2, found 3");
    }

    #[test]
    fn tensors_join() {
        let (a, b) = (count(&[2, 2]), count(&[1, 2]).cast(DType::I64).unwrap());
        let c = Tensor::cat(&[a.clone(), b.clone()], 0).unwrap();
        assert_eq!((c.shape(), c.dtype()), (&[3, 2][..], DType::F32));
        assert_eq!(c.to_vec().unwrap(), [0., 1., 2., 3., 0., 1.]);
        assert_eq!(
            Tensor::stack(&[a.clone(), a.clone()], 1).unwrap().to_vec().unwrap(),
            [0., 1., 0., 1., 2., 3., 2., 3.]
        );
        assert_eq!(Tensor::stack(&[a.clone(), a.clone()], -1).unwrap().shape(), [2, 2, 2]);
        assert!(Tensor::stack(&[a.clone(), b.clone()], 0).is_err());
        assert!(Tensor::cat(&[a, b], 1).is_err());
        assert!(Tensor::cat(&[], 0).is_err());
    }
}
