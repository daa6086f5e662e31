//! A value of a script where its type is not known beforehand.

use super::Tensor;
use std::collections::BTreeMap;

/// Any value that goes between a script and a Rust cell.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// `()`
    #[default]
    Unit,
    /// `true`, `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// A map `#{…}`.
    Map(BTreeMap<String, Value>),
    /// A tensor.
    Tensor(Tensor),
}

impl Value {
    /// What a script calls its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Unit => "()",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Tensor(_) => "Tensor",
        }
    }

    /// The number, whole or not.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(v) => Some(*v as f64),
            Self::Float(v) => Some(*v),
            _ => None,
        }
    }

    /// The whole number.
    pub fn as_i64(&self) -> Option<i64> {
        if let Self::Int(v) = self { Some(*v) } else { None }
    }

    /// The truth value.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(v) = self { Some(*v) } else { None }
    }

    /// The text.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(v) = self { Some(v) } else { None }
    }

    /// The items.
    pub fn as_array(&self) -> Option<&[Value]> {
        if let Self::Array(v) = self { Some(v) } else { None }
    }

    /// The entries.
    pub fn as_map(&self) -> Option<&BTreeMap<String, Value>> {
        if let Self::Map(v) = self { Some(v) } else { None }
    }

    /// The tensor.
    pub fn as_tensor(&self) -> Option<&Tensor> {
        if let Self::Tensor(v) = self { Some(v) } else { None }
    }

    /// The entry of a map.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.get(key)
    }
}
