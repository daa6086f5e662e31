//! What a caller may ask of generation. Names and defaults are those of llama.cpp.

use crate::error::{Error, Result};

/// How the next token is chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplerOptions {
    /// Divides the logits; 0 takes the likeliest token always.
    pub temperature: f32,
    /// Keep this many of the likeliest tokens; 0 keeps all.
    pub top_k: usize,
    /// Keep the smallest set of tokens whose probability reaches this; 1 keeps all (Holtzman et al., 2019).
    pub top_p: f32,
    /// Keep tokens at least this fraction as likely as the likeliest; 0 keeps all (Nguyen et al., 2024).
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of recent tokens; 1 changes nothing (Keskar et al., 2019).
    pub repeat_penalty: f32,
    /// How many recent tokens count as recent.
    pub repeat_last_n: usize,
    /// Subtracted from the logit of a recent token once for each time it occurred.
    pub frequency_penalty: f32,
    /// Subtracted from the logit of a recent token once.
    pub presence_penalty: f32,
    /// Start of the random sequence; `None` draws one, and the result says which.
    pub seed: Option<u64>,
}

impl Default for SamplerOptions {
    fn default() -> Self {
        Self {
            temperature: 0.8,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            repeat_penalty: 1.0,
            repeat_last_n: 64,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            seed: None,
        }
    }
}

impl SamplerOptions {
    /// Always the likeliest token.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Whether every value is in its range; the error names the one that is not.
    pub fn validate(&self) -> Result<()> {
        let range = |name: &str, value: f32, expected: &str, ok: bool| {
            if ok { Ok(()) } else { Err(Error::argument(name, expected, format!("{value}"))) }
        };
        let finite = |v: f32| v.is_finite();
        range("temperature", self.temperature, "a number ≥ 0", finite(self.temperature) && self.temperature >= 0.0)?;
        range("top_p", self.top_p, "a number in (0, 1]", self.top_p > 0.0 && self.top_p <= 1.0)?;
        range("min_p", self.min_p, "a number in [0, 1]", (0.0..=1.0).contains(&self.min_p))?;
        range(
            "repeat_penalty",
            self.repeat_penalty,
            "a number > 0",
            finite(self.repeat_penalty) && self.repeat_penalty > 0.0,
        )?;
        range("frequency_penalty", self.frequency_penalty, "a finite number", finite(self.frequency_penalty))?;
        range("presence_penalty", self.presence_penalty, "a finite number", finite(self.presence_penalty))
    }
}

/// What one generation should do.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateOptions {
    /// How tokens are chosen.
    pub sampler: SamplerOptions,
    /// Stop after this many tokens; `None` goes on until the model ends or the context is full.
    pub max_tokens: Option<usize>,
    /// Stop before any of these strings; they are not part of the text.
    pub stop: Vec<String>,
    /// Go on past the model's own end-of-generation tokens.
    pub ignore_eos: bool,
    /// Record the log-probability of each token and of this many alternatives; `None` records nothing.
    pub logprobs: Option<usize>,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            sampler: SamplerOptions::default(),
            max_tokens: Some(256),
            stop: Vec::new(),
            ignore_eos: false,
            logprobs: None,
        }
    }
}

impl GenerateOptions {
    /// Whether every value is in its range; the error names the one that is not.
    pub fn validate(&self) -> Result<()> {
        self.sampler.validate()?;
        if self.stop.iter().any(String::is_empty) {
            return Err(Error::argument("stop", "strings of at least one character", "an empty string"));
        }
        Ok(())
    }
}
