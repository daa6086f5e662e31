//! The whole of a chart: its title, its plot, its notes.

use super::{bars, grid, lines};
use crate::display::chart::model::{Chart, Content, Mark};
use crate::display::measure::cut;

/// Fewer columns than this are not worth drawing in.
const NARROWEST: usize = 24;
/// Rows of a plot.
pub const ROWS: usize = 14;

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
