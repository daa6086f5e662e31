//! From values to places on an axis: linear and logarithmic scales, their ticks, and what the ticks read.

use crate::display::measure::grouped;

/// An axis's numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The value at its beginning.
    pub low: f64,
    /// The value at its end.
    pub high: f64,
    /// Logarithmic.
    pub log: bool,
}

/// How the numbers of an axis are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// With this many decimals.
    Fixed(usize),
    /// With the letters of the SI: `20k`, `1.5M`.
    Si,
    /// With a power of ten.
    Power,
}

impl Scale {
    /// The scale for values from `min` to `max`, which its ends need not be: `range` replaces either end, `zero` takes zero
    /// in, `nice` moves the ends outwards to round numbers.
    pub fn fit(min: f64, max: f64, log: bool, range: (Option<f64>, Option<f64>), zero: bool, nice: bool) -> Self {
        let (mut low, mut high) = (min, max);
        if zero && !log {
            (low, high) = (low.min(0.0), high.max(0.0));
        }
        if low == high {
            // Of constant data the line stands in the middle.
            let room = if log { 1.0 } else { (low.abs() * 0.1).max(f64::MIN_POSITIVE * 1e3) };
            let room = if low == 0.0 { 1.0 } else { room };
            (low, high) = if log { (low / 10.0, high * 10.0) } else { (low - room, high + room) };
        }
        let mut scale = Self { low: range.0.unwrap_or(low), high: range.1.unwrap_or(high), log };
        if nice {
            let (low, high) = scale.rounded_out();
            scale.low = range.0.unwrap_or(low);
            scale.high = range.1.unwrap_or(high);
        }
        if scale.high <= scale.low {
            // One end was asked for, and all values lie beyond it.
            let room = if log { scale.low * 9.0 } else { (scale.low.abs() * 0.1).max(1.0) };
            scale.high = scale.low + room;
        }
        if !log && !(scale.high - scale.low).is_finite() {
            // Spans beyond what a float holds.
            (scale.low, scale.high) = (scale.low.max(-f64::MAX / 4.0), scale.high.min(f64::MAX / 4.0));
        }
        scale
    }

    fn rounded_out(&self) -> (f64, f64) {
        if self.log {
            let (low, high) = (self.low.log10(), self.high.log10());
            // Less than a decade is not blown up to whole ones.
            return match high - low < 1.0 {
                true => (self.low, self.high),
                false => (10f64.powf((low + 1e-9).floor()), 10f64.powf((high - 1e-9).ceil())),
            };
        }
        let step = step(self.high - self.low, 6);
        let low = (self.low / step + 1e-9).floor() * step;
        let high = (self.high / step - 1e-9).ceil() * step;
        if low.is_finite() && high.is_finite() && low <= self.low && high >= self.high {
            (low, high)
        } else {
            (self.low, self.high)
        }
    }

    /// Where a value stands: 0 at the beginning, 1 at the end. NaN for what a logarithm does not take.
    pub fn unit(&self, v: f64) -> f64 {
        let (low, high, v) = match self.log {
            true => (self.low.ln(), self.high.ln(), if v > 0.0 { v.ln() } else { f64::NAN }),
            false => (self.low, self.high, v),
        };
        if high == low { 0.5 } else { (v - low) / (high - low) }
    }

    /// Round values along the axis, about so many.
    pub fn ticks(&self, about: usize) -> Vec<f64> {
        let about = about.max(2);
        if self.log {
            return self.log_ticks(about);
        }
        let step = step(self.high - self.low, about);
        let (first, last) = ((self.low / step - 1e-9).ceil(), (self.high / step + 1e-9).floor());
        if !(step > 0.0 && first.is_finite() && last.is_finite() && last - first < 100.0) {
            return vec![self.low, self.high];
        }
        // Multiplied, not added up: 0.3, not 0.30000000000000004 at the end.
        (0..=(last - first) as usize)
            .map(|i| (first + i as f64) * step)
            .map(|v| if v == 0.0 { 0.0 } else { v })
            .collect()
    }

    /// As [`Scale::ticks`]; where `whole` is said, none between whole numbers.
    pub fn ticks_of(&self, about: usize, whole: bool) -> Vec<f64> {
        let mut ticks = self.ticks(about);
        if whole {
            ticks.retain(|v| v.fract() == 0.0);
        }
        ticks
    }

    fn log_ticks(&self, about: usize) -> Vec<f64> {
        let (low, high) = (self.low.log10(), self.high.log10());
        let (first, last) = ((low - 1e-9).ceil() as i32, (high + 1e-9).floor() as i32);
        let decades = (last - first + 1).max(0) as usize;
        let inside = |v: &f64| *v >= self.low * (1.0 - 1e-9) && *v <= self.high * (1.0 + 1e-9);
        if decades >= 3 {
            let every = decades.div_ceil(about.max(2)).max(1);
            return (first..=last).step_by(every).map(|p| 10f64.powi(p)).collect();
        }
        let between = |factors: &[f64]| -> Vec<f64> {
            (first - 1..=last).flat_map(|p| factors.iter().map(move |f| f * 10f64.powi(p))).filter(inside).collect()
        };
        let coarse = between(&[1.0, 2.0, 5.0]);
        if coarse.len() >= 3 {
            return coarse;
        }
        Self { log: false, ..*self }.ticks(about)
    }

    /// How these ticks are best written.
    pub fn format(&self, ticks: &[f64]) -> Format {
        let largest = ticks.iter().fold(0f64, |m, v| m.max(v.abs()));
        if self.log {
            let smallest = ticks.iter().fold(f64::INFINITY, |m, v| m.min(v.abs()));
            if largest > 1e5 || smallest < 1e-3 {
                return Format::Power;
            }
            return Format::Fixed(if smallest < 1.0 { (-smallest.log10().floor()) as usize } else { 0 });
        }
        let step = ticks.windows(2).map(|w| (w[1] - w[0]).abs()).fold(f64::INFINITY, f64::min);
        let step = if step.is_finite() && step > 0.0 { step } else { largest };
        if largest == 0.0 {
            return Format::Fixed(0);
        }
        let fine = step / largest < 1e-4;
        if !fine && (1e6..1e15).contains(&largest) {
            return Format::Si;
        }
        if largest >= 1e15 || (largest < 1e-3 && !fine) || step < 1e-9 {
            return Format::Power;
        }
        // One digit of the step, two where the step is 2.5 or 0.25.
        let digits = (0..12).find(|d| {
            let scaled = step * 10f64.powi(*d);
            (scaled - scaled.round()).abs() < 1e-6 * scaled.max(1.0) && scaled >= 0.5
        });
        Format::Fixed(digits.unwrap_or(3) as usize)
    }

    /// What the ticks read. On a logarithmic axis decimals that say nothing are left out.
    pub fn labels(&self, ticks: &[f64]) -> Vec<String> {
        let format = self.format(ticks);
        ticks.iter().map(|v| if self.log { trimmed(format.text(*v)) } else { format.text(*v) }).collect()
    }
}

impl Format {
    /// A number in this format, with a true minus sign.
    pub fn text(self, v: f64) -> String {
        let text = match self {
            Self::Fixed(decimals) => grouped(&format!("{:.decimals$}", v.abs()), ','),
            Self::Si => si(v.abs()),
            Self::Power => power(v.abs()),
        };
        let zero = text.chars().all(|c| !c.is_ascii_digit() || c == '0') && !text.contains('⁻');
        if v < 0.0 && !zero { format!("−{text}") } else { text }
    }

    /// The same as a d3 format; on a logarithmic axis without decimals that say nothing.
    pub fn d3(self, log: bool) -> String {
        match self {
            Self::Fixed(decimals) if log => format!(",.{decimals}~f"),
            Self::Fixed(decimals) => format!(",.{decimals}f"),
            Self::Si => "~s".to_owned(),
            Self::Power => "~e".to_owned(),
        }
    }
}

fn trimmed(text: String) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn si(v: f64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")];
    let (size, letter) = units.into_iter().find(|(size, _)| v >= *size).unwrap_or((1.0, ""));
    format!("{}{letter}", trimmed(format!("{:.4}", v / size)))
}

/// `2×10⁻⁴`, `10⁵`, `0`.
fn power(v: f64) -> String {
    if v == 0.0 {
        return "0".to_owned();
    }
    let text = format!("{v:.3e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa = trimmed(mantissa.to_owned());
    let raised: String = exponent
        .chars()
        .filter_map(|c| match c {
            '-' => Some('⁻'),
            c => "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(c.to_digit(10)? as usize),
        })
        .collect();
    if mantissa == "1" { format!("10{raised}") } else { format!("{mantissa}×10{raised}") }
}

/// 1, 2 or 5 times a power of ten, so that `about` steps or fewer cover the span.
fn step(span: f64, about: usize) -> f64 {
    let raw = span / about.max(1) as f64;
    if !(raw.is_finite() && raw > 0.0) {
        return if span > 0.0 { span } else { 1.0 };
    }
    let size = 10f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|f| f * size >= raw * (1.0 - 1e-9)).unwrap_or(10.0);
    factor * size
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(low: f64, high: f64, log: bool) -> Vec<String> {
        let scale = Scale { low, high, log };
        scale.labels(&scale.ticks(5))
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(read(0.0, 1.0, false), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(read(-2.0, 2.0, false), ["−2", "−1", "0", "1", "2"]);
        assert_eq!(read(0.0, 6000.0, false), ["0", "2,000", "4,000", "6,000"]);
        assert_eq!(read(0.0, 4.2e6, false), ["0", "1M", "2M", "3M", "4M"]);
        assert_eq!(read(0.0, 3e-5, false), ["0", "10⁻⁵", "2×10⁻⁵", "3×10⁻⁵"]);
        assert_eq!(
            read(1e9, 1e9 + 4.0, false),
            ["1,000,000,000", "1,000,000,001", "1,000,000,002", "1,000,000,003", "1,000,000,004"]
        );
        assert_eq!(read(1.0, 1e4, true), ["1", "10", "100", "1,000", "10,000"]);
        assert_eq!(read(1e-9, 1e-3, true), ["10⁻⁹", "10⁻⁷", "10⁻⁵", "10⁻³"]);
        assert_eq!(read(2.0, 9.0, true), ["2", "4", "6", "8"]);
        assert_eq!(read(0.5, 20.0, true), ["0.5", "1", "2", "5", "10", "20"]);
    }

    #[test]
    fn scales_hold_whatever_numbers_there_are() {
        for (min, max) in
            [(0.0, 0.0), (5.0, 5.0), (-1e308, 1e308), (1e-300, 2e-300), (1e300, 1e300), (3.0, 3.0 + 1e-12)]
        {
            for (zero, nice) in [(false, true), (true, false)] {
                let s = Scale::fit(min, max, false, (None, None), zero, nice);
                assert!(s.low < s.high && s.low.is_finite() && s.high.is_finite(), "{min} {max} {s:?}");
                assert!(s.ticks(5).len() < 12, "{s:?} {:?}", s.ticks(5));
                assert!(s.unit(min.midpoint(max)).is_finite());
            }
        }
        let s = Scale::fit(0.013, 97.0, false, (None, None), false, true);
        assert_eq!((s.low, s.high), (0.0, 100.0));
        let s = Scale::fit(0.013, 97.0, true, (None, None), false, true);
        assert_eq!((s.low, s.high), (0.01, 100.0));
        assert!(s.unit(-1.0).is_nan());
        assert!((s.unit(1.0) - 0.5).abs() < 1e-9);
    }
}
