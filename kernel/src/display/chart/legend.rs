//! What the colours of series mean.

use super::axes::{self, SMALL};
use super::frame::Ink;
use super::glyphs;
use super::model::{Chart, Mark};
use super::scene::{Anchor, Paint, Rect, Shape};

/// Height of one row.
pub const ROW: f64 = 20.0;
/// From a sample to its name.
const GAP: f64 = 6.0;
/// Width of a sample.
const SAMPLE: f64 = 18.0;
/// From one name to the next sample in a row.
const BETWEEN: f64 = 16.0;
/// Longer names are shortened.
const LONGEST: f64 = 140.0;

/// Where a legend stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In one row above the plot.
    Above,
    /// In a column at its right.
    Right,
}

/// Where the legend of a chart of this width goes: above where one row holds it. `None` where there is none.
pub fn place(chart: &Chart, width: f64) -> Option<Place> {
    if !chart.has_legend() {
        return None;
    }
    let row: f64 = chart.series().iter().map(|s| SAMPLE + GAP + glyphs::width(&s.name, SMALL) + BETWEEN).sum();
    Some(if row <= width - 90.0 { Place::Above } else { Place::Right })
}

/// Width of a legend at the right.
pub fn column_width(chart: &Chart) -> f64 {
    let widest = chart.series().iter().map(|s| glyphs::width(&s.name, SMALL).min(LONGEST)).fold(40.0, f64::max);
    BETWEEN + SAMPLE + GAP + widest
}

/// A row whose top left corner is here.
pub fn draw_above(chart: &Chart, left: f64, top: f64, ink: &Ink, shapes: &mut Vec<Shape>) {
    let mut x = left;
    for (i, s) in chart.series().iter().enumerate().filter(|(_, s)| !s.name.is_empty()) {
        entry(chart, i, &s.name, (x, top + ROW / 2.0 - 2.0), ink, shapes);
        x += SAMPLE + GAP + glyphs::width(&s.name, SMALL) + BETWEEN;
    }
}

/// A column at the right of a plot. Of too many names it shows the first and says how many there are.
pub fn draw_right(chart: &Chart, plot: &Rect, ink: &Ink, shapes: &mut Vec<Shape>) {
    let rows = (plot.height() / ROW).floor().max(2.0) as usize;
    let count = chart.series().len();
    let shown = if count > rows { rows - 1 } else { count };
    let (x, mut y) = (plot.right + BETWEEN, plot.top + ROW / 2.0);
    for i in 0..shown {
        // Of many, some of the whole run are named.
        let at = if shown < count { i * (count - 1) / (shown - 1).max(1) } else { i };
        let name = chart.series().get(at).map(|s| glyphs::fit(&s.name, SMALL, LONGEST)).unwrap_or_default();
        entry(chart, at, &name, (x, y), ink, shapes);
        y += ROW;
    }
    if shown < count {
        shapes.push(axes::text(&format!("({count} in all)"), (x, y + 0.36 * SMALL), SMALL, Anchor::Start, 0.0, ink));
    }
}

fn entry(chart: &Chart, i: usize, name: &str, (x, y): (f64, f64), ink: &Ink, shapes: &mut Vec<Shape>) {
    let Some(series) = chart.series().get(i) else { return };
    let paint = Paint { color: chart.color(i), opacity: series.opacity.max(0.4) };
    shapes.push(match series.mark {
        Mark::Line { width, .. } => {
            let parts = vec![vec![(x, y), (x + SAMPLE, y)]];
            Shape::Lines { parts, paint, width: width.max(1.5), clip: None }
        }
        Mark::Point { .. } => Shape::Circles { centres: vec![(x + SAMPLE / 2.0, y)], radius: 4.0, paint },
        Mark::Bar | Mark::Bins { .. } => {
            Shape::Rects { rects: vec![Rect::between((x + 4.0, y - 5.0), (x + 14.0, y + 5.0))], paint }
        }
    });
    shapes.push(axes::text(name, (x + SAMPLE + GAP, y + 0.36 * SMALL), SMALL, Anchor::Start, 0.0, ink));
}
