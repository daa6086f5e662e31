//! `t[0]`, `t["0:3, :, -1"]`, `t[2..5]`, `t[[0, 2]]`, `t[mask]`, and `for row in t`.

use super::convert::integers;
use crate::script::error::{ScriptResult, guard, raise};
use minerva_engine::Error;
use minerva_engine::format::DType;
use minerva_engine::tensor::{Index, Tensor};
use rhai::{Array, Dynamic, Engine, Module};
use std::ops::{Range, RangeInclusive};

pub fn register(engine: &mut Engine) {
    engine.register_indexer_get(|t: &mut Tensor, i: i64| guard(|| t.index(i)));
    engine.register_indexer_get(|t: &mut Tensor, index: &str| guard(|| t.slice(index)));
    engine.register_indexer_get(|t: &mut Tensor, r: Range<i64>| between(t, r.start, Some(r.end)));
    engine.register_indexer_get(|t: &mut Tensor, r: RangeInclusive<i64>| {
        // 0..=-1 is everything.
        between(t, *r.start(), r.end().checked_add(1).filter(|e| *e != 0))
    });
    engine.register_indexer_get(|t: &mut Tensor, list: Array| -> ScriptResult<Tensor> {
        guard(|| t.indexed(&[Index::List(integers("index", &list)?)]))
    });
    engine.register_indexer_get(|t: &mut Tensor, at: Tensor| {
        guard(|| if at.dtype() == DType::BOOL { t.masked(&at) } else { t.take(&at) })
    });
    let mut rows = Module::new();
    rows.set_iter_result(std::any::TypeId::of::<Tensor>(), |value| Box::new(Rows::of(value)));
    engine.register_global_module(rows.into());
}

fn between(t: &Tensor, start: i64, stop: Option<i64>) -> ScriptResult<Tensor> {
    guard(|| t.indexed(&[Index::Range { start: Some(start), stop, step: 1 }]))
}

/// The entries of the outermost dimension, one after the other.
struct Rows {
    tensor: Option<Tensor>,
    next: i64,
}

impl Rows {
    fn of(value: Dynamic) -> Self {
        Self { tensor: value.try_cast::<Tensor>(), next: 0 }
    }
}

impl Iterator for Rows {
    type Item = ScriptResult<Dynamic>;

    fn next(&mut self) -> Option<Self::Item> {
        let t = self.tensor.as_ref()?;
        let Some(length) = t.shape().first() else {
            self.tensor = None;
            return Some(Err(raise(Error::argument("for", "a tensor with dimensions", "a scalar"))));
        };
        if self.next >= *length as i64 {
            return None;
        }
        let row = guard(|| t.index(self.next)).map(Dynamic::from);
        self.next += 1;
        Some(row)
    }
}
