//! The notebook's variables: one shared cell per name, seen by every cell, function and closure.

use rhai::{Dynamic, Scope};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Variables by name. Cloning it shares it.
///
/// Every value is a *shared* Rhai value, so that reading one hands out a reference and an assignment, wherever it is
/// made, changes the one cell.
#[derive(Clone, Default)]
pub struct Variables {
    cells: Arc<RwLock<BTreeMap<String, Dynamic>>>,
    adopted: Arc<AtomicUsize>,
}

impl Variables {
    /// The cell of a variable.
    pub fn get(&self, name: &str) -> Option<Dynamic> {
        self.cells.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Defines a constant.
    pub fn set_constant(&self, name: &str, value: Dynamic) {
        self.put(name, value.into_read_only().into_shared());
    }

    /// Names, in order.
    pub fn names(&self) -> Vec<String> {
        self.cells.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Removes all variables but this one.
    pub fn clear_but(&self, kept: &str) {
        self.cells.write().unwrap_or_else(PoisonError::into_inner).retain(|name, _| name == kept);
    }

    /// Makes what a statement defined at the top level of a cell a notebook variable.
    ///
    /// A name that is defined again keeps its cell: closures that captured it see the new value, as functions do, when
    /// the cell that defines it is run again. The language puts a second definition within one cell into the scope's
    /// place of the first; its name is `again`.
    pub fn adopt(&self, scope: &mut Scope<'_>, from: usize, again: Option<&str>) {
        // The newest entry comes first.
        let new = scope.len().saturating_sub(from);
        self.adopted.store(scope.len(), Ordering::Relaxed);
        let mut fresh: Vec<(String, bool)> =
            scope.iter_raw().take(new).map(|(name, constant, _)| (name.to_owned(), constant)).collect();
        fresh.extend(again.and_then(|name| Some((name.to_owned(), scope.is_constant(name)?))));
        for (name, constant) in fresh {
            if constant {
                if let Some(value) = scope.get(&name).cloned() {
                    self.set_constant(&name, value.flatten());
                }
            } else if let Some(value) = scope.get_mut(&name) {
                let cell = self.define(&name, value.take().flatten());
                *value = cell;
            }
        }
    }

    /// How many variables at the bottom of the running cell's scope are the notebook's.
    pub fn adopted(&self) -> usize {
        self.adopted.load(Ordering::Relaxed)
    }

    /// Says that a cell starts, whose scope is empty.
    pub fn begin(&self) {
        self.adopted.store(0, Ordering::Relaxed);
    }

    /// Removes variables that a panic left locked for good, and names them.
    pub fn drop_broken(&self) -> Vec<String> {
        let mut all = self.cells.write().unwrap_or_else(PoisonError::into_inner);
        let broken: Vec<String> = all.iter().filter(|(_, v)| v.is_locked()).map(|(k, _)| k.clone()).collect();
        for name in &broken {
            all.remove(name);
        }
        broken
    }

    /// Defines a variable from outside of a script, or gives it another value.
    pub fn set(&self, name: &str, value: Dynamic) {
        drop(self.define(name, value));
    }

    fn define(&self, name: &str, value: Dynamic) -> Dynamic {
        if let Some(mut cell) = self.get(name).filter(|cell| !cell.is_read_only()) {
            let kept = match cell.write_lock::<Dynamic>() {
                Some(mut inside) => {
                    *inside = value.clone();
                    true
                }
                None => false,
            };
            if kept {
                return cell;
            }
        }
        let cell = value.into_shared();
        self.put(name, cell.clone());
        cell
    }

    fn put(&self, name: &str, cell: Dynamic) {
        self.cells.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), cell);
    }
}
