//! How many tokens go into one decode.
//!
//! llama.cpp looks at its abort callback between two nodes of the graph. A node's time grows with the tokens in the
//! batch, so a batch must be small enough that its heaviest node, a matrix product or the attention at depth, takes
//! less than the 100 ms within which an interrupt is answered. The sizes follow from the model, the thread count and the
//! position alone, never from a clock: batches of another size round differently, and the same prompt must always give
//! the same logits.

use super::check::Header;
use crate::backend::Rows;
use crate::format::TensorFile;

/// The most tokens of one decode: llama.cpp's own default for a physical batch.
pub const BATCH: usize = 512;
/// The fewest: below this the weights' way from memory costs more than the arithmetic.
const SMALLEST: usize = 32;
/// What a node may take, seconds.
const BUDGET: f64 = 0.06;
/// What a thread does at least, multiply-adds per second counted as two, in the matrix kernels of this build.
const RATE: f64 = if cfg!(target_feature = "avx512f") { 80e9 } else { 30e9 };
/// Attention kernels reach less of the arithmetic units than matrix products.
const ATTENTION_WEIGHT: f64 = 4.0;

/// The batch sizes of a loaded model.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps {
    /// Operations per token of the heaviest product inside a block.
    block: f64,
    /// Operations per token of the output layer.
    output: f64,
    /// Operations per token and per token already in the cache, weighted.
    attention: f64,
    /// Operations that fit the budget; infinite on a GPU, where the callback is not looked at anyway.
    budget: f64,
    /// The most rows of logits at once.
    rows: usize,
}

impl Steps {
    /// The sizes for a file on `threads` threads, or on a GPU.
    pub fn new(header: &Header, file: &dyn TensorFile, threads: usize, gpu: bool) -> Self {
        let elements = |i: usize| file.tensors().get(i).map_or(0, |t| t.elements());
        let in_blocks = file.tensors().iter().filter(|t| t.name.starts_with("blk."));
        let matrices = in_blocks.filter(|t| t.shape.len() == 2).map(|t| t.elements());
        Self {
            block: 2.0 * matrices.max().unwrap_or(0) as f64,
            output: 2.0 * header.output.map_or(0, elements) as f64,
            attention: ATTENTION_WEIGHT
                * 2.0
                * header.heads as f64
                * (header.head_sizes.0 + header.head_sizes.1) as f64,
            budget: if gpu { f64::INFINITY } else { BUDGET * RATE * threads as f64 },
            rows: output_rows(header.vocab),
        }
    }

    /// Tokens of the next decode when `position` are in the cache.
    pub fn tokens(&self, position: usize, rows: Rows) -> usize {
        let attention = self.attention * (position + SMALLEST) as f64;
        let (output, most) = if rows == Rows::All { (self.output, self.rows) } else { (0.0, BATCH) };
        let heaviest = self.block.max(attention).max(output).max(1.0);
        power_of_two((self.budget / heaviest).min(BATCH as f64) as usize).min(most)
    }

    /// The most rows of logits that one decode is asked for.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// Rows of logits in one decode: their buffers are part of a context's memory, and 32 MB of them are enough.
pub fn output_rows(vocab: usize) -> usize {
    power_of_two((32 << 20) / (4 * vocab.max(1)))
}

/// The power of two not above `n`, inside what a decode may have.
fn power_of_two(n: usize) -> usize {
    let floor = n.checked_ilog2().map_or(1, |log| 1usize << log);
    floor.clamp(SMALLEST, BATCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(block: f64, output: f64, attention: f64, threads: f64) -> Steps {
        Steps { block, output, attention, budget: BUDGET * 80e9 * threads, rows: 128 }
    }

    #[test]
    fn a_small_model_runs_full_batches_and_a_large_one_shorter_ones() {
        // SmolLM2 135M: ffn 576 x 1536, output 49152 x 576, 9 heads of 64
        let small = steps(2.0 * 576.0 * 1536.0, 2.0 * 49152.0 * 576.0, 4.0 * 4.0 * 9.0 * 64.0, 2.0);
        assert_eq!(small.tokens(0, Rows::Last), BATCH);
        assert_eq!(small.tokens(0, Rows::All), 128);
        // Llama 8B: ffn 4096 x 14336, output 128256 x 4096, 32 heads of 128
        let large = steps(2.0 * 4096.0 * 14336.0, 2.0 * 128_256.0 * 4096.0, 4.0 * 4.0 * 32.0 * 128.0, 2.0);
        assert_eq!(large.tokens(0, Rows::Last), 64);
        assert_eq!(large.tokens(100_000, Rows::Last), SMALLEST);
    }

    #[test]
    fn a_gpu_always_takes_full_batches() {
        let gpu = Steps { budget: f64::INFINITY, ..steps(1e9, 1e9, 1e3, 1.0) };
        assert_eq!(gpu.tokens(5000, Rows::None), BATCH);
    }

    #[test]
    fn output_rows_stay_in_bounds() {
        assert_eq!(output_rows(0), BATCH);
        assert_eq!(output_rows(49_152), 128);
        assert_eq!(output_rows(256_000), SMALLEST);
    }
}
