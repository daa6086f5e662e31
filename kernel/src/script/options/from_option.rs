//! The types that options can have.

use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map};

/// A type that an option can have.
pub trait FromOption: Sized {
    /// The type as signatures call it: `"int"`.
    const KIND: &'static str = "any";
    /// What a person is told was expected: `"a whole number of at least 0"`.
    const EXPECTED: &'static str;
    /// The value, when it is of this type and in its range.
    fn from_option(value: &Dynamic) -> Option<Self>;
}

impl FromOption for bool {
    const KIND: &'static str = "bool";
    const EXPECTED: &'static str = "true or false";
    fn from_option(value: &Dynamic) -> Option<Self> {
        value.as_bool().ok()
    }
}

impl FromOption for i64 {
    const KIND: &'static str = "int";
    const EXPECTED: &'static str = "a whole number";
    fn from_option(value: &Dynamic) -> Option<Self> {
        // A float that is whole is what arithmetic leaves behind: 8.0 is meant as 8.
        let whole = |f: f64| (f.fract() == 0.0 && f.abs() < 9e15).then_some(f as i64);
        value.as_int().ok().or_else(|| value.as_float().ok().and_then(whole))
    }
}

macro_rules! unsigned {
    ($($type:ty)*) => { $(
        impl FromOption for $type {
            const KIND: &'static str = "int";
            const EXPECTED: &'static str = "a whole number of at least 0";
            fn from_option(value: &Dynamic) -> Option<Self> {
                i64::from_option(value).and_then(|n| n.try_into().ok())
            }
        }
    )* };
}
unsigned!(u32 u64 usize);

impl FromOption for f64 {
    const KIND: &'static str = "float";
    const EXPECTED: &'static str = "a finite number";
    fn from_option(value: &Dynamic) -> Option<Self> {
        value.as_float().ok().or_else(|| value.as_int().ok().map(|n| n as f64)).filter(|f| f.is_finite())
    }
}

impl FromOption for f32 {
    const KIND: &'static str = "float";
    const EXPECTED: &'static str = "a finite number";
    fn from_option(value: &Dynamic) -> Option<Self> {
        f64::from_option(value).map(|f| f as f32).filter(|f| f.is_finite())
    }
}

impl FromOption for String {
    const KIND: &'static str = "string";
    const EXPECTED: &'static str = "a string";
    fn from_option(value: &Dynamic) -> Option<Self> {
        value.read_lock::<ImmutableString>().map(|s| s.to_string())
    }
}

impl FromOption for Vec<String> {
    const KIND: &'static str = "string|array";
    const EXPECTED: &'static str = "a string or an array of strings";
    fn from_option(value: &Dynamic) -> Option<Self> {
        if let Some(one) = String::from_option(value) {
            return Some(vec![one]);
        }
        value.read_lock::<Array>()?.iter().map(String::from_option).collect()
    }
}

impl FromOption for Map {
    const KIND: &'static str = "map";
    const EXPECTED: &'static str = "a map #{…}";
    fn from_option(value: &Dynamic) -> Option<Self> {
        value.read_lock::<Map>().map(|m| m.clone())
    }
}

impl FromOption for Array {
    const KIND: &'static str = "array";
    const EXPECTED: &'static str = "an array";
    fn from_option(value: &Dynamic) -> Option<Self> {
        value.read_lock::<Array>().map(|a| a.clone())
    }
}

impl FromOption for FnPtr {
    const KIND: &'static str = "function";
    const EXPECTED: &'static str = "a function, such as |x| x";
    fn from_option(value: &Dynamic) -> Option<Self> {
        value.read_lock::<FnPtr>().map(|f| f.clone())
    }
}

impl FromOption for Dynamic {
    const KIND: &'static str = "any";
    const EXPECTED: &'static str = "any value";
    fn from_option(value: &Dynamic) -> Option<Self> {
        Some(value.clone())
    }
}
