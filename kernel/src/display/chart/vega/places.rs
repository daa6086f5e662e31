//! Channels of a specification: axes, colours, tooltips.

use super::number;
use crate::display::chart::axes::Along;
use crate::display::chart::legend::{self, Place};
use crate::display::chart::model::{Chart, Mark, Series, WIDTH};
use crate::display::chart::scale::Scale;
use serde_json::{Map, Value, json};

/// Names in a legend.
const MOST_NAMES: usize = 16;

/// Where the marks of series stand.
pub fn encoding(chart: &Chart, bars: bool) -> Map<String, Value> {
    let (mut along, mut across) = (along(chart), across(chart));
    along["field"] = json!("x");
    across["field"] = json!("y");
    let (a, b) = if chart.horizontal { ("y", "x") } else { ("x", "y") };
    let mut out = Map::new();
    if bars {
        out.insert(format!("{a}2"), json!({ "field": "x2" }));
        out.insert(format!("{b}2"), json!({ "field": "y2" }));
    }
    if chart.horizontal && !chart.x.categories.is_empty() {
        // The first category stands on top.
        along["scale"]["reverse"] = json!(true);
    }
    out.insert(a.into(), along);
    out.insert(b.into(), across);
    out
}

fn scale(s: &Scale) -> Value {
    let mut out = json!({ "domain": [number(s.low), number(s.high)], "nice": false });
    match s.log {
        true => out["type"] = json!("log"),
        false => out["zero"] = json!(false),
    }
    out
}

fn title(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

fn along(chart: &Chart) -> Value {
    let numbers = chart.x_scale();
    let mut axis = json!({ "title": title(&chart.x.label), "grid": false });
    let room = chart.width.unwrap_or(WIDTH) - 80.0;
    if chart.x.categories.is_empty() {
        let ticks = numbers.ticks_of((room / 75.0) as usize, chart.x_is_whole());
        axis["format"] = json!(numbers.format(&ticks).d3(numbers.log));
        axis["values"] = json!(ticks.iter().map(|v| number(*v)).collect::<Vec<_>>());
    } else {
        let names = Along::Names(chart.x.categories.clone());
        let count = chart.x.categories.len();
        let ticks = match chart.horizontal {
            true => names.beside(chart.height.unwrap_or(super::HEIGHT) - 60.0),
            false => names.below(room),
        };
        let every = count.div_ceil(ticks.at.len().max(1)).max(1);
        axis["values"] = json!((0..count).step_by(every).collect::<Vec<_>>());
        axis["labelExpr"] = json!("categories[datum.value]");
        axis["labelAngle"] = json!(ticks.angle);
        axis["labelOverlap"] = json!(false);
    }
    plain_zero(&mut axis);
    json!({ "type": "quantitative", "scale": scale(&numbers), "axis": axis })
}

/// With the letters of the SI, zero would read 0M.
fn plain_zero(axis: &mut Value) {
    if axis["format"] == "~s" {
        axis["labelExpr"] = json!("datum.value === 0 ? '0' : datum.label");
    }
}

fn across(chart: &Chart) -> Value {
    let numbers = chart.y_scale();
    let ticks = numbers.ticks_of(6, chart.y_is_whole());
    let mut axis = json!({
        "title": title(&chart.y.label), "grid": chart.grid_lines, "format": numbers.format(&ticks).d3(numbers.log),
        "values": ticks.iter().map(|v| number(*v)).collect::<Vec<_>>(),
    });
    plain_zero(&mut axis);
    json!({ "type": "quantitative", "scale": scale(&numbers), "axis": axis })
}

/// The colours of the series and their legend, the same in every layer.
pub fn color(chart: &Chart) -> Value {
    let names: Vec<&str> = chart.series().iter().map(|s| s.name.as_str()).collect();
    let colors: Vec<String> = (0..names.len()).map(|i| chart.color(i).css()).collect();
    let legend = match legend::place(chart, chart.width.unwrap_or(WIDTH)) {
        None => Value::Null,
        Some(Place::Above) => json!({ "orient": "top", "direction": "horizontal", "offset": 6, "columnPadding": 14 }),
        Some(Place::Right) => {
            // Of very many, some of the whole run are named.
            let every = names.len().div_ceil(MOST_NAMES).max(1);
            json!({ "orient": "right", "values": names.iter().step_by(every).collect::<Vec<_>>() })
        }
    };
    json!({ "field": "series", "type": "nominal", "scale": { "domain": names, "range": colors }, "legend": legend })
}

/// What the mouse is told.
pub fn tooltip(chart: &Chart, sample: &Series, named: bool) -> Value {
    let label = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let (x, y) = (label(&chart.x.label, "x"), label(&chart.y.label, "value"));
    let number = |field: &str, title: &str| json!({ "field": field, "type": "quantitative", "title": title });
    let mut out = Vec::new();
    if named {
        out.push(json!({ "field": "series", "type": "nominal", "title": "series" }));
    }
    match sample.mark {
        Mark::Bins { .. } => {
            out.extend([number("x", "from"), number("x2", "to"), number("value", &label(&chart.y.label, "count"))]);
        }
        Mark::Bar if chart.x.categories.is_empty() => out.extend([number("value", &y)]),
        Mark::Bar => out.extend([json!({ "field": "category", "type": "nominal", "title": x }), number("value", &y)]),
        _ => out.extend([number("x", &x), number("y", &y)]),
    }
    json!(out)
}
