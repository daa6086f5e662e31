//! Against f64, with every instruction set of this processor.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::attend::attend_with;
use super::problem::{Attention, Elements, Keys};
use crate::cpu::math::Isa;
use crate::error::Error;
use half::f16;

/// Numbers between −1 and 1, the same ones every time.
fn noise(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn go_on() -> bool {
    false
}

/// A problem with its numbers; the cache has some rows more than are filled, which are not numbers.
struct Case<'a> {
    attention: Attention<'a>,
    queries: usize,
    capacity: usize,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl<'a> Case<'a> {
    fn new(attention: Attention<'a>, queries: usize) -> Self {
        let Attention { heads, kv_heads, head_dim, value_dim, start, .. } = attention;
        let len = start + queries;
        let capacity = len + 3;
        let cache = |dim: usize, seed| {
            let mut all = noise(kv_heads * capacity * dim, seed);
            for head in all.chunks_exact_mut(capacity * dim) {
                head[len * dim..].fill(f32::NAN);
            }
            all
        };
        let q = noise(queries * heads * head_dim, 1).into_iter().map(|x| 4.0 * x).collect();
        Self { attention, queries, capacity, q, k: cache(head_dim, 2), v: cache(value_dim, 3) }
    }

    fn keys<'b>(&self, elements: Elements<'b>, dim: usize) -> Keys<'b> {
        let len = self.attention.start + self.queries;
        Keys { elements, heads: self.attention.kv_heads, capacity: self.capacity, dim, len }
    }

    fn run(&self, isa: Isa, half: bool) -> Vec<f32> {
        let Attention { heads, head_dim, value_dim, .. } = self.attention;
        let mut out = vec![f32::NAN; self.queries * heads * value_dim];
        let (k, v) = (round(&self.k), round(&self.v));
        let (k, v) = if half {
            (Elements::F16(&k), Elements::F16(&v))
        } else {
            (Elements::F32(&self.k), Elements::F32(&self.v))
        };
        let (k, v) = (self.keys(k, head_dim), self.keys(v, value_dim));
        attend_with(isa, &self.attention, &self.q, &k, &v, &mut out, &go_on).unwrap();
        out
    }

    fn truth(&self, half: bool) -> Vec<f64> {
        let Attention { heads, kv_heads, head_dim, value_dim, start, hidden, .. } = self.attention;
        let wide = |all: &[f32]| -> Vec<f64> {
            if half {
                round(all).iter().map(|x| x.to_f64()).collect()
            } else {
                all.iter().map(|x| f64::from(*x)).collect()
            }
        };
        let (keys, values) = (wide(&self.k), wide(&self.v));
        let mut out = Vec::new();
        for query in 0..self.queries {
            for head in 0..heads {
                let q = &self.q[(query * heads + head) * head_dim..][..head_dim];
                let from = head / (heads / kv_heads) * self.capacity;
                let position = start + query;
                let seen = (hidden..=position).filter(|k| self.attention.window.is_none_or(|w| position - k < w));
                let seen: Vec<usize> = seen.collect();
                let score = |key: usize| {
                    let k = &keys[(from + key) * head_dim..][..head_dim];
                    let dot: f64 = q.iter().zip(k).map(|(q, k)| f64::from(*q) * k).sum();
                    let mut score = dot * f64::from(self.attention.scale);
                    if let Some(cap) = self.attention.softcap {
                        score = f64::from(cap) * (score / f64::from(cap)).tanh();
                    }
                    let slope = self.attention.slopes.map_or(0.0, |slopes| f64::from(slopes[head]));
                    score + slope * (key as f64 - position as f64)
                };
                let scores: Vec<f64> = seen.iter().map(|key| score(*key)).collect();
                let greatest = scores.iter().copied().fold(f64::MIN, f64::max);
                let total: f64 = scores.iter().map(|s| (s - greatest).exp()).sum();
                for x in 0..value_dim {
                    let weighted = seen.iter().zip(&scores);
                    let sum: f64 =
                        weighted.map(|(k, s)| (s - greatest).exp() * values[(from + k) * value_dim + x]).sum();
                    out.push(if seen.is_empty() { 0.0 } else { sum / total });
                }
            }
        }
        out
    }

    fn check(&self) {
        for half in [false, true] {
            let truth = self.truth(half);
            for isa in Isa::available() {
                let found = self.run(isa, half);
                for (i, (found, truth)) in found.iter().zip(&truth).enumerate() {
                    let error = (f64::from(*found) - truth).abs();
                    let Attention { heads, kv_heads, head_dim, value_dim, start, .. } = self.attention;
                    assert!(
                        error < 3e-6,
                        "{isa:?}, half {half}: {} queries from {start}, {heads} heads over {kv_heads}, {head_dim} and \
                         {value_dim} numbers: number {i} is {found}, not {truth}",
                        self.queries
                    );
                }
            }
        }
    }
}

fn round(all: &[f32]) -> Vec<f16> {
    all.iter().map(|x| f16::from_f32(*x)).collect()
}

fn plain(heads: usize, kv_heads: usize, dim: usize, start: usize) -> Attention<'static> {
    Attention {
        heads,
        kv_heads,
        head_dim: dim,
        value_dim: dim,
        scale: 1.0 / (dim as f32).sqrt(),
        softcap: None,
        window: None,
        slopes: None,
        start,
        hidden: 0,
    }
}

#[test]
fn decoding_steps_match() {
    for (heads, kv_heads) in [(9, 3), (4, 4), (6, 1), (16, 2), (7, 1)] {
        for queries in 1..=4 {
            for start in [0, 1, 63, 64, 130, 700] {
                Case::new(plain(heads, kv_heads, 64, start), queries).check();
            }
        }
    }
}

#[test]
fn prompts_match() {
    for (queries, start) in [(5, 0), (17, 3), (64, 0), (65, 100), (129, 1)] {
        Case::new(plain(9, 3, 64, start), queries).check();
        Case::new(plain(2, 2, 32, start), queries).check();
        Case::new(plain(8, 1, 16, start), queries).check();
    }
    // More heads over one key head than a tile has rows, and a divided range of keys.
    Case::new(plain(71, 1, 8, 20), 3).check();
    Case::new(plain(2, 1, 16, 1500), 9).check();
}

#[test]
fn any_head_size_will_do() {
    for dim in [1, 3, 8, 15, 20, 33, 80, 96, 100, 128, 256] {
        for (queries, start) in [(1, 70), (3, 10), (20, 50)] {
            let mut attention = plain(3, 1, dim, start);
            Case::new(attention, queries).check();
            attention.value_dim = dim / 2 + 3;
            Case::new(attention, queries).check();
        }
    }
}

#[test]
fn every_option_counts() {
    let slopes: Vec<f32> = noise(6, 9).into_iter().map(f32::abs).collect();
    for (queries, start) in [(1, 0), (1, 600), (2, 200), (40, 0), (70, 90)] {
        let base = plain(6, 2, 24, start);
        for window in [1, 2, 17, 64, 100, 10_000] {
            Case::new(Attention { window: Some(window), ..base }, queries).check();
        }
        for hidden in [1, 13, 64, 150, 5000] {
            Case::new(Attention { hidden, ..base }, queries).check();
        }
        Case::new(Attention { softcap: Some(1.5), ..base }, queries).check();
        Case::new(Attention { slopes: Some(&slopes), ..base }, queries).check();
        let all = Attention { softcap: Some(2.0), slopes: Some(&slopes), window: Some(50), hidden: 30, ..base };
        Case::new(all, queries).check();
    }
}

#[test]
fn great_scores_do_not_overflow() {
    for queries in [1, 20] {
        let mut case = Case::new(plain(3, 1, 16, 100), queries);
        case.attention.scale = 1000.0;
        let truth = case.truth(false);
        for isa in Isa::available() {
            let found = case.run(isa, false);
            // The scores themselves are right to some 1e-4 only.
            assert!(found.iter().zip(&truth).all(|(f, t)| (f64::from(*f) - t).abs() < 5e-3), "{isa:?}");
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    for queries in [1, 30] {
        let case = Case::new(plain(6, 2, 32, 1000), queries);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| case.run(Isa::best(), true))
        };
        assert_eq!(with(1), with(5));
    }
}

#[test]
fn a_stop_is_heard() {
    for queries in [1, 50] {
        let case = Case::new(plain(2, 1, 8, 4), queries);
        let (k, v) = (case.keys(Elements::F32(&case.k), 8), case.keys(Elements::F32(&case.v), 8));
        let mut out = vec![0.0; queries * 16];
        let stopped = super::attend(&case.attention, &case.q, &k, &v, &mut out, &|| true);
        assert!(matches!(stopped, Err(Error::Interrupted)));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let case = Case::new(plain(4, 2, 8, 5), 3);
    let halves = round(&case.v);
    let (k, v) = (case.keys(Elements::F32(&case.k), 8), case.keys(Elements::F32(&case.v), 8));
    let base = case.attention;
    let run = |a: Attention<'_>, q: &[f32], k: Keys<'_>, v: Keys<'_>, out: usize| {
        super::attend(&a, q, &k, &v, &mut vec![0.0; out], &go_on).is_ok()
    };
    let (q, out) = (case.q.as_slice(), 3 * 4 * 8);
    assert!(run(base, q, k, v, out));
    assert!(run(base, &[], k, v, 0));
    for bad in [
        Attention { heads: 3, ..base },
        Attention { heads: 0, ..base },
        Attention { kv_heads: 0, ..base },
        Attention { kv_heads: 4, ..base },
        Attention { head_dim: 0, ..base },
        Attention { head_dim: 7, ..base },
        Attention { value_dim: 0, ..base },
        Attention { value_dim: usize::MAX, ..base },
        Attention { heads: usize::MAX - 1, ..base },
        Attention { start: 6, ..base },
        Attention { start: usize::MAX, ..base },
        Attention { window: Some(0), ..base },
        Attention { softcap: Some(0.0), ..base },
        Attention { softcap: Some(f32::NAN), ..base },
        Attention { slopes: Some(&[1.0]), ..base },
    ] {
        assert!(!run(bad, q, k, v, out), "{bad:?}");
    }
    assert!(!run(base, &q[1..], k, v, out));
    assert!(!run(base, q, k, v, out - 1));
    assert!(!run(base, q, Keys { len: 7, ..k }, v, out));
    assert!(!run(base, q, Keys { len: 100, ..k }, v, out));
    assert!(!run(base, q, Keys { capacity: 100, ..k }, v, out));
    assert!(!run(base, q, Keys { capacity: usize::MAX, ..k }, v, out));
    assert!(!run(base, q, k, Keys { elements: Elements::F16(&halves), ..v }, out));
    assert!(!run(base, q, k, Keys { dim: 4, ..v }, out));
    assert!(!run(base, q, k, Keys { heads: 1, ..v }, out));
}
