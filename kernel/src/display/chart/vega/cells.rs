//! A heatmap in Vega-Lite: rectangles with tooltips where there are few, an image where there are many.

use super::number;
use crate::display::chart::axes::Along;
use crate::display::chart::grid::{Grid, NAN};
use crate::display::chart::model::Chart;
use crate::display::picture;
use serde_json::{Value, json};

/// More cells than this are an image.
const MOST_RECTS: usize = 4096;

/// Adds size, marks and channels.
pub fn add(spec: &mut Value, chart: &Chart, grid: &Grid) {
    let (width, height) = sides(chart, grid);
    spec["width"] = json!(width);
    spec["height"] = json!(height);
    let mut names = Vec::new();
    for (name, list) in [("rows", &grid.labels.rows), ("columns", &grid.labels.columns)] {
        if !list.is_empty() {
            names.push(json!({ "name": name, "value": list }));
        }
    }
    if !names.is_empty() {
        spec["params"] = json!(names);
    }
    let as_rects = grid.values.len() <= MOST_RECTS && (grid.rows, grid.columns) == grid.source;
    if grid.values.iter().any(|v| v.is_nan()) {
        // Cells without a value are left open.
        spec["view"] = json!({ "fill": NAN.css() });
    }
    spec["layer"] = match as_rects {
        true => rects(chart, grid, width, height),
        false => image(chart, grid, width, height),
    };
}

/// The plot's sides: whole pixels per cell, so that no seams show.
fn sides(chart: &Chart, grid: &Grid) -> (f64, f64) {
    let (width, height) = grid.sides();
    let whole =
        |room: f64, n: usize| if n as f64 <= room { (room / n as f64).round() * n as f64 } else { room.round() };
    let width = chart.width.map_or_else(|| whole(width, grid.columns), |w| (w - 130.0).max(40.0));
    let height = chart.height.map_or_else(|| whole(height, grid.rows), |h| (h - 80.0).max(40.0));
    (width, height)
}

fn color(chart: &Chart, grid: &Grid, height: f64) -> Value {
    let range = grid.palette.css();
    let last = (range.len() - 1).max(1) as f64;
    let domain: Vec<Value> =
        (0..range.len()).map(|i| number(grid.low + (grid.high - grid.low) * i as f64 / last)).collect();
    let scale = grid.scale();
    let ticks = scale.ticks((height / 28.0).clamp(3.0, 8.0) as usize);
    let legend = match chart.legend {
        Some(false) => Value::Null,
        _ => json!({
            "gradientLength": height, "gradientThickness": 12, "format": scale.format(&ticks).d3(false),
            "values": ticks.iter().map(|v| number(*v)).collect::<Vec<_>>(),
            "gradientStrokeColor": super::GREY, "gradientStrokeWidth": 1,
        }),
    };
    json!({
        "field": "v", "type": "quantitative", "legend": legend,
        "scale": { "domain": domain, "range": range, "interpolate": "rgb", "clamp": true },
    })
}

fn axis(along: &Along, room: f64, below: bool, names: &str, label: &str) -> Value {
    let mut axis = json!({
        "title": if label.is_empty() { Value::Null } else { json!(label) },
        "grid": false, "domain": false, "labelOverlap": false,
    });
    match along {
        Along::Names(list) => {
            let ticks = if below { along.below(room) } else { along.beside(room) };
            let every = list.len().div_ceil(ticks.at.len().max(1)).max(1);
            axis["values"] = json!((0..list.len()).step_by(every).collect::<Vec<_>>());
            axis["labelExpr"] = json!(format!("{names}[datum.value]"));
            axis["labelAngle"] = json!(ticks.angle);
        }
        Along::Numbers { scale, .. } => {
            let about = if below { room / 75.0 } else { room / 45.0 };
            let (low, high) = (scale.low.min(scale.high), scale.low.max(scale.high));
            let scale = crate::display::chart::scale::Scale { low, high, log: false };
            let ticks = scale.ticks_of(about.clamp(2.0, 10.0) as usize, true);
            axis["values"] = json!(ticks.iter().map(|v| number(*v)).collect::<Vec<_>>());
            axis["labelAngle"] = json!(0);
            axis["format"] = json!(scale.format(&ticks).d3(false));
        }
    }
    axis
}

fn axes(chart: &Chart, grid: &Grid, width: f64, height: f64) -> (Value, Value) {
    let (below, beside) = grid.along();
    (axis(&below, width, true, "columns", &chart.x.label), axis(&beside, height, false, "rows", &chart.y.label))
}

fn rects(chart: &Chart, grid: &Grid, width: f64, height: f64) -> Value {
    let texts = if grid.annotate { grid.texts() } else { Vec::new() };
    let value = |i: usize, v: f64| {
        let mut row = json!({ "r": i / grid.columns, "c": i % grid.columns, "v": number(v) });
        if v.is_infinite() {
            row["v"] = number(if v > 0.0 { grid.high } else { grid.low });
        }
        if let Some(text) = texts.get(i) {
            row["text"] = json!(text);
            row["light"] = json!(grid.color(v).is_light());
        }
        row
    };
    let values: Vec<Value> = grid.values.iter().enumerate().map(|(i, v)| value(i, *v)).collect();
    let (x, y) = axes(chart, grid, width, height);
    let (x, y) = (
        json!({ "field": "c", "type": "ordinal", "axis": x, "scale": { "paddingInner": 0, "paddingOuter": 0 } }),
        json!({ "field": "r", "type": "ordinal", "axis": y, "scale": { "paddingInner": 0, "paddingOuter": 0 } }),
    );
    let mut transform = Vec::new();
    let mut tooltip = Vec::new();
    for (field, name, list, label) in
        [("r", "row", &grid.labels.rows, &chart.y.label), ("c", "column", &grid.labels.columns, &chart.x.label)]
    {
        let title = if label.is_empty() { name } else { label };
        if list.is_empty() {
            tooltip.push(json!({ "field": field, "type": "ordinal", "title": title }));
        } else {
            transform.push(json!({ "calculate": format!("{name}s[datum.{field}]"), "as": name }));
            tooltip.push(json!({ "field": name, "type": "nominal", "title": title }));
        }
    }
    tooltip.push(json!({ "field": "v", "type": "quantitative", "title": "value" }));
    // Browsers smooth the edges of rectangles, and a dark page shines through between two of them: a thin line in the cell's
    // own colour closes the gap. As a channel it would be a second colour bar.
    let mark = json!({ "type": "rect", "stroke": { "expr": "scale('color', datum.v)" }, "strokeWidth": 0.5 });
    let first = json!({
        "data": { "values": values }, "transform": transform, "mark": mark,
        "encoding": { "x": x, "y": y, "color": color(chart, grid, height), "tooltip": tooltip },
    });
    let mut layers = vec![first];
    if grid.annotate {
        let size = (0.84 * width / grid.columns as f64 / 2.4).min(0.6 * height / grid.rows as f64).min(11.0);
        if size >= 5.0 {
            layers.push(json!({
                "data": { "values": values },
                "mark": { "type": "text", "fontSize": size.round() },
                "encoding": {
                    "x": x, "y": y, "text": { "field": "text", "type": "nominal" },
                    "color": { "condition": { "test": "datum.light", "value": "#222222" }, "value": "#ffffff" },
                },
            }));
        }
    }
    json!(layers)
}

/// The colours as a picture, and two points that nobody sees, for the axes and the colour bar.
fn image(chart: &Chart, grid: &Grid, width: f64, height: f64) -> Value {
    // Enlarged to the pixels of a dense screen, since browsers blur what they enlarge.
    let times = |n: usize, room: f64| ((2.0 * room / n.max(1) as f64).round() as usize).clamp(1, 16);
    let (fx, fy) = (times(grid.columns, width), times(grid.rows, height));
    let url = indexed(grid, fx, fy).map(|file| picture::data_url(&file)).unwrap_or_default();
    let (x, y) = axes(chart, grid, width, height);
    let (rows, columns) = (grid.source.0 as f64, grid.source.1 as f64);
    let ends = [(-0.5, -0.5, grid.low), (columns - 0.5, rows - 0.5, grid.high)];
    let points: Vec<Value> =
        ends.iter().map(|(c, r, v)| json!({ "c": number(*c), "r": number(*r), "v": number(*v) })).collect();
    let scale = |high: f64| json!({ "domain": [-0.5, high - 0.5], "nice": false, "zero": false });
    let mut down = scale(rows);
    down["reverse"] = json!(true);
    json!([
        {
            "data": { "values": [{ "url": url }] },
            "mark": { "type": "image", "width": width, "height": height, "aspect": false },
            "encoding": {
                "x": { "value": width / 2.0 }, "y": { "value": height / 2.0 },
                "url": { "field": "url", "type": "nominal" },
            },
        },
        {
            "data": { "values": points },
            "mark": { "type": "square", "size": 0, "opacity": 1, "tooltip": null },
            "encoding": {
                "x": { "field": "c", "type": "quantitative", "scale": scale(columns), "axis": x },
                "y": { "field": "r", "type": "quantitative", "scale": down, "axis": y },
                "color": color(chart, grid, height),
            },
        },
    ])
}

/// The cells as a PNG of at most 256 colours, a quarter of what one with all colours would weigh; `fx` by `fy` pixels each.
fn indexed(grid: &Grid, fx: usize, fy: usize) -> Option<Vec<u8>> {
    const LEVELS: usize = 255;
    let span = grid.high - grid.low;
    let level = |v: &f64| match v.is_nan() {
        true => LEVELS as u8,
        false => (((v - grid.low) / span).clamp(0.0, 1.0) * (LEVELS - 1) as f64).round() as u8,
    };
    let mut colors: Vec<u8> = (0..LEVELS).flat_map(|i| grid.palette.at(i as f64 / (LEVELS - 1) as f64).0).collect();
    colors.extend(NAN.0);
    let mut pixels = Vec::with_capacity(grid.values.len() * fx * fy);
    for row in grid.values.chunks(grid.columns.max(1)) {
        let line: Vec<u8> = row.iter().flat_map(|v| std::iter::repeat_n(level(v), fx)).collect();
        (0..fy).for_each(|_| pixels.extend_from_slice(&line));
    }
    let side = |n: usize, f: usize| u32::try_from(n * f).ok().filter(|n| *n > 0);
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, side(grid.columns, fx)?, side(grid.rows, fy)?);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(colors);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&pixels).ok()?;
    writer.finish().ok()?;
    Some(out)
}
