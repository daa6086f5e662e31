//! A chart as a MIME bundle.

use super::model::{Chart, Content, Mark};
use super::{frame, raster, text, vega};
use crate::display::Bundle;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// Pixels of the PNG per pixel of the chart, for screens that have them.
const DENSITY: f64 = 2.0;

/// Vega-Lite for notebooks, a PNG for where that is not known, text of this many columns for where there are no pictures. No
/// HTML: JupyterLab would show it in place of the chart.
pub fn bundle(chart: &Chart, columns: usize) -> Bundle {
    let mut bundle = Bundle::default().with("application/vnd.vegalite.v5+json", vega::spec(chart));
    let scene = frame::scene(chart);
    if let Some(png) = raster::png(&scene, DENSITY) {
        let size = json!({ "width": scene.width.round(), "height": scene.height.round() });
        bundle = bundle.with("image/png", STANDARD.encode(png)).with_metadata("image/png", size);
    }
    bundle.with("text/plain", plain(chart, columns))
}

/// The chart in characters.
pub fn plain(chart: &Chart, columns: usize) -> String {
    text::draw(chart, columns)
}

impl Chart {
    /// What it shows, in a line.
    pub fn description(&self) -> String {
        let kind = match &self.content {
            Content::Grid(grid) => format!("heatmap of {} by {} values", grid.source.0, grid.source.1),
            Content::Series(series) => {
                let kind = match series.first().map(|s| &s.mark) {
                    Some(Mark::Line { .. }) => "line chart",
                    Some(Mark::Point { .. }) => "scatter plot",
                    Some(Mark::Bar) => "bar chart",
                    Some(Mark::Bins { .. }) => "histogram",
                    None => "chart",
                };
                let names: Vec<&str> =
                    series.iter().map(|s| s.name.as_str()).filter(|n| !n.is_empty()).take(8).collect();
                if names.is_empty() { kind.to_owned() } else { format!("{kind} of {}", names.join(", ")) }
            }
        };
        let title = if self.title.is_empty() { kind } else { format!("{}: {kind}", self.title) };
        [title].into_iter().chain(self.notes.iter().cloned()).chain(self.aside.clone()).collect::<Vec<_>>().join("; ")
    }
}
