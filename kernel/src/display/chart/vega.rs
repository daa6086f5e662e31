//! A chart as a Vega-Lite 5 specification, within what 5.6 knows: that is what JupyterLab shows.
//!
//! Domains and ticks are computed here, so that a notebook and a picture show the same. Text takes its colour from the theme of
//! whoever shows it; lines are a grey that is seen on white and on black, and the background is theirs.

mod cells;
mod places;

use super::model::{Chart, Content, HEIGHT, Mark, Series, WIDTH};
use serde_json::{Map, Value, json};

/// The grey of lines.
const GREY: &str = "#888888";

/// The specification.
pub fn spec(chart: &Chart) -> Value {
    let mut spec = json!({
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "description": chart.description(),
        "background": "transparent",
        "config": config(),
    });
    if !chart.title.is_empty() || !chart.notes.is_empty() {
        // A subtitle without a title would stand too close to the plot.
        let title = if chart.title.is_empty() { json!([""]) } else { json!(chart.title) };
        spec["title"] = match chart.notes.is_empty() {
            true => json!({ "text": title }),
            false if chart.title.is_empty() => {
                json!({ "text": chart.notes, "fontSize": 11, "color": GREY })
            }
            false => json!({ "text": title, "subtitle": chart.notes }),
        };
    }
    match &chart.content {
        Content::Grid(grid) => cells::add(&mut spec, chart, grid),
        Content::Series(_) => series(&mut spec, chart),
    }
    spec
}

fn config() -> Value {
    json!({
        "font": "Inter, system-ui, \"Helvetica Neue\", Arial, sans-serif",
        "view": { "stroke": null },
        "axis": {
            "domainColor": GREY, "tickColor": GREY, "gridColor": GREY, "gridOpacity": 0.2, "tickSize": 4,
            "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal", "titlePadding": 8,
            "labelLimit": 150, "labelPadding": 3,
        },
        "title": {
            "anchor": "start", "frame": "group", "fontSize": 14, "fontWeight": "normal", "offset": 8,
            "subtitleFontSize": 11, "subtitleColor": GREY, "subtitlePadding": 4,
        },
        "legend": { "labelFontSize": 11, "labelLimit": 140, "title": null, "symbolStrokeWidth": 2 },
    })
}

fn series(spec: &mut Value, chart: &Chart) {
    spec["width"] = json!(chart.width.unwrap_or(WIDTH));
    spec["height"] = json!(chart.height.unwrap_or(HEIGHT));
    spec["autosize"] = json!({ "type": "fit", "contains": "padding" });
    if !chart.x.categories.is_empty() {
        spec["params"] = json!([{ "name": "categories", "value": chart.x.categories }]);
    }
    // Bars lie below lines and points.
    let mut all: Vec<usize> = (0..chart.series().len()).collect();
    all.sort_by_key(|i| chart.series().get(*i).is_some_and(|s| !s.is_bars()));
    let bars = chart.bars();
    let mut layers: Vec<Value> = Vec::new();
    let mut rest = all.as_slice();
    while let Some((first, _)) = rest.split_first() {
        let alike = |i: &&usize| match (chart.series().get(**i), chart.series().get(*first)) {
            (Some(a), Some(b)) => same_look(a, b),
            _ => false,
        };
        let count = rest.iter().take_while(alike).count().max(1);
        let (group, later) = rest.split_at(count);
        layers.push(layer(chart, group, &bars));
        rest = later;
    }
    spec["layer"] = json!(layers);
}

/// Whether two series can be one layer.
fn same_look(a: &Series, b: &Series) -> bool {
    let marks = match (&a.mark, &b.mark) {
        (Mark::Bins { .. }, Mark::Bins { .. }) => true,
        (a, b) => a == b,
    };
    marks && a.opacity == b.opacity
}

fn layer(chart: &Chart, group: &[usize], bars: &[Vec<super::model::Bar>]) -> Value {
    let named = chart.series().iter().any(|s| !s.name.is_empty());
    let mut values = Vec::new();
    let mut alone = false;
    for i in group {
        let Some(s) = chart.series().get(*i) else { continue };
        let rows = match s.is_bars() {
            true => bars.get(*i).map(|bars| bar_rows(chart, bars)).unwrap_or_default(),
            false => point_rows(s),
        };
        alone |= has_lone_values(s);
        for mut row in rows {
            if named {
                row.insert("series".into(), json!(s.name));
            }
            values.push(Value::Object(row));
        }
    }
    let first = group.first().copied().unwrap_or(0);
    let Some(sample) = chart.series().get(first) else { return json!({}) };
    let mut mark = match &sample.mark {
        Mark::Line { width, points } => {
            let mut mark = json!({ "type": "line", "strokeWidth": width, "clip": true, "strokeJoin": "round" });
            if *points || alone {
                mark["point"] = json!({ "size": (3.2 * width).max(4.0).powi(2) });
            }
            mark
        }
        Mark::Point { size } => json!({ "type": "circle", "size": size * size, "clip": true }),
        Mark::Bar => json!({ "type": "rect", "clip": true }),
        Mark::Bins { .. } => json!({ "type": "rect", "clip": true, "xOffset": 0.5, "x2Offset": -0.5 }),
    };
    mark["opacity"] = json!(sample.opacity);
    if !named {
        mark["color"] = json!(chart.color(first).css());
    }
    let mut encoding = places::encoding(chart, sample.is_bars());
    if named {
        encoding.insert("color".into(), places::color(chart));
    }
    if !sample.is_bars() && group.iter().filter_map(|i| chart.series().get(*i)).any(goes_back) {
        encoding.insert("order".into(), json!({ "field": "order", "type": "quantitative" }));
        values.iter_mut().enumerate().for_each(|(i, row)| row["order"] = json!(i));
    }
    encoding.insert("tooltip".into(), places::tooltip(chart, sample, named));
    json!({ "data": { "values": values }, "mark": mark, "encoding": encoding })
}

fn point_rows(s: &Series) -> Vec<Map<String, Value>> {
    let row = |(x, y): (&f64, &f64)| {
        x.is_finite().then(|| Map::from_iter([("x".to_owned(), number(*x)), ("y".to_owned(), number(*y))]))
    };
    s.x.iter().zip(s.y.iter()).filter_map(row).collect()
}

fn bar_rows(chart: &Chart, bars: &[super::model::Bar]) -> Vec<Map<String, Value>> {
    let y = chart.y_scale();
    let value = |v: f64| if y.log && v <= 0.0 { y.low } else { v };
    let row = |b: &super::model::Bar| {
        let mut row = Map::new();
        row.insert("x".into(), number(b.from));
        row.insert("x2".into(), number(b.to));
        row.insert("y".into(), number(value(b.top)));
        row.insert("y2".into(), number(value(b.base)));
        row.insert("value".into(), number(b.top - b.base));
        if let Some(name) = chart.x.categories.get((b.from.midpoint(b.to)).round().max(0.0) as usize) {
            row.insert("category".into(), json!(name));
        }
        row
    };
    bars.iter().filter(|b| b.top.is_finite()).map(row).collect()
}

/// Values between gaps, which a line alone does not show. Among very many nobody sees them.
fn has_lone_values(s: &Series) -> bool {
    if s.y.len() > 500 {
        return false;
    }
    let lone = |i: usize| {
        let at = |i: Option<usize>| i.and_then(|i| s.y.get(i)).is_some_and(|v| v.is_finite());
        at(Some(i)) && !at(i.checked_sub(1)) && !at(Some(i + 1))
    };
    (0..s.y.len()).any(lone)
}

/// Whether the positions are in another order than Vega would draw them in.
fn goes_back(s: &Series) -> bool {
    matches!(s.mark, Mark::Line { .. }) && s.x.windows(2).any(|w| w[1] < w[0])
}

/// A number with seven digits, enough for a picture; null for what is none.
fn number(v: f64) -> Value {
    let rounded: f64 = format!("{v:.6e}").parse().unwrap_or(v);
    if rounded.fract() == 0.0 && rounded.abs() < 9e15 { json!(rounded as i64) } else { json!(rounded) }
}
