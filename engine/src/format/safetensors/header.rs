//! The header of a safetensors file: a length, then JSON. Checked as strictly as the reference reader does.

use crate::error::bytes as size;
use crate::format::{DType, Metadata, TensorInfo};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use std::collections::HashSet;
use std::ops::Range;

/// The reference reader's own limit.
pub(crate) const MAX_HEADER: u64 = 100_000_000;
/// NumPy's and PyTorch's limit.
const MAX_DIMS: usize = 64;

/// What a header says, checked against the file's length.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) metadata: Metadata,
    pub(super) tensors: Vec<TensorInfo>,
    /// Where each tensor's bytes are in the file.
    pub(super) places: Vec<Range<usize>>,
}

/// The JSON as it stands, in file order, repeated names included.
#[derive(Default)]
struct Raw {
    metadata: Metadata,
    tensors: Vec<(String, RawTensor)>,
}

#[derive(serde::Deserialize)]
struct RawTensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Raw;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut raw = Raw::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        // The format allows text alone here.
                        let text = map.next_value::<std::collections::BTreeMap<String, String>>();
                        let text = text.map_err(|e| A::Error::custom(format!("__metadata__: {e}")))?;
                        raw.metadata = text.into_iter().map(|(k, v)| (k, v.into())).collect();
                    } else {
                        let tensor = map.next_value().map_err(|e| A::Error::custom(format!("tensor {name:?}: {e}")))?;
                        raw.tensors.push((name, tensor));
                    }
                }
                Ok(raw)
            }
        }
        from.deserialize_map(Entries)
    }
}

/// Reads and checks the header of a whole file's bytes.
pub(super) fn parse(file: &[u8]) -> Result<Header, String> {
    let Some((length, rest)) = file.split_first_chunk::<8>() else {
        return Err(format!("expected at least 8 bytes of safetensors, found {}", file.len()));
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER {
        return Err(format!("the header's length is {length} bytes; safetensors allows at most {MAX_HEADER}"));
    }
    let Some((json, data)) = usize::try_from(length).ok().and_then(|n| rest.split_at_checked(n)) else {
        return Err(format!("the header is {length} bytes long, and only {} follow", size(rest.len() as u64)));
    };
    let raw: Raw = serde_json::from_slice(json).map_err(|e| format!("the header is not what it should be: {e}"))?;

    let mut tensors = Vec::with_capacity(raw.tensors.len());
    let mut spans = Vec::with_capacity(raw.tensors.len());
    let mut names = HashSet::new();
    for (name, tensor) in raw.tensors {
        if !names.insert(name.clone()) {
            return Err(format!("two tensors are named {name:?}"));
        }
        let [start, end] = tensor.data_offsets;
        let info = check(name, &tensor, data.len() as u64)?;
        tensors.push(info);
        spans.push(start..end);
    }
    contiguous(&tensors, &spans, data.len() as u64)?;
    let base = file.len() - data.len();
    // Every span lies within the data, so within usize.
    let places = spans.iter().map(|s| base + s.start as usize..base + s.end as usize).collect();
    Ok(Header { metadata: raw.metadata, tensors, places })
}

/// One tensor's entry: a known type, a shape that can be counted, and offsets that hold exactly that, within the data.
fn check(name: String, raw: &RawTensor, data: u64) -> Result<TensorInfo, String> {
    let dtype = DType::from_safetensors(&raw.dtype)
        .ok_or_else(|| format!("tensor {name:?}: type {:?} is not one of safetensors", raw.dtype))?;
    if raw.shape.len() > MAX_DIMS {
        return Err(format!("tensor {name:?}: expected at most {MAX_DIMS} dimensions, found {}", raw.shape.len()));
    }
    let shape: Option<Vec<usize>> = raw.shape.iter().map(|d| usize::try_from(*d).ok()).collect();
    let bytes = shape.as_ref().and_then(|shape| {
        // As the shape is listed: a zero after an overflow is still an overflow, since nobody can index such a shape.
        let elements =
            shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d)).filter(|n| i64::try_from(*n).is_ok())?;
        dtype.bytes_for(elements)
    });
    let (Some(shape), Some(bytes)) = (shape, bytes) else {
        return Err(format!("tensor {name:?}: shape {:?} of {dtype} has no size in bytes", raw.shape));
    };
    let [start, end] = raw.data_offsets;
    if end < start || end - start != bytes {
        return Err(format!(
            "tensor {name:?}: {dtype} {shape:?} takes {bytes} bytes, and its offsets {start} to {end} say otherwise"
        ));
    }
    if end > data {
        return Err(format!(
            "tensor {name:?} ends at byte {end} of the data, and only {data} are there: at least {} are missing",
            size(end - data)
        ));
    }
    Ok(TensorInfo { name, dtype, shape, bytes })
}

/// The format allows neither gaps, nor overlaps, nor bytes after the last tensor.
fn contiguous(tensors: &[TensorInfo], spans: &[Range<u64>], data: u64) -> Result<(), String> {
    let mut order: Vec<_> = tensors.iter().zip(spans).collect();
    order.sort_by_key(|(_, span)| (span.start, span.end));
    let mut next = 0;
    for (info, span) in order {
        if span.start != next {
            let what = if span.start < next { "overlaps the tensor before it" } else { "leaves a gap before it" };
            return Err(format!(
                "tensor {:?} {what}: expected it at byte {next} of the data, found byte {}",
                info.name, span.start
            ));
        }
        next = span.end;
    }
    if next == data { Ok(()) } else { Err(format!("the tensors end at byte {next} of the data, which has {data}")) }
}
