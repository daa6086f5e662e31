//! A tensor in one line, in the manner of lovely-tensors:
//! `f16[576, 1536] n=884736 (1.8 MB) x∈[-2.12 |▂▅█▇▂▁| 2.64] μ=-0.390 σ=1.07`.

use crate::control::Control;
use crate::error::{Error, Result, bytes};
use crate::tensor::elementwise::is_integer;
use crate::tensor::{Histogram, Stats, Tensor};

/// Bins of the histogram in the line.
const BINS: usize = 8;

/// A number with three significant digits: `-2.12`, `0.00123`, `4.56e-7`, `12`.
pub fn number(x: f64) -> String {
    if x.is_nan() {
        return "nan".to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let size = x.abs();
    if x.fract() == 0.0 && size < 1e6 {
        return format!("{x:.0}").replace("-0", if x == 0.0 { "0" } else { "-0" });
    }
    // The exponent after rounding: 0.9996 reads 1.00, not 1.000.
    let rounded = format!("{x:.2e}");
    let power = rounded.split_once('e').and_then(|(_, p)| p.parse::<i64>().ok()).unwrap_or(0);
    if !(-3..5).contains(&power) {
        return rounded;
    }
    let decimals = (2 - power).clamp(0, 5) as usize;
    format!("{x:.decimals$}")
}

/// A histogram in block characters, the tallest bin full. A bin that holds anything shows at least the lowest block.
pub(crate) fn sparkline(counts: &[u64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let top = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    counts
        .iter()
        .map(|c| match c {
            0 => ' ',
            c => {
                let level = (*c as f64 / top * 8.0).ceil() as usize;
                BLOCKS.get(level.saturating_sub(1)).copied().unwrap_or('█')
            }
        })
        .collect()
}

impl Tensor {
    /// Type, shape and size, without reading a value: `f16[576, 1536] n=884736 (1.8 MB)`, the name before it where there is one.
    pub fn header(&self) -> String {
        let name = self.name().map(|n| format!("{n} ")).unwrap_or_default();
        let dtype = self.dtype().name().to_lowercase();
        format!("{name}{dtype}{:?} n={} ({})", self.shape(), self.elements(), bytes(self.bytes()))
    }

    /// The one line, from statistics and a histogram that were computed before.
    pub fn summary_from(&self, stats: &Stats, histogram: &Histogram) -> String {
        let mut line = self.header();
        let show = |v: f64| if is_integer(self.dtype()) && v.fract() == 0.0 { format!("{v:.0}") } else { number(v) };
        let finite = stats.finite();
        if stats.n > 0 && stats.zeros == stats.n {
            line.push_str(" all zeros");
        } else if finite > 0 && stats.min == stats.max {
            line.push_str(&format!(" x={}", show(stats.min)));
        } else if finite > 0 {
            let bars = sparkline(&histogram.counts);
            line.push_str(&format!(" x∈[{} |{bars}| {}]", show(stats.min), show(stats.max)));
            line.push_str(&format!(" μ={} σ={}", number(stats.mean), number(stats.std)));
        }
        for (count, flag) in [(stats.nan, "NaN!"), (stats.pos_inf, "+Inf!"), (stats.neg_inf, "-Inf!")] {
            if count == stats.n && count > 0 {
                line.push_str(&format!(" all {flag}"));
            } else if count > 0 {
                line.push_str(&format!(" {flag} ({count})"));
            }
        }
        line
    }

    /// The one line. Values of a type that cannot be computed leave it at type, shape and size, and a remark.
    pub fn summary(&self, control: &Control) -> Result<String> {
        if self.rank() == 0 {
            let name = self.name().map(|n| format!("{n} ")).unwrap_or_default();
            return Ok(format!("{name}{}[] {}", self.dtype().name().to_lowercase(), self.corner()?));
        }
        let found = self.stats(control).and_then(|stats| {
            let spread = stats.finite() > 0 && stats.min < stats.max;
            let (low, high) = if spread { (stats.min, stats.max) } else { (0.0, 1.0) };
            let histogram = if spread {
                self.hist_between(BINS, low, high, control)?
            } else {
                Histogram { counts: Vec::new(), edges: Vec::new(), outside: 0 }
            };
            Ok((stats, histogram))
        });
        match found {
            Ok((stats, histogram)) => Ok(self.summary_from(&stats, &histogram)),
            Err(Error::Unsupported { .. }) => {
                Ok(format!("{} values of type {} cannot be computed", self.header(), self.dtype()))
            }
            Err(error) => Err(error),
        }
    }

    /// The line and below it a corner of the values.
    pub fn text(&self, control: &Control) -> Result<String> {
        self.text_within(usize::MAX, control)
    }

    /// The same with the values in lines of at most this many columns, or fewer where they read better so.
    pub fn text_within(&self, columns: usize, control: &Control) -> Result<String> {
        let line = self.summary(control)?;
        if self.rank() == 0 {
            return Ok(line);
        }
        match self.corner_within(columns) {
            Ok(corner) => Ok(format!("{line}\n{corner}")),
            Err(Error::Unsupported { .. }) => Ok(line),
            Err(error) => Err(error),
        }
    }
}
