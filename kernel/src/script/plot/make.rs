//! Lines, points and bars.

use super::data::{self, Column, Data, Pick};
use super::tables::{KINDS, PLOT, of_kind};
use super::{heatmap, histogram, look, shrink};
use crate::display::chart::{Axis, Chart, Content, Mark, Series, Stack};
use crate::script::Host;
use crate::script::error::{ScriptResult, raise};
use crate::script::options::Options;
use minerva_engine::Error;
use minerva_engine::tensor::{Histogram, Tensor};
use rhai::{Dynamic, FnPtr, Map};
use std::sync::Arc;

/// More series than this are nothing that a person reads.
const MOST_SERIES: usize = 200;

/// The chart of a call.
///
/// # Errors
/// When there is nothing to draw, or an option is not understood.
pub fn chart(host: &Host, function: &'static str, x: Option<Dynamic>, y: Dynamic, options: Map) -> ScriptResult<Chart> {
    let mut options = options;
    let kind = match function {
        "plot" => {
            let asked = match options.remove("kind") {
                Some(word) => Options::of("plot", &[PLOT], Map::from([("kind".into(), word)])).get::<String>("kind")?,
                None => None,
            };
            KINDS.iter().copied().find(|k| Some(*k) == asked.as_deref()).unwrap_or_else(|| fitting(&y, x.as_ref()))
        }
        other => other,
    };
    if y.is::<FnPtr>() {
        return Err(raise(Error::argument(function, "values", "a function")));
    }
    match kind {
        "histogram" => histogram::chart(host, &y, options),
        "heatmap" => heatmap::chart(host, &y, options),
        _ => of_series(function, kind, x, &y, options),
    }
}

/// What `plot` draws.
fn fitting(y: &Dynamic, x: Option<&Dynamic>) -> &'static str {
    if y.is::<Histogram>() {
        return "histogram";
    }
    let named = |v: &Dynamic| matches!(data::column("plot", v), Ok(Column::Names(_)));
    let numbers = y.read_lock::<Map>().is_some_and(|m| !m.is_empty() && m.values().all(|v| data::number(v).is_some()));
    if numbers || x.is_some_and(named) { "bar" } else { "line" }
}

fn of_series(function: &'static str, kind: &str, x: Option<Dynamic>, y: &Dynamic, map: Map) -> ScriptResult<Chart> {
    let mut o = Options::of(function, &of_kind(kind), map);
    let mut chart = Chart::new(Content::Series(Vec::new()));
    chart.horizontal = kind == "bar" && o.get::<bool>("horizontal")?.unwrap_or(false);
    let own = Own::take(&mut o, kind)?;
    let (pick, x, colors) = columns(&mut o, function, x, y)?;
    let labels = o.get::<Dynamic>("labels")?;
    let data = data::read(function, y, &pick)?;
    (chart.x.label, chart.y.label) = (data.x_label.clone(), data.y_label.clone());
    look::axes(&mut o, &mut chart)?;
    look::common(&mut o, &mut chart)?;
    o.finish()?;
    let empty = data.empty;
    fill(function, &mut chart, data, x, &own)?;
    look::names_and_colors(function, &mut chart, labels, &colors)?;
    look::check(&mut chart, function)?;
    missing(&mut chart, empty);
    if own.normalize {
        normalize(&mut chart);
    }
    shrink::shrink(function, &mut chart)?;
    Ok(chart)
}

/// Options that only some kinds have.
struct Own {
    mark: Mark,
    opacity: f64,
    sort: Option<String>,
    stacked: bool,
    normalize: bool,
}

impl Own {
    fn take(o: &mut Options, kind: &str) -> ScriptResult<Self> {
        let opacity = look::opacity(o)?;
        let mut own = Self { mark: Mark::Bar, opacity: 1.0, sort: None, stacked: false, normalize: false };
        match kind {
            "scatter" => {
                let size = look::pixels(o, "point_size")?.unwrap_or(6.0);
                own.mark = Mark::Point { size };
                // Where points overlap it grows darker.
                own.opacity = 0.75;
            }
            "bar" => {
                own.normalize = o.get::<bool>("normalize")?.unwrap_or(false);
                own.stacked = o.get::<bool>("stacked")?.unwrap_or(own.normalize);
                own.sort = o.get::<String>("sort")?;
            }
            _ => {
                let width = look::pixels(o, "line_width")?.unwrap_or(1.8);
                let points = o.get::<bool>("points")?.unwrap_or(false);
                own.mark = Mark::Line { width, points };
            }
        }
        own.opacity = opacity.unwrap_or(own.opacity);
        Ok(own)
    }
}

/// The options `x`, `y` and `color`: columns of a table by name, positions, colours.
fn columns(
    o: &mut Options,
    function: &'static str,
    x: Option<Dynamic>,
    y: &Dynamic,
) -> ScriptResult<(Pick, Option<Column>, Vec<String>)> {
    let mut pick = Pick::default();
    let mut positions = x;
    if let Some(given) = o.get::<Dynamic>("x")? {
        match look::words(&given).as_deref() {
            Some([name]) if !given.is_array() => pick.x = Some(name.clone()),
            _ if positions.is_some() => {
                return Err(raise(Error::argument(function, "positions once", "two, one of them as the option x")));
            }
            _ => positions = Some(given),
        }
    }
    if let Some(given) = o.get::<Dynamic>("y")? {
        pick.y = look::words(&given).ok_or_else(|| o.wrong("y", "a column's name, or an array of them", &given))?;
    }
    let colors = color_option(o, y, &mut pick)?;
    Ok((pick, positions.map(|x| data::column(function, &x)).transpose()?, colors))
}

/// The option `color`: the column whose values are series of their own, or colours.
pub fn color_option(o: &mut Options, data: &Dynamic, pick: &mut Pick) -> ScriptResult<Vec<String>> {
    let Some(given) = o.get::<Dynamic>("color")? else { return Ok(Vec::new()) };
    let words = look::words(&given)
        .ok_or_else(|| o.wrong("color", "a colour, an array of them, or a column's name", &given))?;
    let is_column = |name: &String| {
        let has = |v: &Dynamic| v.read_lock::<Map>().is_some_and(|m| m.contains_key(name.as_str()));
        let table = data.read_lock::<rhai::Array>().is_some_and(|a| a.iter().any(has));
        table || (pick.x.is_some() && has(data))
    };
    match words.as_slice() {
        [name] if is_column(name) => {
            pick.group = Some(name.clone());
            Ok(Vec::new())
        }
        _ => Ok(words),
    }
}

/// Series with positions, on numbers or on categories.
fn fill(function: &'static str, chart: &mut Chart, data: Data, x: Option<Column>, own: &Own) -> ScriptResult<()> {
    let Data { x: shared, series, .. } = data;
    let shared = x.or(shared);
    if series.len() > MOST_SERIES {
        let error = Error::argument(function, format!("at most {MOST_SERIES} series"), series.len().to_string());
        return Err(raise(error.with_help("a tensor's rows are the series: take some of them, or turn it with .T")));
    }
    let columns = || series.iter().filter_map(|s| s.x.as_ref()).chain(&shared);
    let by_name = columns().any(|c| matches!(c, Column::Names(_)));
    let mut names: Vec<String> = Vec::new();
    // In a shared column each entry has a place of its own, whatever it is called; of columns that differ from series to series
    // the same name is the same place.
    let shared = shared.map(|c| positions(c, by_name, false, &mut names));
    let mut out = Vec::new();
    for s in series {
        let x = match s.x {
            Some(column) => positions(column, by_name, true, &mut names),
            None => shared.clone().unwrap_or_else(|| (0..s.y.len()).map(|i| i as f64).collect()),
        };
        if x.len() != s.y.len() {
            let what = if s.name.is_empty() { function.to_owned() } else { format!("{function}, series {:?}", s.name) };
            let found = format!("{} values", s.y.len());
            return Err(raise(Error::argument(what, format!("{} values, one for each position", x.len()), found)));
        }
        let infinite = |v: &f64| if v.is_finite() { *v } else { f64::NAN };
        let y = Arc::new(s.y.iter().map(infinite).collect::<Vec<_>>());
        let mark = own.mark.clone();
        out.push(Series { name: s.name, mark, x: Arc::new(x), y, color: None, opacity: own.opacity });
    }
    if let Some(order) = own.sort.as_deref() {
        sort(function, &mut out, &mut names, order == "descending")?;
    }
    chart.x.categories = names;
    chart.stack = if own.stacked { Stack::OnTop } else { Stack::Beside };
    chart.content = Content::Series(out);
    Ok(())
}

/// Where a column's entries stand. With `merged`, a name that is there already keeps its place.
fn positions(column: Column, by_name: bool, merged: bool, names: &mut Vec<String>) -> Vec<f64> {
    let entries = match column {
        Column::Numbers(v) if !by_name => return v,
        Column::Numbers(v) => v.into_iter().map(minerva_engine::tensor::number).collect(),
        Column::Names(v) => v,
    };
    let mut place = |name: String| match names.iter().position(|n| merged && *n == name) {
        Some(at) => at as f64,
        None => {
            names.push(name);
            (names.len() - 1) as f64
        }
    };
    entries.into_iter().map(&mut place).collect()
}

/// Bars by size. Positions stay; what stands on them moves, and its name with it.
fn sort(function: &'static str, series: &mut [Series], names: &mut Vec<String>, descending: bool) -> ScriptResult<()> {
    let [only] = series else {
        let found = series.len().to_string();
        return Err(raise(Error::argument(format!("{function}: option sort"), "one series", found)));
    };
    let at = |i: usize| only.y.get(i).copied().unwrap_or(f64::NAN);
    let mut order: Vec<usize> = (0..only.y.len()).collect();
    order.sort_by(|a, b| if descending { at(*b).total_cmp(&at(*a)) } else { at(*a).total_cmp(&at(*b)) });
    let y = order.iter().map(|i| at(*i)).collect();
    if names.is_empty() {
        // Sorted numbers have lost their places: each is called as it was.
        *names = order.iter().filter_map(|i| only.x.get(*i)).map(|x| minerva_engine::tensor::number(*x)).collect();
        only.x = Arc::new((0..only.y.len()).map(|i| i as f64).collect());
    } else {
        *names = order.iter().filter_map(|i| names.get(*i).cloned()).collect();
    }
    only.y = Arc::new(y);
    Ok(())
}

/// Values that are not drawn are told, but for those that were left out by intent.
fn missing(chart: &mut Chart, empty: usize) {
    let gone = chart.series().iter().map(|s| s.y.iter().filter(|v| !v.is_finite()).count()).sum::<usize>();
    let gone = gone.saturating_sub(empty);
    if gone > 0 {
        let are = if gone == 1 { "value is" } else { "values are" };
        chart.notes.push(format!("{gone} {are} NaN or infinite"));
    }
}

/// Shares of each place's whole.
fn normalize(chart: &mut Chart) {
    let Content::Series(series) = &mut chart.content else { return };
    let mut sums: std::collections::HashMap<u64, f64> = std::collections::HashMap::new();
    for s in series.iter() {
        for (x, y) in s.x.iter().zip(s.y.iter()).filter(|(_, y)| y.is_finite()) {
            *sums.entry(x.to_bits()).or_default() += y.abs();
        }
    }
    for s in series {
        let share = |(x, y): (&f64, &f64)| y / sums.get(&x.to_bits()).copied().filter(|v| *v > 0.0).unwrap_or(1.0);
        s.y = Arc::new(s.x.iter().zip(s.y.iter()).map(share).collect());
    }
}

/// `a + b`: the series of both on the axes of the first.
pub fn layered(a: Chart, b: Chart) -> ScriptResult<Chart> {
    let (Content::Series(first), Content::Series(second)) = (&a.content, &b.content) else {
        return Err(raise(Error::argument("+", "charts with two axes", "a heatmap")));
    };
    if a.x.categories != b.x.categories && !(a.x.categories.is_empty() || b.x.categories.is_empty()) {
        return Err(raise(Error::argument("+", "charts with the same names along the axis", "different ones")));
    }
    if a.horizontal != b.horizontal {
        return Err(raise(Error::argument("+", "charts that lie the same way", "a horizontal one and another")));
    }
    let mut out = a.clone();
    out.content = Content::Series(first.iter().chain(second).cloned().collect());
    let filled = |mine: &mut String, theirs: &String| {
        if mine.is_empty() {
            mine.clone_from(theirs);
        }
    };
    filled(&mut out.title, &b.title);
    for (mine, theirs) in [(&mut out.x, &b.x), (&mut out.y, &b.y)] {
        let Axis { label, log, categories, .. } = theirs;
        filled(&mut mine.label, label);
        mine.log |= log;
        if mine.categories.is_empty() {
            mine.categories.clone_from(categories);
        }
    }
    out.notes.extend(b.notes.iter().filter(|n| !a.notes.contains(n)).cloned());
    out.legend = a.legend.or(b.legend);
    look::check(&mut out, "+")?;
    Ok(out)
}

/// Whether a value is a tensor.
pub fn is_tensor(v: &Dynamic) -> bool {
    v.is::<Tensor>()
}
