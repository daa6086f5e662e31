//! Charts of very many values: as many as can be seen.

use crate::display::chart::{Chart, Content, Mark, thin};
use crate::display::measure;
use crate::script::error::{ScriptResult, raise};
use minerva_engine::Error;
use std::sync::Arc;

/// Points in all, so that a notebook stays small.
const MOST_POINTS: usize = 12_000;
/// Points of a scatter plot in all.
const MOST_DOTS: usize = 5_000;
/// Bars in all.
const MOST_BARS: usize = 2_000;

/// Fewer points, where there are more than can be seen.
pub fn shrink(function: &'static str, chart: &mut Chart) -> ScriptResult<()> {
    let width = chart.width.unwrap_or(560.0);
    let range = (chart.x.range.0.unwrap_or(f64::NEG_INFINITY), chart.x.range.1.unwrap_or(f64::INFINITY));
    let whole = range == (f64::NEG_INFINITY, f64::INFINITY);
    let log = chart.x.log;
    let Content::Series(series) = &mut chart.content else { return Ok(()) };
    let count = series.len().max(1);
    let (mut lines, mut dots, mut shown) = (0, 0, 0);
    for s in series {
        if !whole && !s.is_bars() && s.x.len() > 1000 {
            // Of a part the whole detail is kept.
            let inside: Vec<usize> = (0..s.x.len())
                .filter(|i| {
                    let near =
                        |i: Option<usize>| i.and_then(|i| s.x.get(i)).is_some_and(|v| *v >= range.0 && *v <= range.1);
                    near(Some(*i)) || near(i.checked_sub(1)) || near(Some(i + 1))
                })
                .collect();
            let pick = |v: &[f64]| Arc::new(inside.iter().filter_map(|i| v.get(*i).copied()).collect::<Vec<_>>());
            (s.x, s.y) = (pick(&s.x), pick(&s.y));
        }
        match s.mark {
            Mark::Line { .. } => {
                let columns = (width as usize).min(MOST_POINTS / 4 / count).max(25);
                // Columns of pixels are equal in what is drawn: on a logarithmic axis in the logarithm.
                let place: Vec<f64> = if log {
                    s.x.iter().map(|v| if *v > 0.0 { v.ln() } else { f64::NAN }).collect()
                } else {
                    Vec::new()
                };
                let thinned = thin::line(if log { &place } else { &s.x }, &s.y, columns);
                if let Some((x, y)) = thinned {
                    lines += s.y.len();
                    shown += y.len();
                    let back = |v: f64| if log { v.exp() } else { v };
                    (s.x, s.y) = (Arc::new(x.into_iter().map(back).collect()), Arc::new(y));
                }
            }
            Mark::Point { .. } => {
                if let Some((x, y)) = thin::points(&s.x, &s.y, (MOST_DOTS / count).max(25)) {
                    dots += s.y.len();
                    shown += y.len();
                    (s.x, s.y) = (Arc::new(x), Arc::new(y));
                }
            }
            Mark::Bar | Mark::Bins { .. } if s.y.len() * count > MOST_BARS => {
                let error =
                    Error::argument(function, format!("at most {MOST_BARS} bars"), (s.y.len() * count).to_string());
                return Err(raise(error.with_help("line draws any number of values, histogram counts them")));
            }
            Mark::Bar | Mark::Bins { .. } => {}
        }
    }
    if dots > 0 {
        chart.notes.push(format!("{} of {} points shown", grouped(shown), grouped(dots)));
    }
    if lines > 0 {
        let text = format!("{} values, drawn by the extremes of each column of pixels", grouped(lines));
        chart.aside = Some(text);
    }
    Ok(())
}

/// `1,000,000`.
pub fn grouped(n: usize) -> String {
    measure::grouped(&n.to_string(), ',')
}
