//! Lines and points.

use super::canvas::Canvas;
use super::draw::ROWS;
use super::ticks::{below, tick_rows};
use crate::display::chart::model::{Chart, Mark};
use crate::display::measure::{cut, left, right, width_of};

/// One for each cloud of points where there are several.
const MARKS: [char; 6] = ['•', '×', '+', 'o', '▪', '*'];
/// Names at the ends of lines are shortened to this.
const LONGEST: usize = 18;

pub fn draw(chart: &Chart, columns: usize) -> Vec<String> {
    let (x, y) = (chart.x_scale(), chart.y_scale());
    let ticks = tick_rows(&y, chart.y_is_whole(), ROWS);
    let margin = ticks.iter().map(|(_, t)| width_of(t)).max().unwrap_or(0) + 2;
    let series = chart.series();
    let several = series.iter().filter(|s| !s.name.is_empty()).count() > 1;
    let clouds = several && series.iter().any(|s| matches!(s.mark, Mark::Point { .. }));
    // Lines are told apart by their names at the right end, points by their marks.
    let named = several && !clouds;
    let names = series.iter().map(|s| width_of(&s.name).min(LONGEST)).max().unwrap_or(0);
    let beside = if named { names + 1 } else { 0 };
    let across = columns.saturating_sub(margin + beside).max(10);
    let mut canvas = Canvas::new(across, ROWS);
    let (w, h) = ((canvas.width() - 1) as f64, (canvas.height() - 1) as f64);
    let mut ends: Vec<(f64, String)> = Vec::new();
    for (i, s) in series.iter().enumerate() {
        let mut last: Option<(f64, f64)> = None;
        let mut end = None;
        for (a, b) in s.x.iter().zip(s.y.iter()) {
            let (u, v) = (x.unit(*a), y.unit(*b));
            let seen = (-0.001..=1.001).contains(&u) && v.is_finite();
            let at = (u * w, (1.0 - v.clamp(-2.0, 3.0)) * h);
            match s.mark {
                _ if !seen => last = None,
                Mark::Point { .. } if clouds => {
                    let mark = MARKS.get(i % MARKS.len()).copied().unwrap_or('•');
                    canvas.mark(at.0.round() as i64, at.1.round() as i64, mark);
                }
                Mark::Point { .. } => canvas.dot(at.0.round() as i64, at.1.round() as i64),
                _ => {
                    canvas.line(last.unwrap_or(at), at);
                    last = Some(at);
                    end = Some(at.1);
                }
            }
        }
        if let Some(y) = end.filter(|_| named) {
            ends.push((y / 4.0, cut(&s.name, LONGEST)));
        }
    }
    let names = spread(ends);
    let mut out = Vec::new();
    if !chart.y.label.is_empty() {
        out.push(cut(&chart.y.label, columns));
    }
    for (r, line) in canvas.lines().iter().enumerate() {
        let tick = ticks.iter().find(|(row, _)| *row == r);
        let edge = if tick.is_some() { '┤' } else { '│' };
        let text = right(tick.map_or("", |(_, t)| t), margin.saturating_sub(2));
        let name = names.get(r).cloned().flatten().unwrap_or_default();
        let line = if named { format!("{} {name}", left(line, across)) } else { line.clone() };
        out.push(format!("{text} {edge}{line}"));
    }
    if chart.x.categories.is_empty() {
        out.extend(below(&x, chart.x_is_whole(), across, margin, &chart.x.label));
    } else {
        out.push(format!("{}└{}", " ".repeat(margin - 1), "─".repeat(across)));
        let first = chart.x.categories.first().cloned().unwrap_or_default();
        let last = chart.x.categories.last().cloned().unwrap_or_default();
        let (first, last) = (cut(&first, across / 2 - 1), cut(&last, across / 2 - 1));
        let last =
            if chart.x.categories.len() > 1 { right(&last, across.saturating_sub(width_of(&first))) } else { last };
        out.push(format!("{}{first}{last}", " ".repeat(margin)));
    }
    if clouds {
        let key = series
            .iter()
            .enumerate()
            .map(|(i, s)| format!("{} {}", MARKS.get(i % MARKS.len()).unwrap_or(&'•'), s.name));
        out.push(cut(&key.collect::<Vec<_>>().join("   "), columns));
    }
    out
}

/// Names in rows near their lines' ends, none on top of another. Of more than there are rows the last are left out.
fn spread(mut ends: Vec<(f64, String)>) -> Vec<Option<String>> {
    let mut rows: Vec<Option<String>> = vec![None; ROWS];
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (y, name) in ends {
        let wanted = y.floor().clamp(0.0, (ROWS - 1) as f64) as usize;
        let free = (0..ROWS).filter(|r| rows.get(*r).is_some_and(Option::is_none)).min_by_key(|r| r.abs_diff(wanted));
        if let Some(row) = free.and_then(|r| rows.get_mut(r)) {
            *row = Some(name);
        }
    }
    rows
}
