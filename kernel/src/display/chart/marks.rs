//! Lines, points and bars.

use super::axes;
use super::frame::Ink;
use super::model::{Chart, Mark, Series};
use super::scale::Scale;
use super::scene::{Paint, Rect, Shape};

/// Draws the series, bars first.
pub fn draw(chart: &Chart, x: &Scale, y: &Scale, plot: &Rect, ink: &Ink, shapes: &mut Vec<Shape>) {
    let place = |a: f64, b: f64| -> (f64, f64) {
        // Far outside is far enough: what draws has single precision.
        let (u, v) = (x.unit(a).clamp(-50.0, 50.0), y.unit(b).clamp(-50.0, 50.0));
        match chart.horizontal {
            // The first of names stands on top; numbers run upwards.
            true if chart.x.categories.is_empty() => (plot.left + v * plot.width(), plot.bottom - u * plot.height()),
            true => (plot.left + v * plot.width(), plot.top + u * plot.height()),
            false => (plot.left + u * plot.width(), plot.bottom - v * plot.height()),
        }
    };
    bars(chart, y, &place, plot, ink, shapes);
    for (i, s) in chart.series().iter().enumerate() {
        let paint = Paint { color: chart.color(i), opacity: s.opacity };
        match s.mark {
            Mark::Line { width, points } => {
                let parts = parts(s, &place);
                // A value alone between gaps has no line to be seen by.
                let alone = parts.iter().filter(|p| p.len() == 1 || points).flatten().copied();
                let centres: Vec<_> = alone.filter(|p| inside(*p, plot)).collect();
                let parts = parts.into_iter().filter(|p| p.len() > 1).collect();
                let clip =
                    Rect { left: plot.left, top: plot.top - width, right: plot.right, bottom: plot.bottom + width };
                shapes.push(Shape::Lines { parts, paint, width, clip: Some(clip) });
                shapes.push(Shape::Circles { centres, radius: (1.6 * width).max(2.0), paint });
            }
            Mark::Point { size } => {
                let centres = s.x.iter().zip(s.y.iter()).map(|(a, b)| place(*a, *b)).filter(|p| inside(*p, plot));
                shapes.push(Shape::Circles { centres: centres.collect(), radius: size / 2.0, paint });
            }
            Mark::Bar | Mark::Bins { .. } => {}
        }
    }
}

fn bars(
    chart: &Chart,
    y: &Scale,
    place: &impl Fn(f64, f64) -> (f64, f64),
    plot: &Rect,
    ink: &Ink,
    shapes: &mut Vec<Shape>,
) {
    // A logarithmic axis has no zero to stand on.
    let value = |v: f64| if y.log && v <= 0.0 { y.low } else { v };
    for (i, (s, bars)) in chart.series().iter().zip(chart.bars()).enumerate() {
        let rects = bars.iter().filter_map(|b| {
            let r = Rect::between(place(b.from, value(b.base)), place(b.to, value(b.top))).within(plot)?;
            Some(if matches!(s.mark, Mark::Bins { .. }) { apart(r) } else { r })
        });
        let rects: Vec<Rect> = rects.filter(|r| r.width() > 0.0 && r.height() > 0.0).collect();
        if !rects.is_empty() {
            shapes.push(Shape::Rects { rects, paint: Paint { color: chart.color(i), opacity: s.opacity } });
        }
    }
    if chart.has_bars() && !y.log && y.low < 0.0 && y.high > 0.0 {
        let (x, v) = place(0.0, 0.0);
        shapes.push(match chart.horizontal {
            true => axes::thin(vec![vec![(x, plot.top), (x, plot.bottom)]], ink),
            false => axes::thin(vec![vec![(plot.left, v), (plot.right, v)]], ink),
        });
    }
}

/// Neighbours in a histogram are told apart where they are wide enough for it.
fn apart(r: Rect) -> Rect {
    let gap = if r.width() > 4.0 { 0.5 } else { 0.0 };
    Rect { left: r.left + gap, right: r.right - gap, ..r }
}

/// The pieces of a line between its gaps.
fn parts(s: &Series, place: &impl Fn(f64, f64) -> (f64, f64)) -> Vec<Vec<(f64, f64)>> {
    let mut parts = vec![Vec::new()];
    for (a, b) in s.x.iter().zip(s.y.iter()) {
        let at = place(*a, *b);
        if a.is_finite() && b.is_finite() && at.0.is_finite() && at.1.is_finite() {
            if let Some(part) = parts.last_mut() {
                part.push(at);
            }
        } else if parts.last().is_some_and(|p| !p.is_empty()) {
            parts.push(Vec::new());
        }
    }
    parts.retain(|p| !p.is_empty());
    parts
}

fn inside((x, y): (f64, f64), plot: &Rect) -> bool {
    // NaN is nowhere.
    x >= plot.left - 0.5 && x <= plot.right + 0.5 && y >= plot.top - 0.5 && y <= plot.bottom + 0.5
}
