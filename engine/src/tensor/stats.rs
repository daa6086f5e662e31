//! Statistics and histograms of all values of a tensor, streamed from wherever they are.

use crate::control::Control;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// What the values of a tensor are like. Minimum, maximum, mean, deviation and norm are those of the finite values, so that one
/// NaN does not hide the rest; they are NaN when there are none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stats {
    /// Number of values.
    pub n: u64,
    /// How many are NaN.
    pub nan: u64,
    /// How many are +infinity.
    pub pos_inf: u64,
    /// How many are -infinity.
    pub neg_inf: u64,
    /// How many are exactly zero.
    pub zeros: u64,
    /// Smallest finite value.
    pub min: f64,
    /// Largest finite value.
    pub max: f64,
    /// Mean of the finite values.
    pub mean: f64,
    /// Population standard deviation of the finite values (divides by n, as NumPy does).
    pub std: f64,
    /// Euclidean norm of the finite values.
    pub norm: f64,
}

impl Stats {
    /// How many values are neither NaN nor infinite.
    pub fn finite(&self) -> u64 {
        self.n - self.nan - self.pos_inf - self.neg_inf
    }
}

/// Equal bins from the smallest to the largest finite value, as `numpy.histogram` counts them.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Values per bin.
    pub counts: Vec<u64>,
    /// Borders of the bins, one more than there are bins. A bin includes its lower border; the last also its upper one.
    pub edges: Vec<f64>,
    /// Values outside: NaN, infinities, and what lies outside a range that was given.
    pub outside: u64,
}

#[derive(Clone, Copy)]
struct Part {
    stats: Stats,
    m2: f64,
    squares: f64,
}

impl Part {
    fn of(values: &[f64]) -> Self {
        let (mut nan, mut pos_inf, mut neg_inf, mut zeros) = (0u64, 0u64, 0u64, 0u64);
        let (mut min, mut max, mut sum, mut squares) = (f64::INFINITY, f64::NEG_INFINITY, 0f64, 0f64);
        for &v in values {
            if v.is_finite() {
                zeros += u64::from(v == 0.0);
                min = if v < min { v } else { min };
                max = if v > max { v } else { max };
                sum += v;
                squares = v.mul_add(v, squares);
            } else if v.is_nan() {
                nan += 1;
            } else if v > 0.0 {
                pos_inf += 1;
            } else {
                neg_inf += 1;
            }
        }
        let n = values.len() as u64;
        let finite = n - nan - pos_inf - neg_inf;
        let mean = if finite == 0 { 0.0 } else { sum / finite as f64 };
        // The chunk is in the cache: a second pass is cheap, and the deviations are exact where differences of squares are not.
        let m2 = values.iter().filter(|v| v.is_finite()).map(|v| (v - mean) * (v - mean)).sum();
        let stats = Stats { n, nan, pos_inf, neg_inf, zeros, min, max, mean, std: 0.0, norm: 0.0 };
        Self { stats, m2, squares }
    }

    /// Chan, Golub and LeVeque's pairwise update.
    fn merge(self, other: Self) -> Self {
        let (a, b) = (self.stats, other.stats);
        let (na, nb) = (a.finite() as f64, b.finite() as f64);
        let n = na + nb;
        let d = b.mean - a.mean;
        let (mean, m2) =
            if n == 0.0 { (0.0, 0.0) } else { (a.mean + d * nb / n, self.m2 + other.m2 + d * d * na * nb / n) };
        let stats = Stats {
            n: a.n + b.n,
            nan: a.nan + b.nan,
            pos_inf: a.pos_inf + b.pos_inf,
            neg_inf: a.neg_inf + b.neg_inf,
            zeros: a.zeros + b.zeros,
            min: a.min.min(b.min),
            max: a.max.max(b.max),
            mean,
            std: 0.0,
            norm: 0.0,
        };
        Self { stats, m2, squares: self.squares + other.squares }
    }

    fn finish(self) -> Stats {
        let n = self.stats.finite() as f64;
        if n == 0.0 {
            let none = f64::NAN;
            return Stats { min: none, max: none, mean: none, std: none, norm: none, ..self.stats };
        }
        Stats { std: (self.m2 / n).sqrt(), norm: self.squares.sqrt(), ..self.stats }
    }
}

impl Tensor {
    /// Statistics of all values in one pass. Polls the interrupt, and reports progress where it takes longer than half a second.
    pub fn stats(&self, control: &Control) -> Result<Stats> {
        let parts = self.values()?.scan(control, &self.describe("statistics of"), |values, _| Part::of(values))?;
        Ok(parts.into_iter().reduce(Part::merge).unwrap_or_else(|| Part::of(&[])).finish())
    }

    /// Counts the values in `bins` equal bins over `range`, or from the smallest to the largest finite value.
    pub fn hist(&self, bins: usize, range: Option<(f64, f64)>, control: &Control) -> Result<Histogram> {
        if bins == 0 || bins > 1 << 20 {
            return Err(Error::argument("hist", "from 1 to 1048576 bins", bins.to_string()));
        }
        let (low, high) = match range {
            Some((a, b)) if a.is_finite() && b.is_finite() && a <= b => (a, b),
            Some((a, b)) => {
                return Err(Error::argument(
                    "hist",
                    "a range of two finite numbers, the lower first",
                    format!("{a} to {b}"),
                ));
            }
            None => {
                let s = self.stats(control)?;
                if s.finite() == 0 { (0.0, 1.0) } else { (s.min, s.max) }
            }
        };
        self.hist_between(bins, low, high, control)
    }

    pub(crate) fn hist_between(&self, bins: usize, low: f64, high: f64, control: &Control) -> Result<Histogram> {
        // NumPy's widening of an empty range.
        let (low, high) = if low == high { (low - 0.5, high + 0.5) } else { (low, high) };
        let width = (high - low) / bins as f64;
        let edges: Vec<f64> = (0..=bins).map(|i| if i == bins { high } else { low + i as f64 * width }).collect();
        let scale = bins as f64 / (high - low);
        let edge = |i: usize| edges.get(i).copied().unwrap_or(f64::INFINITY);
        let parts = self.values()?.scan(control, &self.describe("histogram of"), |values, _| {
            let mut counts = vec![0u64; bins];
            let mut outside = 0u64;
            for &v in values {
                if !(v >= low && v <= high) {
                    outside += 1;
                    continue;
                }
                let mut i = (((v - low) * scale) as usize).min(bins - 1);
                // The product rounds; the borders decide.
                if v < edge(i) {
                    i = i.saturating_sub(1);
                } else if i + 1 < bins && v >= edge(i + 1) {
                    i += 1;
                }
                if let Some(c) = counts.get_mut(i) {
                    *c += 1;
                }
            }
            (counts, outside)
        })?;
        let mut total = Histogram { counts: vec![0; bins], edges: edges.clone(), outside: 0 };
        for (counts, outside) in parts {
            total.counts.iter_mut().zip(counts).for_each(|(t, c)| *t += c);
            total.outside += outside;
        }
        Ok(total)
    }
}
