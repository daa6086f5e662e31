//! The values of GGUF metadata, with their exact types.

use super::cursor::{Cursor, Problem};
use serde_json::Value as Json;

/// Arrays of arrays nest no deeper than this; real files do not nest at all.
const MAX_DEPTH: usize = 8;

macro_rules! value_types {
    ($($variant:ident = $id:literal, $name:literal, $rust:ty;)*) => {
        /// The type of a metadata value, with GGUF's own numbers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)] // the names are the documentation
        pub enum ValueType { $($variant = $id,)* Bool = 7, String = 8, Array = 9 }

        impl ValueType {
            /// The type with this number in the file.
            pub fn from_id(id: u32) -> Option<Self> {
                match id { $($id => Some(Self::$variant),)* 7 => Some(Self::Bool), 8 => Some(Self::String), 9 => Some(Self::Array), _ => None }
            }

            /// GGUF's name for it: `UINT32`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* Self::Bool => "BOOL", Self::String => "STRING", Self::Array => "ARRAY" }
            }

            /// Bytes of one value, or of the least one for strings (a length) and arrays (a type and a length).
            pub(super) fn least_bytes(self) -> usize {
                match self { $(Self::$variant => size_of::<$rust>(),)* Self::Bool => 1, Self::String => 8, Self::Array => 12 }
            }
        }

        /// A metadata value as the file stores it.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs)]
        pub enum Value {
            $($variant($rust),)*
            Bool(bool),
            String(String),
            /// Values of one type.
            Array {
                /// The type of each.
                of: ValueType,
                /// The values.
                values: Vec<Value>,
            },
        }

        impl Value {
            /// Its type.
            pub fn kind(&self) -> ValueType {
                match self {
                    $(Self::$variant(_) => ValueType::$variant,)*
                    Self::Bool(_) => ValueType::Bool,
                    Self::String(_) => ValueType::String,
                    Self::Array { .. } => ValueType::Array,
                }
            }

            /// Appends the value as a file stores it, its type not included.
            pub(super) fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant(v) => out.extend_from_slice(&v.to_le_bytes()),)*
                    Self::Bool(v) => out.push(u8::from(*v)),
                    Self::String(v) => {
                        out.extend_from_slice(&(v.len() as u64).to_le_bytes());
                        out.extend_from_slice(v.as_bytes());
                    }
                    Self::Array { of, values } => {
                        out.extend_from_slice(&(*of as u32).to_le_bytes());
                        out.extend_from_slice(&(values.len() as u64).to_le_bytes());
                        values.iter().for_each(|v| v.encode(out));
                    }
                }
            }
        }

        /// Reads one value of a type. Strings that are not UTF-8 keep what can be read.
        pub(super) fn decode(at: &mut Cursor, kind: ValueType) -> Result<Value, Problem> {
            Ok(match kind {
                $(ValueType::$variant => {
                    let mut raw = [0; size_of::<$rust>()];
                    raw.copy_from_slice(at.take(size_of::<$rust>(), "a value")?);
                    Value::$variant(<$rust>::from_le_bytes(raw))
                })*
                ValueType::Bool => Value::Bool(at.take(1, "a value")? != [0]),
                ValueType::String => Value::String(String::from_utf8_lossy(at.string("a string")?).into_owned()),
                ValueType::Array => {
                    let (of, n) = array_head(at)?;
                    let mut values = Vec::with_capacity(n.min(1 << 16));
                    for _ in 0..n {
                        values.push(decode(at, of)?);
                    }
                    Value::Array { of, values }
                }
            })
        }
    };
}

value_types! {
    U8 = 0, "UINT8", u8;
    I8 = 1, "INT8", i8;
    U16 = 2, "UINT16", u16;
    I16 = 3, "INT16", i16;
    U32 = 4, "UINT32", u32;
    I32 = 5, "INT32", i32;
    F32 = 6, "FLOAT32", f32;
    U64 = 10, "UINT64", u64;
    I64 = 11, "INT64", i64;
    F64 = 12, "FLOAT64", f64;
}

/// Reads a value's type.
pub(super) fn kind(at: &mut Cursor) -> Result<ValueType, Problem> {
    let id = at.u32("a value's type")?;
    ValueType::from_id(id).ok_or_else(|| format!("value type {id} at byte {}; GGUF has 0 to 12", at.position() - 4))
}

fn array_head(at: &mut Cursor) -> Result<(ValueType, usize), Problem> {
    let of = kind(at)?;
    let n = at.count(of.least_bytes(), "an array's length")?;
    Ok((of, n))
}

/// Steps over a value and checks it, so that [`decode`] at the same place cannot fail. Returns how many values it
/// holds, those of nested arrays included.
pub(super) fn skip(at: &mut Cursor, kind: ValueType, depth: usize) -> Result<usize, Problem> {
    match kind {
        ValueType::String => at.string("a string").map(|_| 1),
        ValueType::Array => {
            if depth >= MAX_DEPTH {
                return Err(format!("arrays nested deeper than {MAX_DEPTH}"));
            }
            let (of, n) = array_head(at)?;
            match of {
                ValueType::String | ValueType::Array => {
                    let mut held = 1_usize;
                    for _ in 0..n {
                        held = held.saturating_add(skip(at, of, depth + 1)?);
                    }
                    Ok(held)
                }
                // `count` has bounded n by the bytes that are left, so this cannot overflow.
                fixed => at.take(n * fixed.least_bytes(), "an array").map(|_| n + 1),
            }
        }
        fixed => at.take(fixed.least_bytes(), "a value").map(|_| 1),
    }
}

impl Value {
    /// The value in JSON: exact for integers, strings and bools; floats widen to 64 bits, non-finite ones become null.
    pub fn into_json(self) -> Json {
        match self {
            Self::U8(v) => v.into(),
            Self::I8(v) => v.into(),
            Self::U16(v) => v.into(),
            Self::I16(v) => v.into(),
            Self::U32(v) => v.into(),
            Self::I32(v) => v.into(),
            Self::U64(v) => v.into(),
            Self::I64(v) => v.into(),
            Self::F32(v) => v.into(),
            Self::F64(v) => v.into(),
            Self::Bool(v) => v.into(),
            Self::String(v) => v.into(),
            Self::Array { values, .. } => Json::Array(values.into_iter().map(Self::into_json).collect()),
        }
    }
}

impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Self::String(v.to_owned())
    }
}
impl From<String> for Value {
    fn from(v: String) -> Self {
        Self::String(v)
    }
}
impl From<u32> for Value {
    fn from(v: u32) -> Self {
        Self::U32(v)
    }
}
impl From<i32> for Value {
    fn from(v: i32) -> Self {
        Self::I32(v)
    }
}
impl From<u64> for Value {
    fn from(v: u64) -> Self {
        Self::U64(v)
    }
}
impl From<f32> for Value {
    fn from(v: f32) -> Self {
        Self::F32(v)
    }
}
impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Self::Bool(v)
    }
}
impl From<Vec<String>> for Value {
    fn from(v: Vec<String>) -> Self {
        Self::Array { of: ValueType::String, values: v.into_iter().map(Self::String).collect() }
    }
}
impl From<Vec<f32>> for Value {
    fn from(v: Vec<f32>) -> Self {
        Self::Array { of: ValueType::F32, values: v.into_iter().map(Self::F32).collect() }
    }
}
impl From<Vec<i32>> for Value {
    fn from(v: Vec<i32>) -> Self {
        Self::Array { of: ValueType::I32, values: v.into_iter().map(Self::I32).collect() }
    }
}
