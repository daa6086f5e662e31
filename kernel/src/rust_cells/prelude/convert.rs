//! Between [`Value`] and the types of Rust.

use super::{Tensor, Value};
use std::collections::{BTreeMap, HashMap};

/// A type that a script's value can become.
#[diagnostic::on_unimplemented(
    message = "a script has no value that becomes a `{Self}`",
    label = "not a type that values come in as",
    note = "numbers, bool, String, Vec, Option, tuples, maps with String keys, minerva::Tensor and minerva::Value do"
)]
pub trait FromScript: Sized {
    /// The value as this type, or what was expected and found.
    fn from_script(value: Value) -> Result<Self, String>;
}

/// A type that can become a script's value.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` cannot become a value of the notebook",
    label = "not a type that values go out as",
    note = "numbers, bool, strings, Vec, arrays, Option, tuples, maps with text keys, minerva::Tensor and minerva::Value can"
)]
pub trait ToScript {
    /// The script's value, or the error it raises there.
    fn to_script(&self) -> Result<Value, String>;
}

fn wrong<T>(expected: &str, found: &Value) -> Result<T, String> {
    let shown = match found {
        Value::Int(_) | Value::Float(_) | Value::Bool(_) => format!("{found:?}").replace(['(', ')'], " "),
        other => other.type_name().to_owned(),
    };
    Err(format!("expected {expected}, found {}", shown.trim()))
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl FromScript for $t {
            fn from_script(value: Value) -> Result<Self, String> {
                match value {
                    Value::Int(v) => <$t>::try_from(v).or_else(|_| wrong(stringify!($t), &Value::Int(v))),
                    other => wrong(stringify!($t), &other),
                }
            }
        }
        impl ToScript for $t {
            fn to_script(&self) -> Result<Value, String> {
                i64::try_from(*self).map(Value::Int).map_err(|_| format!("{self} does not fit a script's int (i64)"))
            }
        }
    )*};
}
integers!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

macro_rules! floats {
    ($($t:ty),*) => {$(
        impl FromScript for $t {
            fn from_script(value: Value) -> Result<Self, String> {
                value.as_f64().map_or_else(|| wrong(stringify!($t), &value), |v| Ok(v as $t))
            }
        }
        impl ToScript for $t {
            fn to_script(&self) -> Result<Value, String> {
                Ok(Value::Float(f64::from(*self)))
            }
        }
    )*};
}
floats!(f32, f64);

macro_rules! same {
    ($($t:ty => $variant:ident, $name:literal;)*) => {$(
        impl FromScript for $t {
            fn from_script(value: Value) -> Result<Self, String> {
                match value {
                    Value::$variant(v) => Ok(v),
                    other => wrong($name, &other),
                }
            }
        }
        impl ToScript for $t {
            fn to_script(&self) -> Result<Value, String> {
                Ok(Value::$variant(self.clone()))
            }
        }
    )*};
}
same! { bool => Bool, "bool"; String => String, "a string"; Tensor => Tensor, "a Tensor"; }

impl FromScript for Value {
    fn from_script(value: Value) -> Result<Self, String> {
        Ok(value)
    }
}

impl ToScript for Value {
    fn to_script(&self) -> Result<Value, String> {
        Ok(self.clone())
    }
}

impl FromScript for () {
    fn from_script(value: Value) -> Result<Self, String> {
        if value == Value::Unit { Ok(()) } else { wrong("()", &value) }
    }
}

impl ToScript for () {
    fn to_script(&self) -> Result<Value, String> {
        Ok(Value::Unit)
    }
}

impl FromScript for char {
    fn from_script(value: Value) -> Result<Self, String> {
        let mut chars = value.as_str().unwrap_or_default().chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(c),
            _ => wrong("one character", &value),
        }
    }
}

impl ToScript for char {
    fn to_script(&self) -> Result<Value, String> {
        Ok(Value::String(self.to_string()))
    }
}

impl ToScript for str {
    fn to_script(&self) -> Result<Value, String> {
        Ok(Value::String(self.to_owned()))
    }
}

impl<T: FromScript> FromScript for Vec<T> {
    fn from_script(value: Value) -> Result<Self, String> {
        match value {
            Value::Array(items) => {
                let item = |(n, v)| T::from_script(v).map_err(|e| format!("at [{n}]: {e}"));
                items.into_iter().enumerate().map(item).collect()
            }
            // Its values, or its rows where it has more than one dimension.
            Value::Tensor(Tensor { shape, data }) if !shape.is_empty() => {
                let whole = shape.clone();
                let item = |(n, v)| T::from_script(v).map_err(|e| format!("at [{n}] of a Tensor {whole:?}: {e}"));
                if let [_] = shape.as_slice() {
                    return data.into_iter().map(|v| Value::Float(f64::from(v))).enumerate().map(item).collect();
                }
                let rest = shape.get(1..).unwrap_or_default();
                let width: usize = rest.iter().product();
                let row = |n: usize| {
                    let data = data.get(n * width..(n + 1) * width).unwrap_or_default().to_vec();
                    Value::Tensor(Tensor { shape: rest.to_vec(), data })
                };
                (0..whole[0]).map(row).enumerate().map(item).collect()
            }
            other => wrong("an array", &other),
        }
    }
}

impl<T: ToScript> ToScript for [T] {
    fn to_script(&self) -> Result<Value, String> {
        self.iter().map(T::to_script).collect::<Result<_, _>>().map(Value::Array)
    }
}

impl<T: ToScript> ToScript for Vec<T> {
    fn to_script(&self) -> Result<Value, String> {
        self.as_slice().to_script()
    }
}

impl<T: ToScript, const N: usize> ToScript for [T; N] {
    fn to_script(&self) -> Result<Value, String> {
        self.as_slice().to_script()
    }
}

impl<T: FromScript> FromScript for Option<T> {
    fn from_script(value: Value) -> Result<Self, String> {
        if value == Value::Unit { Ok(None) } else { T::from_script(value).map(Some) }
    }
}

impl<T: ToScript> ToScript for Option<T> {
    fn to_script(&self) -> Result<Value, String> {
        self.as_ref().map_or(Ok(Value::Unit), T::to_script)
    }
}

/// An `Err` is an error of the script.
impl<T: ToScript, E: std::fmt::Display> ToScript for Result<T, E> {
    fn to_script(&self) -> Result<Value, String> {
        self.as_ref().map_err(|e| e.to_string())?.to_script()
    }
}

impl<T: ToScript + ?Sized> ToScript for &T {
    fn to_script(&self) -> Result<Value, String> {
        T::to_script(self)
    }
}

impl<T: ToScript + ?Sized> ToScript for Box<T> {
    fn to_script(&self) -> Result<Value, String> {
        T::to_script(self)
    }
}

macro_rules! maps {
    ($($map:ident)*) => {$(
        impl<T: FromScript> FromScript for $map<String, T> {
            fn from_script(value: Value) -> Result<Self, String> {
                match value {
                    Value::Map(map) => {
                        let entry = |(k, v)| T::from_script(v).map_err(|e| format!("at {k:?}: {e}")).map(|v| (k, v));
                        map.into_iter().map(entry).collect()
                    }
                    other => wrong("a map", &other),
                }
            }
        }
        impl<K: AsRef<str>, T: ToScript> ToScript for $map<K, T> {
            fn to_script(&self) -> Result<Value, String> {
                let entry = |(k, v): (&K, &T)| Ok::<_, String>((k.as_ref().to_owned(), v.to_script()?));
                self.iter().map(entry).collect::<Result<_, _>>().map(Value::Map)
            }
        }
    )*};
}
maps! { HashMap BTreeMap }

macro_rules! tuples {
    ($($n:literal => $($t:ident $v:ident),*;)*) => {$(
        impl<$($t: FromScript),*> FromScript for ($($t,)*) {
            fn from_script(value: Value) -> Result<Self, String> {
                match value {
                    Value::Array(items) if items.len() == $n => {
                        let mut items = items.into_iter();
                        $(let $v = $t::from_script(items.next().unwrap_or_default())?;)*
                        Ok(($($v,)*))
                    }
                    other => wrong(concat!("an array of ", $n), &other),
                }
            }
        }
        impl<$($t: ToScript),*> ToScript for ($($t,)*) {
            fn to_script(&self) -> Result<Value, String> {
                let ($($v,)*) = self;
                Ok(Value::Array(vec![$($v.to_script()?),*]))
            }
        }
    )*};
}
tuples! { 1 => A a; 2 => A a, B b; 3 => A a, B b, C c; 4 => A a, B b, C c, D d; 5 => A a, B b, C c, D d, E e; }
