//! Charts: what one says ([`Chart`]), and its forms: a Vega-Lite specification, SVG, PNG, and text.
//!
//! A chart is drawn once into a [`scene`] of paths and texts, which becomes SVG or pixels; its text uses an embedded font, so
//! that a picture is the same on every machine.

mod axes;
mod bundle;
mod color;
mod frame;
mod glyphs;
mod grid;
mod legend;
mod marks;
mod model;
mod palette;
mod raster;
mod save;
mod scale;
mod scene;
mod svg;
pub mod text;
pub mod thin;
mod vega;

pub use bundle::{bundle, plain};
pub use color::Rgb;
pub use grid::{Grid, GridLabels};
pub use model::{Axis, Chart, Content, Mark, Series, Stack};
pub use palette::{PALETTES, Palette};
pub use save::{encode, save};
