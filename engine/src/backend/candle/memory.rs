//! What a load will need, from the header alone.

use super::load::{ConfigSource, spec};
use super::options::CandleOptions;
use crate::backend::context_for;
use crate::error::Result;
use crate::format::{DType, TensorFile, TensorInfo};

/// Bytes of a pass: parts of weights turned into floats (8 MB at a time), scores of attention (32 MB), activations.
const WORK: u64 = 64 << 20;

/// Bytes that loading `file` with `options` needs, one sequence at full context included: the weights as the file has
/// them (mapped, they still want to stay in memory), converted copies where another type is asked for, the KV cache,
/// and [`WORK`]. Reads no weights.
pub fn memory_needs(file: &dyn TensorFile, config: ConfigSource, options: &CandleOptions) -> Result<u64> {
    let spec = spec(file, config)?;
    // The embedding and the output layer are quantized less than the rest: counted as 8 bits, a little too much.
    let outer =
        |name: &str| ["embed", "wte", "lm_head", "token_embd", "output.weight"].iter().any(|n| name.contains(n));
    let converted = |t: &TensorInfo| {
        let quantize = options.quantize.filter(|_| !t.dtype.is_quantized());
        let quantize = quantize.map(|to| if outer(&t.name) { DType::Q8_0 } else { to });
        options.dtype.or(quantize).and_then(|d| d.bytes_for(t.elements()))
    };
    let weights = file.tensors().iter().map(|t| converted(t).unwrap_or(t.bytes)).fold(0, u64::saturating_add);
    let kv = spec
        .kv_bytes_per_token(options.cache_width())
        .saturating_mul(context_for(options.context, spec.context_trained) as u64);
    Ok(weights.saturating_add(kv).saturating_add(WORK))
}
