//! GGUF's header: versions 2 and 3, little endian. Every length is checked against the file before it is believed.

use super::cursor::{Cursor, Problem};
use super::value::{self, ValueType};
use crate::error::bytes as size;
use crate::format::{DType, TensorInfo};
use std::collections::HashSet;
use std::ops::Range;

/// ggml computes with at most this many dimensions.
const MAX_DIMS: u32 = 4;
/// Where data start when the file does not say.
const DEFAULT_ALIGNMENT: u64 = 32;
/// Metadata become JSON values of this many bytes each; all of them together may take the file's size and this much.
const METADATA_SLACK: usize = 128 << 20;

/// The way out of most refusals.
pub(super) const DAMAGED: &str = "the file is damaged or was not downloaded whole; download it again and compare its size and checksum with the source's";

/// One metadata pair: its key, its type, and where its value starts.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) kind: ValueType,
    /// The value's bytes, its type not included.
    pub(super) at: Range<usize>,
}

/// What a header says, checked against the file's length.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) pairs: Vec<Pair>,
    pub(super) tensors: Vec<TensorInfo>,
    /// Where each tensor's bytes are in the file.
    pub(super) places: Vec<Range<usize>>,
}

/// A version this reader cannot take, told apart because each has its own way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// 2 or 3, little endian.
    Readable(u32),
    /// Written by or for a big-endian machine.
    BigEndian(u32),
    /// 1: counts and lengths had 32 bits.
    One,
    /// Not known (0, or from the future).
    Unknown(u32),
}

impl Version {
    /// The version in bytes 4 to 8 of a file.
    pub(crate) fn of(raw: u32) -> Self {
        match raw {
            2 | 3 => Self::Readable(raw),
            1 => Self::One,
            _ if (1..=0xFFFF).contains(&raw.swap_bytes()) => Self::BigEndian(raw.swap_bytes()),
            _ => Self::Unknown(raw),
        }
    }
}

/// Why a header was refused, and the way out.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) problem: Problem,
    pub(super) help: &'static str,
}

/// A header that contradicts itself or the file comes from damage.
impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, help: DAMAGED }
    }
}

/// Reads and checks the header of a whole file's bytes that start with the magic and a readable version.
pub(super) fn parse(file: &[u8]) -> Result<Header, Refusal> {
    let mut at = Cursor::new(file, 0);
    at.take(4, "the magic")?;
    let version = at.u32("the version")?;
    // A tensor takes at least 24 bytes (name's length, dimensions, type, offset), a pair 13 (key's length, type, value).
    let tensor_count = at.count(24, "the number of tensors")?;
    let pair_count = at.count(13, "the number of metadata keys")?;

    let pairs = parse_pairs(&mut at, pair_count, file.len())?;
    let alignment = alignment(file, &pairs)?;
    let mut tensors = Vec::new();
    let mut offsets = Vec::new();
    let mut names = HashSet::new();
    for i in 0..tensor_count {
        let (info, offset) = parse_tensor(&mut at).map_err(|refusal| Refusal {
            problem: format!("tensor {i} of {tensor_count}: {}", refusal.problem),
            ..refusal
        })?;
        if !names.insert(info.name.clone()) {
            return Err(format!("two tensors are named {:?}", info.name).into());
        }
        tensors.push(info);
        offsets.push(offset);
    }
    // The data section starts at the next multiple of the alignment.
    let start = (at.position() as u64).next_multiple_of(alignment);
    let places = places(&tensors, &offsets, start, alignment, file.len() as u64)?;
    Ok(Header { version, pairs, tensors, places })
}

fn parse_pairs(at: &mut Cursor, count: usize, file_bytes: usize) -> Result<Vec<Pair>, Problem> {
    let most = (file_bytes + METADATA_SLACK) / size_of::<serde_json::Value>();
    let mut pairs = Vec::new();
    let mut keys = HashSet::new();
    let mut held = 0_usize;
    for i in 0..count {
        let key = at.string("a metadata key").map_err(|p| format!("metadata key {i} of {count}: {p}"))?;
        let key = match std::str::from_utf8(key) {
            Ok("") => return Err(format!("metadata key {i} of {count} is empty")),
            Ok(key) => key.to_owned(),
            Err(_) => {
                let found: String = String::from_utf8_lossy(key).chars().take(40).collect();
                return Err(format!("metadata key {i} of {count} is not UTF-8: {found:?}"));
            }
        };
        let named = |p| format!("metadata {key:?}: {p}");
        let kind = value::kind(at).map_err(named)?;
        let start = at.position();
        held = held.saturating_add(value::skip(at, kind, 0).map_err(named)?);
        if held > most {
            return Err(format!("the metadata hold more than {most} values, which no real model does"));
        }
        if !keys.insert(key.clone()) {
            return Err(format!("two metadata entries are named {key:?}"));
        }
        pairs.push(Pair { key, kind, at: start..at.position() });
    }
    Ok(pairs)
}

fn alignment(file: &[u8], pairs: &[Pair]) -> Result<u64, Problem> {
    let Some(pair) = pairs.iter().find(|p| p.key == "general.alignment") else { return Ok(DEFAULT_ALIGNMENT) };
    if pair.kind != ValueType::U32 {
        return Err(format!("general.alignment: expected UINT32, found {}", pair.kind.name()));
    }
    let found = Cursor::new(file, pair.at.start).u32("general.alignment")?;
    // ggml demands a power of two; more than a page of 64 kB is no alignment but an accident.
    if !found.is_power_of_two() || found > 1 << 16 {
        return Err(format!("general.alignment: expected a power of two up to 65536, found {found}"));
    }
    Ok(u64::from(found))
}

fn parse_tensor(at: &mut Cursor) -> Result<(TensorInfo, u64), Refusal> {
    let name = at.string("a tensor's name")?;
    let name = std::str::from_utf8(name)
        .map_err(|_| format!("its name is not UTF-8: {:?}", String::from_utf8_lossy(name)))?
        .to_owned();
    let named = |p: String| format!("{name:?}: {p}");
    let dims = at.u32("the number of dimensions").map_err(named)?;
    if dims > MAX_DIMS {
        return Err(format!("{name:?}: expected at most {MAX_DIMS} dimensions, found {dims}").into());
    }
    let mut shape = Vec::with_capacity(dims as usize);
    for _ in 0..dims {
        let n = at.u64("a dimension").map_err(named)?;
        shape.push(usize::try_from(n).map_err(|_| format!("{name:?}: dimension {n} is out of range"))?);
    }
    shape.reverse(); // the file has the innermost dimension first
    let id = at.u32("the type").map_err(named)?;
    let dtype = DType::from_ggml_id(id).ok_or_else(|| unknown_type(&name, id))?;
    let offset = at.u64("the offset").map_err(named)?;

    let row = shape.last().copied().unwrap_or(1);
    if !row.is_multiple_of(dtype.block()) {
        let problem = format!("{name:?}: rows of {row} values do not fill {dtype} blocks of {}", dtype.block());
        return Err(problem.into());
    }
    let bytes = shape
        .iter()
        .try_fold(1_usize, |n, d| n.checked_mul(*d))
        .filter(|n| i64::try_from(*n).is_ok())
        .and_then(|n| dtype.bytes_for(n))
        .ok_or_else(|| format!("{name:?}: shape {shape:?} has more values than can be counted"))?;
    Ok((TensorInfo { name, dtype, shape, bytes }, offset))
}

/// Types without a size: gone from ggml, or not yet known.
fn unknown_type(name: &str, id: u32) -> Refusal {
    let old = match id {
        4 => "Q4_2",
        5 => "Q4_3",
        31 => "Q4_0_4_4",
        32 => "Q4_0_4_8",
        33 => "Q4_0_8_8",
        36 => "IQ4_NL_4_4",
        37 => "IQ4_NL_4_8",
        38 => "IQ4_NL_8_8",
        _ => {
            let problem = format!("{name:?}: expected one of ggml's types 0 to 42, found type {id}");
            return Refusal { problem, help: "the file is damaged, or newer than this program" };
        }
    };
    Refusal {
        problem: format!("{name:?}: type {id} ({old}) was removed from ggml"),
        help: "take a newer version of the model, or quantize it again from its F16 or F32 weights",
    }
}

/// Where each tensor lies in the file; past the end, unaligned or overlapping ones are errors.
fn places(
    tensors: &[TensorInfo],
    offsets: &[u64],
    start: u64,
    alignment: u64,
    file: u64,
) -> Result<Vec<Range<usize>>, Problem> {
    let mut places = Vec::with_capacity(tensors.len());
    for (info, offset) in tensors.iter().zip(offsets) {
        let name = &info.name;
        if !offset.is_multiple_of(alignment) {
            return Err(format!("tensor {name:?}: offset {offset} is no multiple of the alignment {alignment}"));
        }
        let begin = start.checked_add(*offset);
        let end = begin.and_then(|b| b.checked_add(info.bytes));
        match (begin.map(usize::try_from), end.map(usize::try_from)) {
            (Some(Ok(begin)), Some(Ok(end))) if info.bytes == 0 || end as u64 <= file => {
                // An empty tensor may stand at the very end, even past it by the padding.
                let limit = usize::try_from(file).unwrap_or(usize::MAX);
                places.push(begin.min(limit)..end.min(limit));
            }
            (_, Some(Ok(end))) => {
                let missing = end as u64 - file;
                return Err(format!(
                    "tensor {name:?} ({}) ends at byte {end}, and the file ends at byte {file}: at least {} are missing",
                    size(info.bytes),
                    size(missing)
                ));
            }
            _ => return Err(format!("tensor {name:?}: offset {offset} is out of range")),
        }
    }
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_by_key(|i| places.get(*i).map(|p| (p.start, p.end)));
    let mut before: Option<(&str, &Range<usize>)> = None;
    for (info, place) in order.iter().filter_map(|i| Some((tensors.get(*i)?, places.get(*i)?))) {
        if place.is_empty() {
            continue;
        }
        if let Some((other, earlier)) = before
            && place.start < earlier.end
        {
            return Err(format!(
                "tensors {other:?} (bytes {} to {}) and {:?} (bytes {} to {}) overlap",
                earlier.start, earlier.end, info.name, place.start, place.end
            ));
        }
        before = Some((&info.name, place));
    }
    Ok(places)
}
