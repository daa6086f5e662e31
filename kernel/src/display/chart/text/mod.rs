//! A chart in characters, for terminals and wherever there are no pictures.

mod bars;
mod canvas;
mod grid;
mod lines;

use super::model::{Chart, Content, Mark};
use super::scale::Scale;
use unicode_width::UnicodeWidthStr;

/// Fewer columns than this are not worth drawing in.
const NARROWEST: usize = 24;
/// Rows of a plot.
const ROWS: usize = 14;

/// The chart in lines of at most `columns` characters.
pub fn draw(chart: &Chart, columns: usize) -> String {
    let columns = columns.max(NARROWEST);
    let mut out: Vec<String> = Vec::new();
    if !chart.title.is_empty() {
        out.push(cut(&chart.title, columns));
    }
    match &chart.content {
        Content::Grid(grid) => out.extend(grid::draw(chart, grid, columns)),
        Content::Series(series) => match series.first().map(|s| &s.mark) {
            Some(Mark::Bar) if series.iter().all(|s| s.mark == Mark::Bar) => out.extend(bars::list(chart, columns)),
            Some(Mark::Bins { .. }) if series.iter().all(|s| matches!(s.mark, Mark::Bins { .. })) => {
                out.extend(bars::histograms(chart, columns));
            }
            _ => out.extend(lines::draw(chart, columns)),
        },
    }
    out.extend(chart.notes.iter().chain(&chart.aside).map(|note| cut(&format!("({note})"), columns)));
    out.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

/// Columns that a text takes in a terminal.
fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The text on one line, shortened to so many columns.
fn cut(text: &str, columns: usize) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if width(&flat) <= columns {
        return flat;
    }
    let mut out = String::new();
    for c in flat.chars() {
        if width(&out) + unicode_width::UnicodeWidthChar::width(c).unwrap_or(0) + 1 > columns {
            break;
        }
        out.push(c);
    }
    out + "…"
}

/// The text filled up with blanks before it.
fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// The text filled up with blanks after it.
fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Which of `rows` rows, counted from the top, carry which tick.
fn tick_rows(scale: &Scale, whole: bool, rows: usize) -> Vec<(usize, String)> {
    let ticks = scale.ticks_of((rows / 3).max(2), whole);
    let labels = scale.labels(&ticks);
    let row = |v: &f64| ((1.0 - scale.unit(*v)) * (rows.max(1) - 1) as f64).round() as usize;
    ticks.iter().map(row).zip(labels).filter(|(r, _)| *r < rows).collect()
}

/// The line of an axis with its ticks, and the numbers below it, for a plot of so many columns behind a margin. `label` ends
/// the second line, or stands below it where there is no room.
fn below(scale: &Scale, whole: bool, columns: usize, margin: usize, label: &str) -> Vec<String> {
    let ticks = scale.ticks_of((columns / 12).clamp(2, 8), whole);
    let labels = scale.labels(&ticks);
    let mut axis: Vec<char> = std::iter::repeat_n('─', columns).collect();
    let mut numbers = String::new();
    let mut end = 0;
    for (v, text) in ticks.iter().zip(labels) {
        let at = (scale.unit(*v) * (columns.max(1) - 1) as f64).round() as usize;
        let start = (margin + at).saturating_sub(width(&text) / 2);
        if (end > 0 && start < end + 2) || start + width(&text) > margin + columns + 2 {
            continue;
        }
        if let Some(c) = axis.get_mut(at) {
            *c = '┬';
        }
        numbers = format!("{}{text}", left(&numbers, start));
        end = width(&numbers);
    }
    let axis = format!("{}└{}", " ".repeat(margin.saturating_sub(1)), String::from_iter(axis));
    let room = (margin + columns).saturating_sub(end + 2);
    if label.is_empty() || width(label) <= room {
        let label = right(label, room);
        return vec![axis, format!("{numbers}  {label}")];
    }
    let label = cut(label, columns);
    let start = margin + columns.saturating_sub(width(&label)) / 2;
    vec![axis, numbers, format!("{}{label}", " ".repeat(start))]
}
