//! From what a pickle describes to tensors with names.

use super::pickle::{Pickle, RawTensor, Value};
use super::problem::{Problem, Result, STATE_DICT};
use crate::format::Metadata;
use std::collections::HashSet;

/// The names and tensors of a checkpoint, in its own order, and what stands beside them.
#[derive(Debug, Default)]
pub(super) struct StateDict<'p> {
    pub(super) tensors: Vec<(String, RawTensor<'p>)>,
    /// Plain values among the tensors, as text.
    pub(super) metadata: Metadata,
    names: HashSet<String>,
}

impl<'p> StateDict<'p> {
    /// Lists a dict of tensors. Tensors one level down (`{"model": {…}, "epoch": 3}`) are listed too: under their own names
    /// when only one dict has any and nothing stands beside it, as `model.NAME` otherwise.
    pub(super) fn of(pickle: &mut Pickle<'p>) -> Result<Self> {
        let Value::Dict(top) = pickle.top else {
            let found = match pickle.top {
                Value::Tensor(_) => "a tensor without a name",
                Value::List | Value::Tuple(_) => "a list",
                _ => "a plain value",
            };
            let help = "save tensors with names: torch.save({\"x\": tensor}, \"x.pt\")";
            return Err(Problem::new(format!("expected a dict of tensors, found {found}"), help));
        };
        let entries = take(pickle, top);
        let groups = entries.iter().filter(|(_, v)| group(pickle, v).is_some()).count();
        let bare = groups == 1 && !entries.iter().any(|(_, v)| matches!(v, Value::Tensor(_)));
        let mut out = Self::default();
        for (key, value) in &entries {
            let Value::Text(key) = key else { continue };
            let Some(dict) = group(pickle, value) else {
                out.add(pickle, (*key).to_owned(), value)?;
                continue;
            };
            let prefix = if bare { String::new() } else { format!("{key}.") };
            if bare {
                out.metadata.insert("state_dict".to_owned(), (*key).into());
            }
            // A dict that two keys share is listed under both: its entries are put back.
            let inner = take(pickle, dict);
            for (name, value) in &inner {
                if let Value::Text(name) = name {
                    pickle.charge(prefix.len() / 16)?;
                    out.add(pickle, format!("{prefix}{name}"), value)?;
                }
            }
            if let Some(place) = pickle.dicts.get_mut(dict) {
                *place = inner;
            }
        }
        if out.tensors.is_empty() {
            let keys: Vec<&str> = entries
                .iter()
                .filter_map(|(k, _)| if let Value::Text(k) = k { Some(*k) } else { None })
                .take(6)
                .collect();
            let what = format!("expected a dict of tensors, found one without any (keys: {})", keys.join(", "));
            return Err(Problem::new(what, STATE_DICT));
        }
        Ok(out)
    }

    fn add(&mut self, pickle: &mut Pickle<'p>, name: String, value: &Value<'p>) -> Result<()> {
        pickle.charge(1 + name.len() / 16)?;
        let text = match value {
            Value::Tensor(tensor) => {
                let Some(tensor) = pickle.tensors.get(*tensor).copied() else { return Ok(()) };
                pickle.charge(pickle.tuple(tensor.shape).len())?;
                if !self.names.insert(name.clone()) {
                    return Err(Problem::damaged(format!("two tensors are named {name:?}")));
                }
                self.tensors.push((name, tensor));
                return Ok(());
            }
            Value::Text(text) => {
                pickle.charge(text.len() / 16)?;
                (*text).to_owned()
            }
            Value::Int(n) => n.to_string(),
            Value::Float(x) => x.to_string(),
            Value::Bool(b) => b.to_string(),
            _ => return Ok(()),
        };
        self.metadata.insert(name, text.into());
        Ok(())
    }
}

/// The dict that a value is, when it has tensors.
fn group(pickle: &Pickle, value: &Value) -> Option<usize> {
    let Value::Dict(dict) = value else { return None };
    pickle.dicts.get(*dict)?.iter().any(|(_, v)| matches!(v, Value::Tensor(_))).then_some(*dict)
}

fn take<'p>(pickle: &mut Pickle<'p>, dict: usize) -> Vec<(Value<'p>, Value<'p>)> {
    pickle.dicts.get_mut(dict).map(std::mem::take).unwrap_or_default()
}
