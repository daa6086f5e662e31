//! A matrix as colours.

use super::axes::{self, Along, SMALL};
use super::color::Rgb;
use super::frame::{self, Around, Ink};
use super::glyphs;
use super::model::Chart;
use super::palette::Palette;
use super::scale::Scale;
use super::scene::{Anchor, Rect, Shape, Text};
use minerva_engine::tensor::number;
use std::sync::Arc;

/// What a cell without a value is filled with; no palette has this grey.
pub const NAN: Rgb = Rgb([0x9a, 0x9a, 0x9a]);
/// Width of the colour bar.
const BAR: f64 = 12.0;
/// The plot's sides where no size is asked for.
const SIDES: (f64, f64) = (420.0, 340.0);
/// The largest side of a cell there.
const LARGEST: f64 = 40.0;
/// The least side of a plot there, as far as the cells grow no larger than 20 pixels for it.
const LEAST: f64 = 120.0;

/// Values in rows and columns; the first row stands on top.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Rows of cells.
    pub rows: usize,
    /// Cells per row.
    pub columns: usize,
    /// A value per cell, row by row; NaN where there is none.
    pub values: Arc<Vec<f64>>,
    /// Rows and columns of the data, of which a cell may stand for several.
    pub source: (usize, usize),
    /// Names of rows and columns.
    pub labels: GridLabels,
    /// Which colours.
    pub palette: Palette,
    /// The value of the palette's beginning; what is below has the same colour.
    pub low: f64,
    /// The value of its end.
    pub high: f64,
    /// Values are written into the cells.
    pub annotate: bool,
}

/// Names of rows and columns; empty where they are counted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GridLabels {
    /// One per row of cells.
    pub rows: Vec<String>,
    /// One per column of cells.
    pub columns: Vec<String>,
}

impl Grid {
    /// The colour of a value.
    pub fn color(&self, v: f64) -> Rgb {
        if v.is_nan() {
            return NAN;
        }
        let span = self.high - self.low;
        let t = if span > 0.0 && v.is_finite() { (v - self.low) / span } else { f64::from(u8::from(v > self.low)) };
        self.palette.at(t)
    }

    /// The colours of all cells.
    pub fn colors(&self) -> Vec<Option<Rgb>> {
        self.values.iter().map(|v| Some(self.color(*v))).collect()
    }

    /// What is written into the cells.
    pub fn texts(&self) -> Vec<String> {
        let largest = self.values.iter().filter(|v| v.is_finite()).fold(0f64, |m, v| m.max(v.abs()));
        let whole = self.values.iter().all(|v| !v.is_finite() || (v.fract() == 0.0 && v.abs() < 1e6));
        self.values.iter().map(|v| if whole { number(*v) } else { short(*v, largest) }).collect()
    }

    /// The scale of the colour bar.
    pub fn scale(&self) -> Scale {
        Scale { low: self.low, high: self.high, log: false }
    }

    /// What stands below the plot and beside it.
    pub fn along(&self) -> (Along, Along) {
        let numbers = |low: f64, high: f64| Along::Numbers { scale: Scale { low, high, log: false }, whole: true };
        let (rows, columns) = (self.source.0 as f64, self.source.1 as f64);
        let below = match self.labels.columns.is_empty() {
            true => numbers(-0.5, columns - 0.5),
            false => Along::Names(self.labels.columns.clone()),
        };
        // Rows are counted downwards.
        let beside = match self.labels.rows.is_empty() {
            true => numbers(rows - 0.5, -0.5),
            false => Along::Names(self.labels.rows.clone()),
        };
        (below, beside)
    }

    /// The plot's sides where no size is asked for: square cells, as long as that leaves something to see.
    pub fn sides(&self) -> (f64, f64) {
        let (rows, columns) = (self.source.0.max(1) as f64, self.source.1.max(1) as f64);
        let side = (SIDES.0 / columns).min(SIDES.1 / rows).min(LARGEST);
        let least = |n: f64| (side * n).max(LEAST.min(n * 20.0)).max(12.0);
        (least(columns), least(rows))
    }
}

/// Draws a heatmap and its surroundings; returns the size of the whole.
pub fn draw(chart: &Chart, grid: &Grid, ink: &Ink, shapes: &mut Vec<Shape>) -> (f64, f64) {
    let (below, beside) = grid.along();
    let bar = Along::Numbers { scale: grid.scale(), whole: false };
    let has_bar = chart.legend.unwrap_or(true);
    let (mut width, mut height) = grid.sides();
    let mut around = Around {
        below: below.below(width),
        beside: beside_ticks(&beside, height),
        below_label: chart.x.label.clone(),
        beside_label: chart.y.label.clone(),
        above: 0.0,
        right: 0.0,
    };
    let mut m = frame::margins(chart, &around);
    for _ in 0..2 {
        around.below = below.below(width);
        around.beside = beside_ticks(&beside, height);
        around.right = if has_bar { 14.0 + BAR + bar_ticks(&bar, height).depth } else { 0.0 };
        m = frame::margins(chart, &around);
        width = chart.width.map_or(width, |w| (w - m.left - m.right).max(20.0));
        height = chart.height.map_or(height, |h| (h - m.top - m.bottom).max(20.0));
    }
    let (left, top) = (m.left.round(), m.top.round());
    let plot = Rect { left, top, right: left + width.round(), bottom: top + height.round() };
    shapes.push(Shape::Cells { rect: plot, columns: grid.columns, rows: grid.rows, colors: grid.colors() });
    if grid.annotate {
        write_values(grid, &plot, shapes);
    }
    frame::frame(chart, &around, &plot, ink, shapes);
    shapes.push(axes::thin(vec![outline(&plot)], ink));
    if has_bar {
        color_bar(grid, &bar, &plot, ink, shapes);
    }
    (
        chart.width.unwrap_or((m.left + width + m.right).ceil()),
        chart.height.unwrap_or((m.top + height + m.bottom).ceil()),
    )
}

/// As everywhere, but counted rows run downwards.
fn beside_ticks(along: &Along, height: f64) -> axes::Ticks {
    let Along::Numbers { scale, whole } = along else { return along.beside(height) };
    let upwards = Along::Numbers { scale: Scale { low: scale.high, high: scale.low, ..*scale }, whole: *whole };
    let mut ticks = upwards.beside(height);
    ticks.at.iter_mut().for_each(|(u, _)| *u = 1.0 - *u);
    ticks
}

/// A colour bar has more ticks than an axis of its length: nothing else tells its ends.
fn bar_ticks(along: &Along, height: f64) -> axes::Ticks {
    along.beside(height * 1.6)
}

fn outline(r: &Rect) -> Vec<(f64, f64)> {
    vec![(r.left, r.top), (r.right, r.top), (r.right, r.bottom), (r.left, r.bottom), (r.left, r.top)]
}

fn color_bar(grid: &Grid, along: &Along, plot: &Rect, ink: &Ink, shapes: &mut Vec<Shape>) {
    const STEPS: usize = 256;
    let left = plot.right + 14.0;
    let bar = Rect { left, top: plot.top, right: left + BAR, bottom: plot.bottom };
    let colors = (0..STEPS).map(|i| Some(grid.palette.at(1.0 - i as f64 / (STEPS - 1) as f64))).collect();
    shapes.push(Shape::Cells { rect: bar, columns: 1, rows: STEPS, colors });
    shapes.push(axes::thin(vec![outline(&bar)], ink));
    for (u, label) in bar_ticks(along, plot.height()).at {
        let y = bar.bottom - u * bar.height();
        shapes.push(axes::thin(vec![vec![(bar.right, y), (bar.right + 3.0, y)]], ink));
        let at = (bar.right + 7.0, y + 0.36 * SMALL);
        shapes.push(axes::text(&label, at, SMALL, Anchor::Start, 0.0, ink));
    }
}

/// The values of the cells, where the cells have room for them.
fn write_values(grid: &Grid, plot: &Rect, shapes: &mut Vec<Shape>) {
    let (w, h) = (plot.width() / grid.columns.max(1) as f64, plot.height() / grid.rows.max(1) as f64);
    let texts = grid.texts();
    let widest = texts.iter().map(|t| glyphs::width(t, 1.0)).fold(0.0, f64::max);
    let size = (0.84 * w / widest.max(0.5)).min(0.6 * h).min(SMALL);
    if size < 5.0 {
        return;
    }
    for (i, (v, text)) in grid.values.iter().zip(texts).enumerate() {
        let (column, row) = ((i % grid.columns) as f64, (i / grid.columns) as f64);
        let at = (plot.left + (column + 0.5) * w, plot.top + (row + 0.5) * h + 0.36 * size);
        let color = if grid.color(*v).is_light() { Rgb([0x22; 3]) } else { Rgb([0xff; 3]) };
        shapes.push(Shape::Text(Text { at, text, size, anchor: Anchor::Middle, angle: 0.0, color }));
    }
}

/// A value for a cell: two decimals, or as many digits as it takes where all are small or large.
pub fn short(v: f64, largest: f64) -> String {
    if !v.is_finite() || !(0.05..1e4).contains(&largest) {
        return number(v);
    }
    let decimals = if largest >= 100.0 {
        0
    } else if largest >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{v:.decimals$}");
    // No minus before nothing.
    if text.chars().any(|c| ('1'..='9').contains(&c)) { text } else { text.trim_start_matches('-').to_owned() }
}
