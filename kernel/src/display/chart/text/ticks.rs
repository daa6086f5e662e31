//! The ticks of axes in characters.

use crate::display::chart::scale::Scale;
use crate::display::measure::{cut, left, right, width_of};

/// Which of `rows` rows, counted from the top, carry which tick.
pub fn tick_rows(scale: &Scale, whole: bool, rows: usize) -> Vec<(usize, String)> {
    let ticks = scale.ticks_of((rows / 3).max(2), whole);
    let labels = scale.labels(&ticks);
    let row = |v: &f64| ((1.0 - scale.unit(*v)) * (rows.max(1) - 1) as f64).round() as usize;
    ticks.iter().map(row).zip(labels).filter(|(r, _)| *r < rows).collect()
}

/// The line of an axis with its ticks, and the numbers below it, for a plot of so many columns behind a margin. `label` ends
/// the second line, or stands below it where there is no room.
pub fn below(scale: &Scale, whole: bool, columns: usize, margin: usize, label: &str) -> Vec<String> {
    let ticks = scale.ticks_of((columns / 12).clamp(2, 8), whole);
    let labels = scale.labels(&ticks);
    let mut axis: Vec<char> = std::iter::repeat_n('─', columns).collect();
    let mut numbers = String::new();
    let mut end = 0;
    for (v, text) in ticks.iter().zip(labels) {
        let at = (scale.unit(*v) * (columns.max(1) - 1) as f64).round() as usize;
        let start = (margin + at).saturating_sub(width_of(&text) / 2);
        if (end > 0 && start < end + 2) || start + width_of(&text) > margin + columns + 2 {
            continue;
        }
        if let Some(c) = axis.get_mut(at) {
            *c = '┬';
        }
        numbers = format!("{}{text}", left(&numbers, start));
        end = width_of(&numbers);
    }
    let axis = format!("{}└{}", " ".repeat(margin.saturating_sub(1)), String::from_iter(axis));
    let room = (margin + columns).saturating_sub(end + 2);
    if label.is_empty() || width_of(label) <= room {
        let label = right(label, room);
        return vec![axis, format!("{numbers}  {label}")];
    }
    let label = cut(label, columns);
    let start = margin + columns.saturating_sub(width_of(&label)) / 2;
    vec![axis, numbers, format!("{}{label}", " ".repeat(start))]
}
