//! Rows of tokens to train and to validate on.

use super::tokenizer::BOS;
use candle_core::{Device, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A tokenized text, and where its speeches begin.
pub struct Data {
    tokens: Vec<u32>,
    begins: Vec<usize>,
}

impl Data {
    pub fn new(tokenizer: &tokenizers::Tokenizer, text: &str) -> Result<Self> {
        let (mut tokens, mut begins) = (Vec::new(), Vec::new());
        for speech in text.split_inclusive("\n\n") {
            begins.push(tokens.len());
            tokens.extend(tokenizer.encode(speech, false).map_err(|e| e.to_string())?.get_ids());
        }
        Ok(Self { tokens, begins })
    }

    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Random rows without end; the same seed gives the same rows.
    pub fn batches(&self, seed: u64, batch: usize, length: usize) -> Batches<'_> {
        Batches { data: self, rng: ChaCha8Rng::seed_from_u64(seed), batch, length }
    }

    /// Every row of the text in order, in batches of eight, each as (inputs, targets).
    pub fn rows(&self, length: usize) -> Vec<(Tensor, Tensor)> {
        let starts: Vec<usize> = (0..self.tokens.len().saturating_sub(length + 1)).step_by(length).collect();
        let row = |start: &usize| self.tokens.get(*start..*start + length + 1).map(<[u32]>::to_vec);
        starts.chunks(8).filter_map(|s| tensors(s.iter().filter_map(row).collect()).ok()).collect()
    }
}

pub struct Batches<'a> {
    data: &'a Data,
    rng: ChaCha8Rng,
    batch: usize,
    length: usize,
}

impl Batches<'_> {
    /// Half of the rows begin with a speech, behind the token that begins a text; the others anywhere.
    pub fn next(&mut self) -> Result<(Tensor, Tensor)> {
        let tokens = &self.data.tokens;
        let last = tokens.len().checked_sub(self.length + 2).ok_or("the text is too short")?;
        let mut rows = Vec::with_capacity(self.batch);
        for _ in 0..self.batch {
            let at_speech = self.rng.random::<bool>();
            let begins = &self.data.begins;
            let begin = begins.get(self.rng.random_range(0..begins.len())).copied().unwrap_or(0).min(last);
            let anywhere = self.rng.random_range(0..=last);
            let start = if at_speech { begin } else { anywhere };
            let mut row = Vec::with_capacity(self.length + 1);
            if at_speech {
                row.push(BOS);
            }
            row.extend(tokens.iter().skip(start).take(self.length + 1 - row.len()));
            rows.push(row);
        }
        tensors(rows)
    }
}

/// Inputs are all tokens of a row but the last, targets all but the first.
fn tensors(rows: Vec<Vec<u32>>) -> Result<(Tensor, Tensor)> {
    let all = Tensor::new(rows, &Device::Cpu)?;
    let length = all.dim(1)? - 1;
    Ok((all.narrow(1, 0, length)?.contiguous()?, all.narrow(1, 1, length)?.contiguous()?))
}
