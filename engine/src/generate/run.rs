//! The loop: sample, stream, stop, feed.

use super::distribution::{log_softmax_at, top};
use super::{Candidate, GenerateOptions, Sampler, StopScanner};
use crate::Token;
use crate::backend::{Rows, Sequence};
use crate::control::{Control, Event};
use crate::error::{Error, Result};
use crate::tokenizer::Tokenizer;
use crate::transformer::Hooks;
use std::time::{Duration, Instant};

/// Why a generation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishReason {
    /// The model produced an end-of-generation token.
    EndOfText,
    /// This stop string appeared.
    Stop(String),
    /// `max_tokens` were generated.
    MaxTokens,
    /// The context is full.
    Context,
}

impl FinishReason {
    /// OpenAI's name for it: `"stop"` or `"length"`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::EndOfText | Self::Stop(_) => "stop",
            Self::MaxTokens | Self::Context => "length",
        }
    }
}

/// How long the parts took.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Timings {
    /// Prompt tokens in all.
    pub prompt_tokens: usize,
    /// Of these, how many were in the cache already.
    pub cached_tokens: usize,
    /// Time to process the others.
    pub prompt: Duration,
    /// From the call to the first token.
    pub first_token: Duration,
    /// Tokens generated.
    pub generated_tokens: usize,
    /// Time from the first generated token to the last.
    pub decode: Duration,
}

impl Timings {
    /// Prompt tokens processed per second; 0 when nothing was processed.
    pub fn prompt_per_second(&self) -> f64 {
        rate(self.prompt_tokens.saturating_sub(self.cached_tokens), self.prompt)
    }

    /// Generated tokens per second after the first, whose time belongs to the prompt; 0 for fewer than two tokens.
    pub fn decode_per_second(&self) -> f64 {
        rate(self.generated_tokens.saturating_sub(1), self.decode)
    }
}

fn rate(count: usize, time: Duration) -> f64 {
    if count == 0 || time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

/// The log-probabilities at one generated token, under the model's own distribution: before penalties and temperature.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprobs {
    /// The token chosen.
    pub token: Token,
    /// ln p of it.
    pub logprob: f32,
    /// The likeliest tokens at this place, likeliest first.
    pub top: Vec<Candidate>,
}

/// A finished generation.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// The text, without the stop string and without the end-of-generation token.
    pub text: String,
    /// Every token generated, those of a stop string and the end-of-generation token included.
    pub tokens: Vec<Token>,
    /// Why it ended.
    pub finish: FinishReason,
    /// The seed used.
    pub seed: u64,
    /// One entry per token when asked for.
    pub logprobs: Vec<TokenLogprobs>,
    /// How long it took.
    pub timings: Timings,
}

/// Continues `sequence` with `prompt` and generates.
///
/// What the sequence already shares with `prompt` from the start is kept; the rest is dropped and fed anew. Text is
/// emitted as [`Event::Text`] while it comes. After an interrupt or an error the sequence holds whole tokens and can be
/// used on. `hooks` see every pass: that over the prompt, and one per token after it. What is in the sequence already they
/// do not see again.
///
/// # Errors
/// An empty prompt, a prompt that does not fit the context, options out of range, an interrupt, a failing backend.
pub fn run(
    sequence: &mut dyn Sequence,
    context: usize,
    tokenizer: &Tokenizer,
    prompt: &[Token],
    options: &GenerateOptions,
    mut hooks: Option<&mut dyn Hooks>,
    control: &Control,
) -> Result<Generation> {
    let mut feed = |sequence: &mut dyn Sequence, tokens: &[Token]| match &mut hooks {
        Some(hooks) => sequence.feed_with(tokens, Rows::Last, *hooks, control),
        None => sequence.feed(tokens, Rows::Last, control),
    };
    options.validate()?;
    if prompt.is_empty() {
        return Err(Error::argument("prompt", "at least one token", "none")
            .with_help("give some text; where the tokenizer begins every text with a token of its own, \"\" will do"));
    }
    if prompt.len() > context {
        return Err(Error::ContextOverflow { tokens: prompt.len(), context });
    }
    let mut sampler = Sampler::new(options.sampler.clone())?;
    let start = Instant::now();

    // The last prompt token is always fed again: its logits are what the first token is drawn from.
    let common = sequence.tokens().iter().zip(prompt).take_while(|(a, b)| a == b).count().min(prompt.len() - 1);
    sequence.truncate(common)?;
    let mut logits = feed(sequence, prompt.get(common..).unwrap_or_default())?;
    let prompt_time = start.elapsed();

    let mut generation = Generation {
        text: String::new(),
        tokens: Vec::new(),
        finish: FinishReason::MaxTokens,
        seed: sampler.seed(),
        logprobs: Vec::new(),
        timings: Timings {
            prompt_tokens: prompt.len(),
            cached_tokens: common,
            prompt: prompt_time,
            ..Timings::default()
        },
    };
    let mut stream = tokenizer.stream();
    let mut scanner = StopScanner::new(options.stop.clone());
    let mut history = prompt.to_vec();
    let mut first: Option<Instant> = None;

    while options.max_tokens.is_none_or(|max| generation.tokens.len() < max) {
        control.check()?;
        let row = logits.last().ok_or_else(|| Error::Numeric("the backend returned no logits".into()))?;
        let token = sampler.sample(row, &history)?;
        if let Some(n) = options.logprobs {
            let logprob = log_softmax_at(row, token).unwrap_or(f32::NEG_INFINITY);
            generation.logprobs.push(TokenLogprobs { token, logprob, top: top(row, n)? });
        }
        generation.tokens.push(token);
        history.push(token);
        let now = Instant::now();
        match first {
            None => {
                first = Some(now);
                generation.timings.first_token = now - start;
            }
            Some(first) => generation.timings.decode = now - first,
        }
        if tokenizer.is_end_of_generation(token) && !options.ignore_eos {
            generation.finish = FinishReason::EndOfText;
            break;
        }
        show(&mut generation, scanner.push(&stream.push(token)?), control);
        if let Some(stop) = scanner.hit() {
            generation.finish = FinishReason::Stop(stop.to_owned());
            break;
        }
        if options.max_tokens == Some(generation.tokens.len()) {
            break;
        }
        if sequence.len() >= context {
            generation.finish = FinishReason::Context;
            break;
        }
        logits = feed(sequence, &[token])?;
    }
    if scanner.hit().is_none() {
        let rest = stream.finish();
        show(&mut generation, scanner.push(&rest), control);
        match scanner.hit() {
            Some(stop) => generation.finish = FinishReason::Stop(stop.to_owned()),
            None => show(&mut generation, scanner.finish(), control),
        }
    }
    generation.timings.generated_tokens = generation.tokens.len();
    Ok(generation)
}

fn show(generation: &mut Generation, text: String, control: &Control) {
    if !text.is_empty() {
        generation.text.push_str(&text);
        control.emit(Event::Text(text));
    }
}
