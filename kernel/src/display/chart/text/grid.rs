//! Heatmaps: the darker a square, the larger its value, or the farther from the middle where there are two sides.

use crate::display::chart::grid::Grid;
use crate::display::chart::model::Chart;
use crate::display::measure::{cut, left, right, width_of};
use minerva_engine::tensor::number;

const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
/// Rows of a drawing at most.
const MOST_ROWS: usize = 32;
/// Names of rows are shortened to this.
const LONGEST: usize = 16;

pub fn draw(chart: &Chart, grid: &Grid, columns: usize) -> Vec<String> {
    if grid.rows == 0 || grid.columns == 0 {
        return Vec::new();
    }
    let rows = grid.rows.min(MOST_ROWS);
    let down = grid.rows.div_ceil(rows);
    let rows = grid.rows.div_ceil(down);
    let name = |r: usize| match grid.labels.rows.get(r * down) {
        Some(name) => cut(name, LONGEST),
        None => (r * down * grid.source.0 / grid.rows.max(1)).to_string(),
    };
    let margin = (0..rows).map(|r| width_of(&name(r))).max().unwrap_or(0) + 2;
    let room = columns.saturating_sub(margin).max(8);
    // Two characters are about as wide as one is high.
    let cell = if grid.labels.columns.is_empty() { 2 } else { (room / grid.columns).clamp(2, 6) };
    let across = grid.columns.div_ceil((room / cell).max(1)).max(1);
    let count = grid.columns.div_ceil(across);
    let mut out = Vec::new();
    if cell > 3 && across == 1 {
        let names: String = grid.labels.columns.iter().map(|n| left(&cut(n, cell - 1), cell)).collect();
        out.push(format!("{}{names}", " ".repeat(margin)));
    }
    let middle = if grid.palette.diverging { grid.low.midpoint(grid.high) } else { grid.low };
    let end = if grid.palette.diverging { (grid.high - middle).max(middle - grid.low) } else { grid.high - grid.low };
    for r in 0..rows {
        let mut line = format!("{} │", right(&name(r), margin - 2));
        for c in 0..count {
            let part = (r * down..((r + 1) * down).min(grid.rows)).flat_map(|row| {
                (c * across..((c + 1) * across).min(grid.columns)).map(move |column| row * grid.columns + column)
            });
            // Of several values the farthest: what stands out stays.
            let far = part.filter_map(|i| grid.values.get(i)).map(|v| (v - middle).abs()).fold(f64::NAN, f64::max);
            let shade = match far.is_nan() {
                true => '?',
                false if end > 0.0 => {
                    SHADES.get((far / end * 4.0).round().clamp(0.0, 4.0) as usize).copied().unwrap_or('█')
                }
                false => ' ',
            };
            line.extend(std::iter::repeat_n(shade, cell));
        }
        out.push(line);
    }
    let side = if grid.palette.diverging { ", dark is far from the middle" } else { "" };
    let label = |text: &str, what: &str, n: usize| {
        if text.is_empty() { format!("{n} {what}") } else { format!("{text} ({n} {what})") }
    };
    out.push(cut(
        &format!(
            "{}{} × {}, colours {} … {}{side}",
            " ".repeat(margin),
            label(&chart.y.label, "rows", grid.source.0),
            label(&chart.x.label, "columns", grid.source.1),
            number(grid.low),
            number(grid.high)
        ),
        columns.max(margin + 40),
    ));
    out
}
