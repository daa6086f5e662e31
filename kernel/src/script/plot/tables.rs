//! The options of charts: what `help` and completion say of them, and what a call may contain.

use crate::script::options::OptionSpec;
use rhai::{Array, Dynamic};

/// Of every chart.
pub const COMMON: &[OptionSpec] = &[
    OptionSpec::new::<String>("title", "stands above the chart"),
    OptionSpec::new::<String>("x_label", "what the axis below shows").also(&["xlabel"]),
    OptionSpec::new::<String>("y_label", "what the axis beside shows").also(&["ylabel"]),
    OptionSpec::new::<f64>("width", "of the whole picture, 60 to 4000 pixels"),
    OptionSpec::new::<f64>("height", "of the whole picture, 60 to 4000 pixels"),
    OptionSpec::new::<bool>("legend", "whether colours are explained")
        .also(&["colorbar"])
        .or("where there are several"),
    OptionSpec::new::<bool>("notes", "whether what was left out is said under the title").or("true"),
    OptionSpec::new::<String>("background", "of pictures: a colour, \"light\", \"dark\" or \"transparent\"")
        .such_as(&["light", "dark", "transparent"])
        .or("\"light\""),
];

/// Of charts with two axes of numbers.
pub const AXES: &[OptionSpec] = &[
    OptionSpec::new::<bool>("log_x", "a logarithmic axis below").also(&["logx"]).or("false"),
    OptionSpec::new::<bool>("log_y", "a logarithmic axis beside").also(&["logy"]).or("false"),
    OptionSpec::new::<String>("x_scale", "as log_x, in a word").one_of(&["linear", "log"]),
    OptionSpec::new::<String>("y_scale", "as log_y, in a word").one_of(&["linear", "log"]),
    OptionSpec::new::<Array>("x_range", "the ends of the axis below, as [0, 1]; () leaves an end open").also(&["xlim"]),
    OptionSpec::new::<Array>("y_range", "the ends of the axis beside, as [0, 1]; () leaves an end open")
        .also(&["ylim"]),
    OptionSpec::new::<bool>("grid", "whether lines cross the picture at the ticks"),
];

/// Of series of values.
pub const SERIES: &[OptionSpec] = &[
    OptionSpec::new::<Dynamic>("x", "positions, or the column of a table that has them"),
    OptionSpec::new::<Dynamic>("y", "the column of a table that is shown, or an array of columns"),
    OptionSpec::new::<Dynamic>("color", "a colour, one for each series, or the column whose values are series")
        .also(&["colour", "colors"]),
    OptionSpec::new::<Dynamic>("labels", "a name for each series").also(&["label", "names"]),
    OptionSpec::new::<f64>("opacity", "0 to 1").also(&["alpha"]),
];

/// Of lines.
pub const LINE: &[OptionSpec] = &[
    OptionSpec::new::<f64>("line_width", "pixels").also(&["linewidth"]).or("1.8"),
    OptionSpec::new::<bool>("points", "whether each value has a point").also(&["marker", "markers"]).or("false"),
];

/// Of points.
pub const SCATTER: &[OptionSpec] = &[OptionSpec::new::<f64>("point_size", "pixels").also(&["size"]).or("6")];

/// Of bars.
pub const BAR: &[OptionSpec] = &[
    OptionSpec::new::<bool>("horizontal", "bars from left to right").or("false"),
    OptionSpec::new::<bool>("stacked", "several series on top of each other").also(&["stack"]).or("false"),
    OptionSpec::new::<bool>("normalize", "stacked, as parts of one").also(&["normalise"]).or("false"),
    OptionSpec::new::<String>("sort", "by value").one_of(&["ascending", "descending"]),
];

/// Of `plot` alone.
pub const PLOT: &[OptionSpec] = &[OptionSpec::new::<String>("kind", "what is drawn; its own options follow")
    .one_of(KINDS)
    .or("what fits the data")];

/// What `plot` can draw.
pub const KINDS: &[&str] = &["line", "scatter", "bar", "histogram", "heatmap"];

/// Of `histogram`.
pub const HISTOGRAM: &[OptionSpec] = &[
    OptionSpec::new::<usize>("bins", "how many, 1 to 1000").or("30"),
    OptionSpec::new::<Array>("range", "where the bins begin and end; values outside are counted in a note"),
    OptionSpec::new::<bool>("density", "areas that sum to one").also(&["normalize", "normalise"]).or("false"),
    OptionSpec::new::<bool>("stacked", "several series on top of each other").also(&["stack"]).or("false"),
    OptionSpec::new::<f64>("opacity", "0 to 1").also(&["alpha"]),
    OptionSpec::new::<Dynamic>("x", "the column of a table that is counted, or an array of columns").also(&["y"]),
    OptionSpec::new::<Dynamic>("color", "a colour, one for each series, or the column whose values are series")
        .also(&["colour", "colors"]),
    OptionSpec::new::<Dynamic>("labels", "a name for each series").also(&["label", "names"]),
];

/// Of `heatmap`.
pub const HEATMAP: &[OptionSpec] = &[
    OptionSpec::new::<Dynamic>("x_labels", "names of the columns").also(&["column_labels", "columns", "xticklabels"]),
    OptionSpec::new::<Dynamic>("y_labels", "names of the rows").also(&["row_labels", "rows", "yticklabels"]),
    OptionSpec::new::<String>("cmap", "the colours").also(&["scheme", "palette"]).or("by the signs of the values"),
    OptionSpec::new::<Array>("range", "the values at the ends of the colours, as [-1, 1]").also(&["clim"]),
    OptionSpec::new::<f64>("vmin", "the value at the lower end of the colours"),
    OptionSpec::new::<f64>("vmax", "the value at the upper end of the colours"),
    OptionSpec::new::<f64>("center", "the value in the middle of the colours").also(&["centre"]),
    OptionSpec::new::<bool>("values", "whether each cell has its number").also(&["annot", "annotate"]).or("false"),
    OptionSpec::new::<usize>("pixels", "a larger matrix is averaged down to so many cells a side")
        .also(&["max_size"])
        .or("512"),
    OptionSpec::new::<String>("pool", "of cells that become one: their mean, or the value farthest from zero")
        .one_of(&["mean", "max"])
        .or("\"mean\""),
];

/// Of `save`.
pub const SAVE: &[OptionSpec] =
    &[OptionSpec::new::<f64>("scale", "pixels of a .png for each pixel of the chart").or("2")];

/// The tables of a kind of chart with series.
pub fn of_kind(kind: &str) -> [&'static [OptionSpec]; 4] {
    let own = match kind {
        "scatter" => SCATTER,
        "bar" => BAR,
        _ => LINE,
    };
    [own, SERIES, AXES, COMMON]
}
