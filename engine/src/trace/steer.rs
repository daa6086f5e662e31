//! Steering (Turner et al., 2023): a model that adds a vector to an activation in every pass.

use super::select::Selection;
use crate::error::{Error, Result};
use crate::model::{Model, Steer};
use crate::tensor::Tensor;
use crate::transformer::{Dim, HookPoint, Point};

/// A second handle of the same weights, in whose passes `factor · vector` is added at the hook points that match
/// `pattern`, for every token: in generations, sessions and scores as in runs that are looked into. Of a handle that is
/// steered already, both are added. The model itself stays as it is.
///
/// # Errors
/// A pattern that matches nothing, or a point with no place for each token; a vector that is not of the activation's
/// shape `[hidden]` (or `[heads, head_dim]`), or not finite; a backend without hook points.
pub fn steer(model: &Model, pattern: &str, vector: &Tensor, factor: f64) -> Result<Model> {
    if !factor.is_finite() {
        return Err(Error::argument("steer", "a finite factor", factor.to_string()));
    }
    let norm = vector.norm()?;
    if !norm.is_finite() {
        return Err(Error::argument("steer", "a vector of finite numbers", "NaN or infinity in it"));
    }
    let chosen = Selection::new(&model.backend().hook_points()?, &[pattern])?;
    let vector = vector.to_candle()?.to_dtype(candle_core::DType::F32)?;
    let additions = chosen.points().iter().map(|point| {
        let shape = fitting(point, vector.dims())?;
        Ok((point.point, point.layer, (vector.reshape(shape)? * factor)?))
    });
    let backend = model.backend().steered(&additions.collect::<Result<Vec<_>>>()?)?;
    let steer = Steer { pattern: pattern.to_owned(), points: chosen.points().len(), factor, norm };
    Ok(model.steered(backend, steer))
}

/// The shape of what is added at a point for one token; dimensions of 1 may stand before it.
fn fitting(point: &HookPoint, found: &[usize]) -> Result<Vec<usize>> {
    let wrong =
        |expected: String, found: String| Error::argument(format!("steer at {:?}", point.name), expected, found);
    let addable = point.shape.split_first().filter(|_| point.point != Point::ExpertIndices);
    let Some((Dim::Pos, one)) = addable else {
        let expected = "a hook point with a row of values per token, such as blocks.0.hook_resid_post".to_owned();
        return Err(wrong(expected, format!("one of shape {}", point.shape_text())));
    };
    let one: Vec<usize> = one.iter().map(|dim| dim.size(1, 0)).collect();
    let bare = found.len().checked_sub(one.len()).map(|extra| found.split_at(extra));
    match bare {
        Some((extra, rest)) if extra.iter().all(|n| *n == 1) && rest == one => Ok(one),
        _ => Err(wrong(format!("a vector of shape {one:?}, added for every token"), format!("shape {found:?}"))
            .with_help("take one row of an activation, r[name][-1], or the mean of its rows, r[name].mean(0)")),
    }
}
