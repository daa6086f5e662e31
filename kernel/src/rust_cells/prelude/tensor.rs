//! Tensors, and the safetensors files in which they travel.

use super::Value;
use super::json;
use std::io::{Read, Write};

/// Numbers in rows: `data` holds the product of `shape` values, the last dimension contiguous.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tensor {
    /// The length of each dimension.
    pub shape: Vec<usize>,
    /// The values.
    pub data: Vec<f32>,
}

/// Values are converted to bytes and back in pieces of this many.
const PIECE: usize = 1 << 16;

impl Tensor {
    /// A tensor of this shape.
    ///
    /// # Panics
    /// When the number of values is not the product of the shape.
    pub fn new(shape: &[usize], data: Vec<f32>) -> Self {
        let wanted: usize = shape.iter().product();
        assert!(wanted == data.len(), "a tensor {shape:?} has {wanted} values, not {}", data.len());
        Self { shape: shape.to_vec(), data }
    }

    /// A tensor of zeros.
    pub fn zeros(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), data: vec![0.0; shape.iter().product()] }
    }

    /// How many values it has.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Row `n` of the last dimension, counted over all the others.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, n: usize) -> &[f32] {
        let width = self.shape.last().copied().unwrap_or(1);
        &self.data[n * width..(n + 1) * width]
    }
}

/// Writes tensors into a safetensors file under the names `0`, `1`, …
pub(super) fn write(path: &str, tensors: &[&Tensor]) -> Result<(), String> {
    let mut header = String::from("{");
    let mut at = 0;
    for (n, t) in tensors.iter().enumerate() {
        let wanted: usize = t.shape.iter().product();
        if wanted != t.data.len() {
            return Err(format!("a tensor {:?} has {wanted} values, not {}", t.shape, t.data.len()));
        }
        let end = at + t.data.len() * 4;
        let comma = if n > 0 { "," } else { "" };
        header +=
            &format!("{comma}\"{n}\":{{\"dtype\":\"F32\",\"shape\":{:?},\"data_offsets\":[{at},{end}]}}", t.shape);
        at = end;
    }
    header.push('}');
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    let save = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(path)?;
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        let mut bytes = Vec::with_capacity(PIECE * 4);
        for piece in tensors.iter().flat_map(|t| t.data.chunks(PIECE)) {
            bytes.clear();
            piece.iter().for_each(|v| bytes.extend_from_slice(&v.to_le_bytes()));
            file.write_all(&bytes)?;
        }
        Ok(())
    };
    save().map_err(|e| format!("{path}: {e}"))
}

/// Reads the tensors `0`, `1`, … of a file that the kernel wrote: F32, in this order, without gaps.
pub(super) fn read(path: &str) -> Result<Vec<Tensor>, String> {
    let broken = |what: &str| format!("{path}: {what}");
    let load = |e: std::io::Error| format!("{path}: {e}");
    let mut file = std::fs::File::open(path).map_err(load)?;
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(load)?;
    let mut header = vec![0; u64::from_le_bytes(length) as usize];
    file.read_exact(&mut header).map_err(load)?;
    let header = json::parse(std::str::from_utf8(&header).map_err(|_| broken("not a safetensors file"))?, &mut [])?;
    let mut tensors = Vec::new();
    while let Some(entry) = header.get(&tensors.len().to_string()) {
        let shape = entry.get("shape").and_then(Value::as_array).ok_or_else(|| broken("a tensor has no shape"))?;
        let shape: Vec<usize> = shape.iter().filter_map(Value::as_i64).map(|d| d as usize).collect();
        let mut data = Vec::with_capacity(shape.iter().product());
        let mut bytes = vec![0; PIECE * 4];
        let mut left = shape.iter().product::<usize>();
        while left > 0 {
            let piece = &mut bytes[..left.min(PIECE) * 4];
            file.read_exact(piece).map_err(load)?;
            data.extend(piece.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
            left -= piece.len() / 4;
        }
        tensors.push(Tensor { shape, data });
    }
    Ok(tensors)
}
