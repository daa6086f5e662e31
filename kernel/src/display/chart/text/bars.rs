//! Bars: lying for categories, standing for histograms.

use super::draw::ROWS;
use super::ticks::{below, tick_rows};
use crate::display::chart::model::{Chart, Mark, Series, Stack};
use crate::display::chart::scale::Scale;
use crate::display::measure::{cut, left, right, width_of};
use minerva_engine::tensor::number;

const ACROSS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const UP: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Longer names are shortened.
const LONGEST: usize = 24;
/// More bars than this are not listed.
const MOST: usize = 40;

/// One line per bar: name, bar, value.
pub fn list(chart: &Chart, columns: usize) -> Vec<String> {
    let series = chart.series();
    let several = series.len() > 1;
    let place = |x: f64| match chart.x.categories.get(x.max(0.0) as usize) {
        Some(name) => name.clone(),
        None if chart.x.categories.is_empty() => number(x),
        None => String::new(),
    };
    let mut lines: Vec<(String, String, f64)> = Vec::new();
    let most = series.iter().map(|s| s.x.len()).max().unwrap_or(0);
    for i in 0..most {
        for (n, s) in series.iter().enumerate() {
            if let (Some(x), Some(y)) = (s.x.get(i), s.y.get(i)) {
                let name = if n == 0 { cut(&place(*x), LONGEST) } else { String::new() };
                lines.push((name, if several { cut(&s.name, LONGEST) } else { String::new() }, *y));
            }
        }
    }
    let all = lines.len();
    lines.truncate(MOST.max(series.len()));
    let names = lines.iter().map(|l| width_of(&l.0)).max().unwrap_or(0);
    let kinds = lines.iter().map(|l| width_of(&l.1)).max().unwrap_or(0);
    let values: Vec<String> = lines.iter().map(|l| number(l.2)).collect();
    let last = values.iter().map(|v| width_of(v)).max().unwrap_or(0);
    let room = columns.saturating_sub(names + kinds + last + 4 + usize::from(several)).max(8);
    let scale = if chart.stack == Stack::OnTop { own_scale(chart) } else { chart.y_scale() };
    let mut out = Vec::new();
    if !chart.y.label.is_empty() {
        out.push(cut(&chart.y.label, columns));
    }
    for ((name, kind, v), value) in lines.iter().zip(&values) {
        let kind = if several { format!(" {}", left(kind, kinds)) } else { String::new() };
        out.push(format!("{}{kind} │{} {value}", right(name, names), bar(*v, &scale, room)));
    }
    if all > lines.len() {
        out.push(format!("… {} more", all - lines.len()));
    }
    out
}

/// Stacked bars are listed one by one: the axis is that of the single values.
fn own_scale(chart: &Chart) -> Scale {
    let mut plain = chart.clone();
    plain.stack = Stack::Beside;
    plain.y_scale()
}

fn bar(v: f64, scale: &Scale, room: usize) -> String {
    if !v.is_finite() {
        return String::new();
    }
    let eighths = (room * 8) as f64;
    let at = |v: f64| (scale.unit(v).clamp(0.0, 1.0) * eighths).round() as usize;
    let zero = if scale.log { 0 } else { at(0.0) };
    if v < 0.0 {
        let (from, to) = ((at(v) + 4) / 8, (zero + 4) / 8);
        return format!("{}{}", " ".repeat(from), "█".repeat(to.saturating_sub(from).max(1)));
    }
    // Something is never shown as nothing.
    let (zero, length) = ((zero + 4) / 8, at(v).saturating_sub(zero).max(usize::from(v > 0.0)));
    let part = ACROSS.get(length % 8).filter(|_| length % 8 > 0);
    format!("{}{}{}", " ".repeat(zero), "█".repeat(length / 8), part.map(char::to_string).unwrap_or_default())
}

/// Standing bars, each series in a plot of its own.
pub fn histograms(chart: &Chart, columns: usize) -> Vec<String> {
    let rows = if chart.series().len() > 1 { 6 } else { ROWS - 4 };
    let mut out = Vec::new();
    for s in chart.series() {
        if !s.name.is_empty() {
            out.push(cut(&s.name, columns));
        } else if !chart.y.label.is_empty() {
            out.push(cut(&chart.y.label, columns));
        }
        out.extend(standing(chart, s, rows, columns));
    }
    out
}

fn standing(chart: &Chart, s: &Series, rows: usize, columns: usize) -> Vec<String> {
    let Mark::Bins { edges } = &s.mark else { return Vec::new() };
    let (x, y) = (chart.x_scale(), chart.y_scale());
    let ticks = tick_rows(&y, chart.y_is_whole(), rows);
    let margin = ticks.iter().map(|(_, t)| width_of(t)).max().unwrap_or(0) + 2;
    let room = columns.saturating_sub(margin).max(10);
    // Whole columns per bin, where they have room for it: bins look equally wide.
    let across = if s.y.len() <= room { room / s.y.len().max(1) * s.y.len() } else { room };
    let mut heights = vec![0usize; across];
    for ((from, to), v) in edges.iter().zip(edges.iter().skip(1)).zip(s.y.iter()) {
        let at = |v: f64| (x.unit(v).clamp(0.0, 1.0) * across as f64).round() as usize;
        let top = y.unit(*v);
        if !top.is_finite() {
            continue;
        }
        let height = ((top.clamp(0.0, 1.0) * (rows * 8) as f64).round() as usize).max(usize::from(*v > 0.0));
        let (first, last) = (at(*from), at(*to).max(at(*from) + 1));
        heights.iter_mut().take(last).skip(first).for_each(|h| *h = (*h).max(height));
    }
    let mut out = Vec::new();
    for r in 0..rows {
        let tick = ticks.iter().find(|(row, _)| *row == r);
        let edge = if tick.is_some() { '┤' } else { '│' };
        let floor = (rows - 1 - r) * 8;
        let line: String =
            heights.iter().map(|h| UP.get(h.saturating_sub(floor).min(8)).copied().unwrap_or(' ')).collect();
        out.push(format!("{} {edge}{line}", right(tick.map_or("", |(_, t)| t), margin - 2)));
    }
    out.extend(below(&x, chart.x_is_whole(), across, margin, &chart.x.label));
    out
}
