//! Shapes: reshaping, turning, joining.

use super::convert::{integers, sizes, tensor};
use crate::script::define;
use crate::script::error::guard;
use minerva_engine::tensor::Tensor;
use minerva_engine::{Error, Result};
use rhai::{Array, Dynamic, Engine};

pub fn register(engine: &mut Engine) {
    let doc = "The same values in row-major order under another shape; one dimension may be -1.";
    define("reshape", &["t: Tensor", "shape: array", "Tensor"], doc)
        .example("arange(6).reshape([2, -1]).shape // → [2, 3]")
        .register_into_engine(engine, |t: Tensor, shape: Array| guard(|| t.reshape(&integers("reshape", &shape)?)));
    define("flatten", &["t: Tensor", "Tensor"], "All values in one dimension.")
        .example("ones([2, 3]).flatten().shape // → [6]")
        .register_into_engine(engine, |t: Tensor| guard(|| t.flatten()));
    define("squeeze", &["t: Tensor", "Tensor"], "Without the dimensions of length 1.")
        .example("ones([1, 3, 1]).squeeze().shape // → [3]")
        .register_into_engine(engine, |t: Tensor| guard(|| t.squeeze(None)));
    define("squeeze", &["t: Tensor", "dim: int", "Tensor"], "Without this dimension, which must have length 1.")
        .example("ones([1, 3, 1]).squeeze(0).shape // → [3, 1]")
        .register_into_engine(engine, |t: Tensor, dim: i64| guard(|| t.squeeze(Some(dim))));
    define("unsqueeze", &["t: Tensor", "dim: int", "Tensor"], "With a dimension of length 1 put in before dim.")
        .example("ones([3]).unsqueeze(0).shape // → [1, 3]")
        .register_into_engine(engine, |t: Tensor, dim: i64| guard(|| t.unsqueeze(dim)));
    define("transpose", &["t: Tensor", "Tensor"], "With the dimensions in reverse order; the same as t.T.")
        .example("ones([2, 3]).transpose().shape // → [3, 2]")
        .register_into_engine(engine, |t: Tensor| guard(|| t.t()));
    define("transpose", &["t: Tensor", "a: int", "b: int", "Tensor"], "With two dimensions exchanged.")
        .example("ones([2, 3, 4]).transpose(0, 2).shape // → [4, 3, 2]")
        .register_into_engine(engine, |t: Tensor, a: i64, b: i64| guard(|| t.transpose(a, b)));
    define("permute", &["t: Tensor", "order: array", "Tensor"], "With the dimensions in this order.")
        .example("ones([2, 3, 4]).permute([1, 2, 0]).shape // → [3, 4, 2]")
        .register_into_engine(engine, |t: Tensor, order: Array| guard(|| t.permute(&integers("permute", &order)?)));
    define("broadcast_to", &["t: Tensor", "shape: array", "Tensor"], "Repeated along dimensions of length 1.")
        .example("ones([1, 3]).broadcast_to([2, 3]).shape // → [2, 3]")
        .register_into_engine(engine, |t: Tensor, shape: Dynamic| {
            guard(|| t.broadcast_to(&sizes("broadcast_to", &shape)?))
        });
    let first = "Tensors joined along the first dimension.";
    define("cat", &["tensors: array", "Tensor"], first)
        .example("cat([ones([2]), zeros([1])]).to_array() // → [1.0, 1.0, 0.0]")
        .register_into_engine(engine, |list: Array| guard(|| Tensor::cat(&tensors("cat", &list)?, 0)));
    define("cat", &["tensors: array", "dim: int", "Tensor"], "Tensors joined along a dimension.")
        .example("cat([ones([2, 1]), zeros([2, 2])], 1).shape // → [2, 3]")
        .register_into_engine(engine, |list: Array, dim: i64| guard(|| Tensor::cat(&tensors("cat", &list)?, dim)));
    define("stack", &["tensors: array", "Tensor"], "Tensors of one shape joined along a new first dimension.")
        .example("stack([ones([3]), zeros([3])]).shape // → [2, 3]")
        .register_into_engine(engine, |list: Array| guard(|| Tensor::stack(&tensors("stack", &list)?, 0)));
    define("stack", &["tensors: array", "dim: int", "Tensor"], "Tensors of one shape joined along a new dimension.")
        .example("stack([ones([3]), zeros([3])], 1).shape // → [3, 2]")
        .register_into_engine(engine, |list: Array, dim: i64| guard(|| Tensor::stack(&tensors("stack", &list)?, dim)));
}

fn tensors(what: &str, list: &Array) -> Result<Vec<Tensor>> {
    if list.is_empty() {
        return Err(Error::argument(what, "an array of tensors", "an empty array"));
    }
    list.iter().map(tensor).collect()
}
