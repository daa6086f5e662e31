//! Histograms: values counted where they lie.

use super::data::{self, Pick};
use super::tables::{AXES, COMMON, HISTOGRAM};
use super::{look, make, shrink};
use crate::display::chart::{Chart, Content, Mark, Series, Stack};
use crate::script::Host;
use crate::script::error::{ScriptResult, guard, raise};
use crate::script::options::Options;
use minerva_engine::Error;
use minerva_engine::tensor::{Histogram, Tensor};
use rhai::{Array, Dynamic, Map};
use std::sync::Arc;

/// Bins where no number is asked for.
const BINS: usize = 30;
/// More are narrower than a pixel.
const MOST_BINS: usize = 1000;

/// The chart of a call of `histogram`.
///
/// # Errors
/// When there is nothing to count, or an option is not understood.
pub fn chart(host: &Host, value: &Dynamic, map: Map) -> ScriptResult<Chart> {
    let mut o = Options::of("histogram", &[HISTOGRAM, AXES, COMMON], map);
    let mut chart = Chart::new(Content::Series(Vec::new()));
    let bins = o.get::<usize>("bins")?;
    if let Some(bad) = bins.filter(|n| *n == 0 || *n > MOST_BINS) {
        return Err(o.wrong("bins", "1 to 1000", &Dynamic::from(bad as i64)));
    }
    let range = look::range(&mut o, "range")?;
    let density = o.get::<bool>("density")?.unwrap_or(false);
    let stacked = o.get::<bool>("stacked")?.unwrap_or(false);
    let opacity = look::opacity(&mut o)?;
    let mut pick = Pick::default();
    if let Some(given) = o.get::<Dynamic>("x")? {
        pick.y = look::words(&given).ok_or_else(|| o.wrong("x", "a column's name, or an array of them", &given))?;
    }
    let colors = make::color_option(&mut o, value, &mut pick)?;
    let labels = o.get::<Dynamic>("labels")?;
    look::axes(&mut o, &mut chart)?;
    look::common(&mut o, &mut chart)?;
    o.finish()?;
    chart.stack = if stacked { Stack::OnTop } else { Stack::Beside };
    let (counted, label) = match value.read_lock::<Histogram>() {
        Some(h) => (vec![(String::new(), h.clone())], String::new()),
        None => {
            let (parts, label) = parts(value, &pick)?;
            (count(host, parts, bins.unwrap_or(BINS), range)?, label)
        }
    };
    let several = counted.len() > 1 && !stacked;
    let opacity = opacity.unwrap_or(if several { 0.55 } else { 1.0 });
    fill(&mut chart, counted, density, opacity);
    if chart.x.label.is_empty() {
        chart.x.label = label;
    }
    look::names_and_colors("histogram", &mut chart, labels, &colors)?;
    look::check(&mut chart, "histogram")?;
    Ok(chart)
}

/// The chart of values that were counted before, as `t.hist()` does.
pub fn of_counts(h: &Histogram) -> Chart {
    let mut chart = Chart::new(Content::Series(Vec::new()));
    fill(&mut chart, vec![(String::new(), h.clone())], false, 1.0);
    chart
}

/// Tensors to count, by name, and what the axis is called.
fn parts(value: &Dynamic, pick: &Pick) -> ScriptResult<(Vec<(String, Tensor)>, String)> {
    if let Some(t) = value.read_lock::<Tensor>() {
        return Ok((vec![(String::new(), t.clone())], t.name().unwrap_or_default().to_owned()));
    }
    // Tensors in a map or an array are counted where they lie, too.
    if let Some(map) = value.read_lock::<Map>()
        && !map.is_empty()
        && map.values().all(make::is_tensor)
        && pick.y.is_empty()
    {
        let named = map.iter().filter_map(|(k, v)| Some((k.to_string(), v.read_lock::<Tensor>()?.clone())));
        return Ok((named.collect(), String::new()));
    }
    if let Some(array) = value.read_lock::<Array>()
        && !array.is_empty()
        && array.iter().all(make::is_tensor)
    {
        let named = |(i, v): (usize, &Dynamic)| {
            let t = v.read_lock::<Tensor>()?;
            Some((t.name().map_or_else(|| i.to_string(), str::to_owned), t.clone()))
        };
        let parts: Vec<(String, Tensor)> = array.iter().enumerate().filter_map(named).collect();
        // Numbers that happen to be tensors are one set of values.
        if parts.iter().any(|(_, t)| t.rank() > 0) {
            return Ok((parts, String::new()));
        }
    }
    // A map of numbers: the values, whatever they are called.
    let read = data::read("histogram", value, pick)?;
    let label = read.y_label.clone();
    let each = |s: data::Values| Ok((s.name, guard(|| Tensor::from_f64(s.y.clone(), &[s.y.len()]))?));
    Ok((read.series.into_iter().map(each).collect::<ScriptResult<_>>()?, label))
}

/// Counts all in the same bins.
fn count(
    host: &Host,
    parts: Vec<(String, Tensor)>,
    bins: usize,
    range: Option<(Option<f64>, Option<f64>)>,
) -> ScriptResult<Vec<(String, Histogram)>> {
    let control = host.control();
    let (given_low, given_high) = range.unwrap_or_default();
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    if given_low.is_none() || given_high.is_none() {
        for (_, t) in &parts {
            let stats = guard(|| t.stats(&control))?;
            if stats.finite() > 0 {
                (low, high) = (low.min(stats.min), high.max(stats.max));
            }
        }
        if low > high {
            let n: usize = parts.iter().map(|(_, t)| t.elements()).sum();
            let found = if n == 0 { "none" } else { "only NaN or infinite values" };
            return Err(raise(Error::argument("histogram", "at least one value", found)));
        }
    }
    let (low, high) = (given_low.unwrap_or(low), given_high.unwrap_or(high));
    if low > high {
        let found = format!("{low} to {high}");
        return Err(raise(Error::argument("histogram: option range", "a range that holds values", found)));
    }
    let one = |(name, t): (String, Tensor)| Ok((name, guard(|| t.hist(bins, Some((low, high)), &control))?));
    parts.into_iter().map(one).collect()
}

fn fill(chart: &mut Chart, counted: Vec<(String, Histogram)>, density: bool, opacity: f64) {
    let outside: u64 = counted.iter().map(|(_, h)| h.outside).sum();
    if outside > 0 {
        let are = if outside == 1 { "value is" } else { "values are" };
        chart.notes.push(format!("{} {are} NaN, infinite or outside the range", shrink::grouped(outside as usize)));
    }
    if chart.y.label.is_empty() {
        chart.y.label = if density { "density" } else { "count" }.to_owned();
    }
    let series = counted.into_iter().map(|(name, h)| {
        let total = h.counts.iter().sum::<u64>().max(1) as f64;
        let widths = h.edges.iter().zip(h.edges.iter().skip(1)).map(|(a, b)| b - a);
        let height = |(n, width): (&u64, f64)| if density { *n as f64 / (total * width) } else { *n as f64 };
        let y: Vec<f64> = h.counts.iter().zip(widths).map(height).collect();
        let x: Vec<f64> = h.edges.iter().zip(h.edges.iter().skip(1)).map(|(a, b)| a.midpoint(*b)).collect();
        let mark = Mark::Bins { edges: Arc::new(h.edges) };
        Series { name, mark, x: Arc::new(x), y: Arc::new(y), color: None, opacity }
    });
    chart.content = Content::Series(series.collect());
}
