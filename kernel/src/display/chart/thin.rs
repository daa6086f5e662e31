//! Fewer points where there are more than a picture can show.

use std::collections::HashSet;

/// Of a line, for each column of pixels the first, lowest, highest and last value: what is drawn stays the same. `None`
/// where it has few enough.
pub fn line(x: &[f64], y: &[f64], columns: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let columns = columns.max(1);
    let n = x.len().min(y.len());
    if n <= 4 * columns {
        return None;
    }
    let mut kept: Vec<usize> = Vec::with_capacity(4 * columns);
    for bucket in buckets(x.get(..n)?, columns) {
        let start = bucket.start;
        let part = y.get(bucket)?;
        let mut chosen = vec![0, part.len() - 1];
        let finite = || part.iter().enumerate().filter(|(_, v)| v.is_finite());
        chosen.extend(finite().min_by(|a, b| a.1.total_cmp(b.1)).map(|(i, _)| i));
        chosen.extend(finite().max_by(|a, b| a.1.total_cmp(b.1)).map(|(i, _)| i));
        // A gap stays a gap.
        chosen.extend(part.iter().position(|v| !v.is_finite()));
        chosen.sort_unstable();
        chosen.dedup();
        kept.extend(chosen.into_iter().map(|i| start + i));
    }
    let pick = |from: &[f64]| kept.iter().filter_map(|i| from.get(*i).copied()).collect();
    Some((pick(x), pick(y)))
}

/// Consecutive ranges: of ascending positions those of a column of pixels, of others equal ones.
fn buckets(x: &[f64], columns: usize) -> Vec<std::ops::Range<usize>> {
    let n = x.len();
    let ascending = x.windows(2).all(|w| w[0] <= w[1]);
    let (Some(low), Some(high)) = (x.first(), x.last()) else { return Vec::new() };
    let ends: Vec<usize> = match ascending && high > low {
        true => (1..=columns)
            .map(|i| low + (high - low) * i as f64 / columns as f64)
            .map(|end| x.partition_point(|v| *v < end))
            .chain([n])
            .collect(),
        false => (1..=columns).map(|i| i * n / columns).collect(),
    };
    let mut start = 0;
    let mut out = Vec::with_capacity(ends.len());
    for end in ends {
        if end > start {
            out.push(start..end);
            start = end;
        }
    }
    out
}

/// Of points, at most so many: first one per pixel, then, where these are still too many, equally many of each part. `None`
/// where there are few enough.
pub fn points(x: &[f64], y: &[f64], most: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let n = x.len().min(y.len());
    if n <= most {
        return None;
    }
    let bounds = |v: &[f64]| {
        let finite = v.iter().filter(|v| v.is_finite());
        finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)))
    };
    let ((x0, x1), (y0, y1)) = (bounds(x), bounds(y));
    let pixel = |v: f64, low: f64, high: f64, pixels: f64| {
        if high > low { ((v - low) / (high - low) * pixels) as i64 } else { 0 }
    };
    let mut seen = HashSet::new();
    let distinct: Vec<usize> = (0..n)
        .filter(|i| match (x.get(*i), y.get(*i)) {
            (Some(a), Some(b)) if a.is_finite() && b.is_finite() => {
                seen.insert((pixel(*a, x0, x1, 500.0), pixel(*b, y0, y1, 300.0)))
            }
            _ => false,
        })
        .collect();
    let most = most.max(1);
    let kept: Vec<usize> = match distinct.len() > most {
        true => (0..most).filter_map(|i| distinct.get(i * distinct.len() / most).copied()).collect(),
        false => distinct,
    };
    let pick = |from: &[f64]| kept.iter().filter_map(|i| from.get(*i).copied()).collect();
    Some((pick(x), pick(y)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_long_line_keeps_its_peaks_and_its_gaps() {
        let x: Vec<f64> = (0..1_000_000).map(f64::from).collect();
        let mut y: Vec<f64> = x.iter().map(|v| (v / 1e5).sin()).collect();
        (y[123_456], y[654_321], y[777_777]) = (9.0, -9.0, f64::NAN);
        let (a, b) = line(&x, &y, 500).unwrap();
        assert!(a.len() == b.len() && b.len() <= 2500, "{}", b.len());
        assert!(b.contains(&9.0) && b.contains(&-9.0) && b.iter().any(|v| v.is_nan()));
        assert_eq!((a.first(), a.last()), (Some(&0.0), Some(&999_999.0)));
        assert!(line(&x[..100], &y[..100], 500).is_none());
        // Positions that go back and forth are thinned in their own order.
        let circle: Vec<f64> = y.iter().rev().copied().collect();
        assert!(line(&circle, &y, 100).unwrap().0.len() <= 500);
    }

    #[test]
    fn points_on_one_pixel_are_one() {
        let x: Vec<f64> = (0..100_000).map(|i| f64::from(i % 50)).collect();
        assert_eq!(points(&x, &x, 1000).unwrap().0.len(), 50);
        let y: Vec<f64> = (0..100_000).map(|i| f64::from(i) * 0.618_033_988_749_894_9 % 1.0).collect();
        let z: Vec<f64> = (0..100_000).map(|i| f64::from(i) * 0.414_213_562_373_095 % 1.0).collect();
        assert_eq!(points(&y, &z, 5000).unwrap().0.len(), 5000);
    }
}
