//! What a load will need, from the header alone.

use super::check::Header;
use super::options::LlamaOptions;
use super::step::BATCH;
use crate::backend::context_for;
use crate::error::Result;
use crate::format::{DType, TensorFile};

/// Bytes a load and one sequence need. Estimates from the header, for a check before anything is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryNeeds {
    /// The weights as the file stores them. Mapped, they live in the page cache and can be dropped and read again;
    /// still, a model runs at a crawl when they do not fit.
    pub weights: u64,
    /// Copies in the layout that the processor's kernels want, beside the mapping.
    pub repacked: u64,
    /// The KV cache of one sequence at full context.
    pub kv: u64,
    /// Intermediate results and logits.
    pub compute: u64,
}

impl MemoryNeeds {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights.saturating_add(self.repacked).saturating_add(self.kv).saturating_add(self.compute)
    }
}

/// Estimates what loading `file` with `options` needs, and one sequence on top. Reads no weights.
pub fn memory_needs(file: &dyn TensorFile, options: &LlamaOptions) -> Result<MemoryNeeds> {
    let header = Header::read(file)?;
    let context = context_for(options.context, header.context_trained) as u64;
    Ok(MemoryNeeds {
        weights: file.tensors().iter().map(|t| t.bytes).fold(0, u64::saturating_add),
        repacked: repacked(file),
        kv: kv_bytes_per_token(&header, options).saturating_mul(context.next_multiple_of(256)),
        compute: compute(&header, context),
    })
}

/// Bytes one token takes in the KV cache.
pub fn kv_bytes_per_token(header: &Header, options: &LlamaOptions) -> u64 {
    let (keys, values) = header.kv_values_per_token();
    options.cache_type.bytes_for(keys).saturating_add(options.cache_type.bytes_for(values))
}

/// ggml's types that its CPU backend rearranges on loading, on any processor it has such kernels for.
fn repacked(file: &dyn TensorFile) -> u64 {
    const TYPES: [DType; 5] = [DType::Q4_0, DType::Q4_K, DType::Q2_K, DType::IQ4_NL, DType::MXFP4];
    let weights = file.tensors().iter().filter(|t| TYPES.contains(&t.dtype) && t.shape.len() >= 2);
    weights.filter(|t| t.name != "token_embd.weight").map(|t| t.bytes).fold(0, u64::saturating_add)
}

/// llama.cpp reuses buffers along the graph: what is alive at once is a few rows of the widest layer per token of the
/// batch, the scores of one block where attention is not fused, and the logits twice (in the graph and beside it).
fn compute(header: &Header, context: u64) -> u64 {
    let wide = (header.hidden as u64).saturating_mul(6).saturating_add((header.feed_forward as u64).saturating_mul(3));
    let row = wide.saturating_add((header.heads as u64).saturating_mul(context));
    let logits = (super::step::output_rows(header.vocab) as u64).saturating_mul(header.vocab as u64).saturating_mul(2);
    (BATCH as u64).saturating_mul(row).saturating_add(logits).saturating_mul(4)
}
