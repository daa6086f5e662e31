//! Heatmaps.

use super::tables::{COMMON, HEATMAP};
use super::{data, look, shrink};
use crate::display::chart::{Chart, Content, Grid, GridLabels, PALETTES, Palette};
use crate::display::type_name;
use crate::script::Host;
use crate::script::error::{ScriptResult, guard, raise};
use crate::script::options::Options;
use crate::script::tensor::convert::argument;
use minerva_engine::Error;
use minerva_engine::error::nearest;
use minerva_engine::tensor::{Cells, Pool, Tensor};
use rhai::{Array, Dynamic, Map};
use std::sync::Arc;

/// Cells a side where nothing is asked for: more than a picture has pixels to show.
const SIDE: usize = 512;
/// From this many cells on, the colours end at a percentile.
const MANY: usize = 1000;

/// The chart of a call of `heatmap`.
///
/// # Errors
/// When there is nothing to show, or an option is not understood.
pub fn chart(host: &Host, value: &Dynamic, map: Map) -> ScriptResult<Chart> {
    let (t, named) = matrix(value)?;
    let mut o = Options::of("heatmap", &[HEATMAP, COMMON], map);
    let side = o.get::<usize>("pixels")?.unwrap_or(SIDE);
    let pool = match o.get::<String>("pool")?.as_deref() {
        Some("max") => Pool::Farthest,
        _ => Pool::Mean,
    };
    let palette = o.get::<String>("cmap")?.map(|n| palette(&n)).transpose()?;
    let range = look::range(&mut o, "range")?;
    let (vmin, vmax) = (o.get::<f64>("vmin")?, o.get::<f64>("vmax")?);
    let center = o.get::<f64>("center")?;
    let annotate = o.get::<bool>("values")?.unwrap_or(false);
    let columns = o.get::<Dynamic>("x_labels")?;
    let rows = o.get::<Dynamic>("y_labels")?;
    let empty = Chart::new(Content::Series(Vec::new()));
    let mut chart = Chart { grid_lines: false, ..empty };
    look::common(&mut o, &mut chart)?;
    o.finish()?;
    if chart.title.is_empty() && named.rows.is_empty() {
        chart.title = t.name().unwrap_or_default().to_owned();
    }
    let cells = guard(|| t.cells(side, pool, &host.control()))?;
    if cells.values.is_empty() {
        return Err(raise(Error::argument("heatmap", "at least one value", t.header())));
    }
    let labels = GridLabels {
        rows: labels("y_labels", rows, cells.source.0, cells.block.0)?
            .unwrap_or_else(|| named.rows.into_iter().step_by(cells.block.0.max(1)).collect()),
        columns: labels("x_labels", columns, cells.source.1, cells.block.1)?
            .unwrap_or_else(|| named.columns.into_iter().step_by(cells.block.1.max(1)).collect()),
    };
    if (cells.rows, cells.columns) != cells.source {
        chart.notes.push(averaged(&cells, pool));
    }
    let values: Vec<f64> = cells.values.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
    let (low, high) = range.unwrap_or_default();
    let ends = (vmin.or(low), vmax.or(high));
    let (palette, low, high) = colors(&values, palette, ends, center)?;
    let bad = cells.values.iter().flatten().filter(|v| v.is_nan()).count();
    if bad > 0 {
        chart.notes.push(if bad == 1 { "1 cell is NaN".to_owned() } else { format!("{bad} cells are NaN") });
    }
    let (rows, columns) = (cells.rows, cells.columns);
    let values = Arc::new(values);
    chart.content =
        Content::Grid(Grid { rows, columns, values, source: cells.source, labels, palette, low, high, annotate });
    Ok(chart)
}

/// The values as a tensor; of a table, its columns of numbers, with names.
fn matrix(value: &Dynamic) -> ScriptResult<(Tensor, GridLabels)> {
    let table = value.read_lock::<Array>().is_some_and(|a| !a.is_empty() && a.iter().all(Dynamic::is_map));
    if !table && !value.is_map() {
        return Ok((argument("heatmap", value)?, GridLabels::default()));
    }
    let read = data::read("heatmap", value, &data::Pick::default())?;
    let n = read.series.first().map_or(0, |s| s.y.len());
    if let Some(other) = read.series.iter().find(|s| s.y.len() != n) {
        let found = format!("{} in {:?}", other.y.len(), other.name);
        return Err(raise(Error::argument("heatmap", format!("{n} values in each row"), found)));
    }
    let names: Vec<String> = read.series.iter().map(|s| s.name.clone()).collect();
    let flat: Vec<f64> = read.series.into_iter().flat_map(|s| s.y).collect();
    let t = guard(|| Tensor::from_f64(flat, &[names.len(), n]))?;
    let along = match read.x {
        Some(data::Column::Names(names)) => names,
        _ => Vec::new(),
    };
    if table {
        // The rows of a table are rows, its columns columns.
        return Ok((guard(|| t.t())?, GridLabels { rows: along, columns: names }));
    }
    Ok((t, GridLabels { rows: names, columns: along }))
}

/// The names of rows or columns, one for each cell.
fn labels(option: &str, given: Option<Dynamic>, source: usize, block: usize) -> ScriptResult<Option<Vec<String>>> {
    let Some(given) = given else { return Ok(None) };
    let wrong = |found: String| {
        let what = format!("heatmap: option {option}");
        raise(Error::argument(what, format!("{source} names, one for each"), found))
    };
    let array = given.read_lock::<Array>().map(|a| a.clone()).ok_or_else(|| wrong(type_name(&given)))?;
    if array.len() != source {
        return Err(wrong(array.len().to_string()));
    }
    let text = |v: &Dynamic| match data::number(v).filter(|_| !v.is_unit()) {
        Some(n) => minerva_engine::tensor::number(n),
        None => data::visible(&v.to_string()),
    };
    // A cell that stands for several is called as its first.
    Ok(Some(array.iter().step_by(block.max(1)).map(text).collect()))
}

fn averaged(cells: &Cells, pool: Pool) -> String {
    let what = match pool {
        Pool::Mean => "the mean of",
        Pool::Farthest => "the value farthest from zero of",
    };
    let (rows, columns) = cells.source;
    let (down, across) = cells.block;
    format!("{} × {} values; a cell is {what} {down} × {across}", shrink::grouped(rows), shrink::grouped(columns))
}

/// Which colours, and the values at their ends.
fn colors(
    values: &[f64],
    palette: Option<Palette>,
    (low, high): (Option<f64>, Option<f64>),
    center: Option<f64>,
) -> ScriptResult<(Palette, f64, f64)> {
    let mut finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    finite.sort_unstable_by(f64::total_cmp);
    let (min, max) = (finite.first().copied().unwrap_or(0.0), finite.last().copied().unwrap_or(1.0));
    let signed = min < 0.0 && max > 0.0;
    let fallback = if signed || center.is_some() { "rdbu" } else { "viridis" };
    let palette = match palette {
        Some(palette) => palette,
        None => Palette::named(fallback).ok_or_else(|| raise(Error::argument("heatmap", "a palette", fallback)))?,
    };
    // One outlier among many does not fade the rest.
    let part = |t: f64| finite.get(((finite.len().max(1) - 1) as f64 * t).round() as usize).copied();
    let many = finite.len() >= MANY;
    let (mut a, mut b) = if many { (part(0.0025).unwrap_or(min), part(0.9975).unwrap_or(max)) } else { (min, max) };
    if a == b {
        (a, b) = (min, max);
    }
    if palette.diverging && low.is_none() && high.is_none() && (signed || center.is_some()) {
        let middle = center.unwrap_or(0.0);
        let far = (b - middle).abs().max((middle - a).abs());
        (a, b) = (middle - far, middle + far);
    }
    let (mut a, mut b) = (low.unwrap_or(a), high.unwrap_or(b));
    if a > b {
        let found = format!("{a} to {b}");
        return Err(raise(Error::argument("heatmap: option range", "the lower end first", found)));
    }
    if a == b {
        let room = if a == 0.0 { 1.0 } else { a.abs() * 0.1 };
        (a, b) = (a - room, b + room);
    }
    Ok((palette, a, b))
}

fn palette(name: &str) -> ScriptResult<Palette> {
    Palette::named(name).ok_or_else(|| {
        let names = PALETTES.map(|p| p.name);
        let error = Error::argument("heatmap: option cmap", names.join(", "), format!("{name:?}"));
        raise(match nearest(name, names) {
            Some(near) => error.with_help(format!("did you mean {near:?}?")),
            None => error,
        })
    })
}
