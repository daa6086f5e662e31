//! The logit lens (nostalgebraist, 2020): what the model would say after each block, if it were the last.

use super::run::run_with_cache;
use crate::Token;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::generate::{Candidate, top};
use crate::model::Model;
use candle_core::Tensor;

/// Rows that become logits at once.
const ROWS: usize = 64;

/// The likeliest next tokens after every block, at every position.
#[derive(Debug, Clone)]
pub struct Lens {
    /// The tokens that were fed.
    pub tokens: Vec<Token>,
    /// `[layer][position]`: the likeliest next tokens there, likeliest first. Layer 0 is the embedding, layer `i` what
    /// block `i - 1` leaves; the last says what the model says.
    pub layers: Vec<Vec<Vec<Candidate>>>,
}

/// Puts the residual stream before the first block and after each through the final norm and the output layer, and keeps
/// the `n` likeliest tokens of each position. Logits are made and dropped a few rows at a time.
///
/// # Errors
/// No tokens, `n` of 0, a backend without hook points.
pub fn logit_lens(model: &Model, tokens: &[Token], n: usize, control: &Control) -> Result<Lens> {
    if n == 0 {
        return Err(Error::argument("logit_lens", "at least 1 token per position", "0"));
    }
    let trace = run_with_cache(model, tokens, &["hook_embed", "blocks.*.hook_resid_post"], control)?;
    let mut layers = Vec::with_capacity(trace.activations.len());
    let total = trace.activations.len() as u64;
    for (done, (_, stream)) in trace.activations.iter().enumerate() {
        control.progress("logit lens", done as u64, total, "layers");
        layers.push(positions(model, &stream.to_candle()?, n, control)?);
    }
    control.progress("logit lens", total, total, "layers");
    Ok(Lens { tokens: trace.tokens, layers })
}

fn positions(model: &Model, stream: &Tensor, n: usize, control: &Control) -> Result<Vec<Vec<Candidate>>> {
    let rows = stream.dim(0)?;
    let mut all = Vec::with_capacity(rows);
    for start in (0..rows).step_by(ROWS) {
        control.check()?;
        let part = stream.narrow(0, start, ROWS.min(rows - start))?.contiguous()?;
        let logits = model.backend().unembed(&part, control)?;
        for row in (0..logits.rows()).filter_map(|i| logits.row(i)) {
            all.push(top(row, n)?);
        }
    }
    Ok(all)
}
