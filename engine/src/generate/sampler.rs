//! From a row of logits to a token: penalties, top-k, top-p, min-p, temperature, draw; llama.cpp's order.

use super::SamplerOptions;
use super::distribution::{check_finite, keep_largest, sort_largest};
use crate::Token;
use crate::error::{Error, Result};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;

/// A sampler chain with its random state.
///
/// One uniform number is drawn for each token, whatever the options, so that the same seed walks the same path on every
/// backend. ChaCha8 is used because its output is fixed by its definition, not by a library's version.
#[derive(Debug, Clone)]
pub struct Sampler {
    options: SamplerOptions,
    seed: u64,
    rng: ChaCha8Rng,
    candidates: Vec<(Token, f32)>,
}

impl Sampler {
    /// A sampler; options out of range are an error.
    pub fn new(options: SamplerOptions) -> Result<Self> {
        options.validate()?;
        // 53 bits, so that a seed survives JSON and every notebook front end.
        let seed = options.seed.unwrap_or_else(|| rand::rng().random::<u64>() >> 11);
        Ok(Self { options, seed, rng: ChaCha8Rng::seed_from_u64(seed), candidates: Vec::new() })
    }

    /// The seed in use.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Chooses a token. `history` is every token so far, prompt included; only its tail matters, to the penalties.
    pub fn sample(&mut self, logits: &[f32], history: &[Token]) -> Result<Token> {
        let draw: f64 = self.rng.random();
        self.distribution(logits, history)?;
        let total: f64 = self.candidates.iter().map(|(_, p)| f64::from(*p)).sum();
        let mut left = draw * total;
        for (token, p) in &self.candidates {
            left -= f64::from(*p);
            if left < 0.0 {
                return Ok(*token);
            }
        }
        // Rounding may leave a remainder past the last candidate.
        self.candidates
            .iter()
            .rev()
            .find(|(_, p)| *p > 0.0)
            .map(|(token, _)| *token)
            .ok_or_else(|| Error::Numeric("no token is left to choose".into()))
    }

    /// The tokens that sampling would choose among, each with its probability after the whole chain, likeliest first.
    pub fn probabilities(&mut self, logits: &[f32], history: &[Token]) -> Result<Vec<(Token, f32)>> {
        self.distribution(logits, history)?;
        let mut all = self.candidates.clone();
        let n = all.len();
        keep_largest(&mut all, n);
        Ok(all)
    }

    /// Fills `candidates` with tokens and normalized probabilities.
    fn distribution(&mut self, logits: &[f32], history: &[Token]) -> Result<()> {
        check_finite(logits)?;
        let o = &self.options;
        let c = &mut self.candidates;
        c.clear();
        c.extend((0..).zip(logits.iter().copied()));
        penalize(o, c, history);

        if o.temperature == 0.0 {
            // The first of the largest; no sorting of a whole vocabulary for one token.
            let best = c.iter().copied().reduce(|best, next| if next.1 > best.1 { next } else { best });
            c.clear();
            c.extend(best.map(|(token, _)| (token, 1.0)));
            return Ok(());
        }
        if o.top_k > 0 {
            keep_largest(c, o.top_k);
        }
        if o.top_p < 1.0 {
            keep_top_p(c, o.top_p);
        }
        if o.min_p > 0.0 {
            let max = c.iter().map(|(_, l)| *l).fold(f32::NEG_INFINITY, f32::max);
            let floor = max + o.min_p.ln();
            c.retain(|(_, l)| *l >= floor);
        }
        let max = c.iter().map(|(_, l)| *l).fold(f32::NEG_INFINITY, f32::max);
        let mut total = 0f64;
        for (_, value) in c.iter_mut() {
            *value = ((*value - max) / o.temperature).exp();
            total += f64::from(*value);
        }
        c.iter_mut().for_each(|(_, p)| *p = (f64::from(*p) / total) as f32);
        Ok(())
    }
}

fn penalize(o: &SamplerOptions, candidates: &mut [(Token, f32)], history: &[Token]) {
    if o.repeat_penalty == 1.0 && o.frequency_penalty == 0.0 && o.presence_penalty == 0.0 {
        return;
    }
    let recent = history.get(history.len().saturating_sub(o.repeat_last_n)..).unwrap_or_default();
    let mut counts: HashMap<Token, u32> = HashMap::new();
    for token in recent {
        *counts.entry(*token).or_default() += 1;
    }
    for (token, count) in counts {
        if let Some((_, logit)) = candidates.get_mut(token as usize) {
            // The original divides; for negative logits that would reward repetition, so everyone multiplies.
            *logit = if *logit <= 0.0 { *logit * o.repeat_penalty } else { *logit / o.repeat_penalty };
            *logit -= count as f32 * o.frequency_penalty + o.presence_penalty;
        }
    }
}

/// Keeps the likeliest candidates up to the first at which the cumulative probability reaches `p`, sorted.
///
/// A vocabulary is large and the set that is kept is not: no more candidates are sorted than turn out to be needed.
fn keep_top_p(candidates: &mut Vec<(Token, f32)>, p: f32) {
    const FIRST: usize = 256;
    let max = candidates.iter().map(|(_, l)| *l).fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: f32| f64::from(logit - max).exp();
    let total: f64 = candidates.iter().map(|(_, l)| weight(*l)).sum();
    let (mut sorted, mut cumulative) = (0, 0f64);
    while let Some(rest) = candidates.get_mut(sorted..).filter(|rest| !rest.is_empty()) {
        let next = sort_largest(rest, sorted.max(FIRST));
        let reached = next.iter().position(|(_, l)| {
            cumulative += weight(*l) / total;
            cumulative >= f64::from(p)
        });
        let count = next.len();
        if let Some(last) = reached {
            candidates.truncate(sorted + last + 1);
            return;
        }
        sorted += count;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn only(f: impl FnOnce(&mut SamplerOptions)) -> Sampler {
        let mut o = SamplerOptions {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            seed: Some(7),
            ..SamplerOptions::default()
        };
        f(&mut o);
        Sampler::new(o).unwrap()
    }

    fn ln(p: &[f32]) -> Vec<f32> {
        p.iter().map(|p| p.ln()).collect()
    }

    #[test]
    fn each_filter_keeps_what_its_definition_says() {
        let logits = ln(&[0.1, 0.4, 0.3, 0.2]);
        let kept = |mut s: Sampler| s.probabilities(&logits, &[]).unwrap().iter().map(|c| c.0).collect::<Vec<_>>();
        assert_eq!(kept(only(|o| o.top_k = 2)), [1, 2]);
        assert_eq!(kept(only(|o| o.top_p = 0.65)), [1, 2]);
        assert_eq!(kept(only(|o| o.top_p = 0.75)), [1, 2, 3]);
        assert_eq!(kept(only(|o| o.min_p = 0.6)), [1, 2]);
        assert_eq!(kept(only(|o| o.temperature = 0.0)), [1]);
        assert_eq!(kept(only(|_| ())), [1, 2, 3, 0]);
    }

    #[test]
    fn top_p_of_a_large_vocabulary_keeps_what_sorting_all_of_it_would() {
        let logits: Vec<f32> = (0..20_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 16) as f32 / 6_000.0).collect();
        let all = only(|_| ()).probabilities(&logits, &[]).unwrap();
        for p in [0.001f32, 0.1, 0.5, 0.9, 0.999] {
            let mut sum = 0f64;
            let below = |c: &&(Token, f32)| {
                sum += f64::from(c.1);
                sum < f64::from(p)
            };
            let expected = 1 + all.iter().take_while(below).count();
            let kept = only(|o| o.top_p = p).probabilities(&logits, &[]).unwrap();
            assert!(kept.len().abs_diff(expected) <= 1, "{p}: {} and {expected}", kept.len());
            let ids = |of: &[(Token, f32)]| of.iter().take(kept.len()).map(|c| c.0).collect::<Vec<_>>();
            assert_eq!(ids(&kept), ids(&all), "{p}");
        }
        assert!(all.len() == logits.len(), "top_k 0 keeps all");
    }

    #[test]
    fn drawing_follows_the_probabilities() {
        let logits = ln(&[0.1, 0.4, 0.3, 0.2]);
        let mut s = only(|_| ());
        let mut counts = [0usize; 4];
        for _ in 0..20_000 {
            counts[s.sample(&logits, &[]).unwrap() as usize] += 1;
        }
        for (count, p) in counts.iter().zip([0.1, 0.4, 0.3, 0.2]) {
            // Five standard deviations of a binomial with n = 20,000 is at most 0.018.
            assert!((*count as f64 / 20_000.0 - p).abs() < 0.018, "{counts:?}");
        }
    }

    #[test]
    fn temperature_divides_logits() {
        let mut s = only(|o| o.temperature = 0.5);
        let p = s.probabilities(&ln(&[0.25, 0.75]), &[]).unwrap();
        assert!((p[0].1 - 0.9).abs() < 1e-6, "p² normalized: 0.5625 / 0.625");
    }

    #[test]
    fn penalties_touch_recent_tokens_only() {
        let mut s = only(|o| {
            o.repeat_penalty = 2.0;
            o.repeat_last_n = 2;
            o.temperature = 0.0;
        });
        assert_eq!(s.sample(&[4.0, 3.0, -1.0], &[0, 2, 2]).unwrap(), 0, "token 0 is not recent");
        assert_eq!(s.sample(&[4.0, 3.0, -1.0], &[2, 0]).unwrap(), 1, "4 / 2 < 3");
        assert_eq!(s.sample(&[-1.0, -1.5], &[0]).unwrap(), 1, "-1 · 2 < -1.5");
    }

    #[test]
    fn a_seed_repeats_and_bad_options_are_named() {
        let logits = vec![0.0; 1000];
        let run = |seed| {
            let mut s = only(|o| o.seed = Some(seed));
            (0..20).map(|_| s.sample(&logits, &[]).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let e = Sampler::new(SamplerOptions { top_p: 1.5, ..SamplerOptions::default() }).unwrap_err();
        assert_eq!(e.to_string(), "top_p: expected a number in (0, 1], found 1.5");
    }
}
