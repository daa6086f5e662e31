//! What a load will need, from the header alone.

use super::load::{ConfigSource, spec};
use super::options::CandleOptions;
use crate::error::Result;
use crate::format::TensorFile;

/// Bytes that loading `file` with `options` needs, one sequence at full context included: the weights as the file has
/// them (mapped, they still want to stay in memory), converted copies where another type is asked for, the KV cache,
/// and one weight turned into floats. Reads no weights.
pub fn memory_needs(file: &dyn TensorFile, config: ConfigSource, options: &CandleOptions) -> Result<u64> {
    let spec = spec(file, config)?;
    let converted = |elements: usize| options.dtype.and_then(|d| d.bytes_for(elements));
    let weights =
        file.tensors().iter().map(|t| converted(t.elements()).unwrap_or(t.bytes)).fold(0, u64::saturating_add);
    let kv = spec.kv_bytes_per_token().saturating_mul(options.context_for(spec.context_trained) as u64);
    let widest = file.tensors().iter().map(|t| t.elements() as u64 * 4).max().unwrap_or(0);
    Ok(weights.saturating_add(kv).saturating_add(widest))
}
