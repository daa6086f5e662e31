//! Which type shows itself how.

use super::{Bundle, Table, value};
use rhai::{Dynamic, Variant};
use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

type Show = Arc<dyn Fn(&Dynamic) -> Option<Bundle> + Send + Sync>;

/// The registry of types that know how to show themselves. Cloning it shares it.
///
/// A noun of the script API registers here once (through [`crate::script::Host::shows`]); the language's own values
/// (numbers, strings, arrays, maps) are known already.
#[derive(Clone, Default)]
pub struct Shows(Arc<RwLock<HashMap<TypeId, Show>>>);

impl Shows {
    /// Registers how values of type `T` show themselves, replacing what was registered before.
    pub fn add<T: Variant + Clone>(&self, show: impl Fn(&T) -> Bundle + Send + Sync + 'static) {
        let show = move |value: &Dynamic| value.read_lock::<T>().map(|v| show(&v));
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(TypeId::of::<T>(), Arc::new(show));
    }

    /// The bundle of any value.
    pub fn bundle(&self, value: &Dynamic) -> Bundle {
        if let Some(bundle) = self.registered(value) {
            return bundle;
        }
        match Table::from_value(value, &|v| self.text(v)) {
            Some(table) => table.bundle(),
            None => Bundle::text(value::text(value, &|v| self.inner(v))),
        }
    }

    /// One value as plain text, as it stands inside an array, a map or a table cell.
    pub fn text(&self, value: &Dynamic) -> String {
        match self.registered(value) {
            Some(bundle) => bundle.plain().to_owned(),
            None => value::text(value, &|v| self.inner(v)),
        }
    }

    /// A value inside an array or a map, which itself is neither, nor one of the language's own.
    fn inner(&self, value: &Dynamic) -> String {
        self.registered(value).map_or_else(|| value::unknown(value), |bundle| bundle.plain().to_owned())
    }

    fn registered(&self, value: &Dynamic) -> Option<Bundle> {
        let show = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&value.type_id()).cloned();
        show.and_then(|show| show(value))
    }
}
