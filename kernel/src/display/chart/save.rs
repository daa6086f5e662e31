//! A chart as a file.

use super::model::Chart;
use super::{frame, raster, svg, vega};
use minerva_engine::error::nearest;
use minerva_engine::format::atomic::write_small;
use minerva_engine::{Error, Result};
use std::path::Path;

/// Pixels of a PNG file per pixel of the chart where none are asked for.
const DENSITY: f64 = 2.0;
const KNOWN: [&str; 3] = ["svg", "png", "json"];

/// The bytes of a file in the format that the ending says: `svg`, `png` (`scale` pixels per pixel of the chart), or `json`, the
/// Vega-Lite specification.
///
/// # Errors
/// When the ending is none of these, or a picture would be too large.
pub fn encode(chart: &Chart, ending: &str, scale: Option<f64>) -> Result<Vec<u8>> {
    match ending.to_lowercase().as_str() {
        "svg" => Ok(svg::svg(&frame::scene(chart)).into_bytes()),
        "png" => {
            let scene = frame::scene(chart);
            let scale = scale.unwrap_or(DENSITY);
            raster::png(&scene, scale).ok_or_else(|| {
                let found = format!("{} by {}", scene.width * scale, scene.height * scale);
                Error::argument("save", "a picture of 1 to 16384 pixels a side", found)
            })
        }
        "json" => Ok(format!("{:#}\n", vega::spec(chart)).into_bytes()),
        other => {
            let found = if other.is_empty() { "none".to_owned() } else { format!("\".{other}\"") };
            let error = Error::argument("save", "a name that ends in .svg, .png or .json", found);
            Err(match nearest(other, KNOWN) {
                Some(near) => error.with_help(format!("did you mean \".{near}\"?")),
                None => error.with_help("svg and png are pictures, json is the Vega-Lite specification"),
            })
        }
    }
}

/// Writes a chart into a file, whole or not at all.
///
/// # Errors
/// As [`encode`]; when the folder does not exist or the file cannot be written.
pub fn save(chart: &Chart, path: &Path, scale: Option<f64>) -> Result<()> {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let bytes = encode(chart, ending, scale)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        let error = Error::argument("save", "a folder that exists", folder.display().to_string());
        return Err(error.with_help("make the folder first, or save somewhere else"));
    }
    write_small(path, &bytes)
}
